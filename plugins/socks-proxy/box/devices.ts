// How many connections each device of the LAN may have at once, so that none takes the place of the others.
import { decodeAddress } from "../../../core/native/ffi.ts";
import type { Counted } from "../relay/reactor.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Who has an address is asked again after this time. */
const KNOWN_MS = 30_000;
/** So many addresses are remembered; a flood of made-up ones must not fill the memory. */
const MOST_KNOWN = 4_096;
/** A device that was refused something is told of for this long. */
const TOLD_MS = 60_000;

/** What the limits are and who is counted. */
export interface DevicesSettings {
  /** Connections of all devices together, as of now. */
  total(): number;
  /** Connections of each, as of now. */
  perDevice(): number;
  /** The MAC address of who has an address (a record) on the LAN; a device without one is known by its address. */
  macOf(address: Bytes): string | undefined;
  /** Milliseconds that never go back. */
  nowMs(): number;
}

/** One device; counts a connection until the reactor forgets it. */
class Device implements Counted {
  open = 0;
  refusedMs = -Infinity;

  constructor(readonly name: string, private readonly all: { open: number }) {}

  enter(): void {
    this.open++;
    this.all.open++;
  }

  left(): void {
    this.open--;
    this.all.open--;
  }
}

/** Counts connections, and refuses what is too much. */
export class Devices {
  /** Of all devices together. */
  open = 0;
  readonly #devices = new Map<string, Device>();
  readonly #known = new Map<number | string, { device: Device; untilMs: number }>();

  constructor(private readonly settings: DevicesSettings) {}

  /**
   * Counts one more connection from an address record, for `Reactor.count`; undefined when it must be refused. A device may have as
   * many as are left for others, however many devices it plays.
   */
  admit(from: Bytes): Counted | undefined {
    const { total, perDevice, nowMs } = this.settings;
    const device = this.#deviceOf(from);
    if (device.open >= Math.min(perDevice(), total() - this.open)) {
      device.refusedMs = nowMs();
      return undefined;
    }
    device.enter();
    return device;
  }

  /** Devices that were refused something lately, by MAC address or else by address. */
  refused(): string[] {
    const sinceMs = this.settings.nowMs() - TOLD_MS;
    return [...this.#devices.values()].flatMap(({ name, refusedMs }) => refusedMs > sinceMs ? [name] : [])
      .sort();
  }

  #deviceOf(from: Bytes): Device {
    const now = this.settings.nowMs();
    const key = from[0] === 2
      ? ((from[4]! * 256 + from[5]!) * 256 + from[6]!) * 256 + from[7]!
      : decodeAddress(from).host;
    const known = this.#known.get(key);
    if (known && known.untilMs > now) return known.device;
    if (this.#known.size >= MOST_KNOWN) this.#forget();
    const name = this.settings.macOf(from) ?? decodeAddress(from).host;
    let device = this.#devices.get(name);
    if (!device) this.#devices.set(name, device = new Device(name, this));
    this.#known.set(key, { device, untilMs: now + KNOWN_MS });
    return device;
  }

  /** Forgets addresses, and the devices that have nothing open and nothing to tell. */
  #forget(): void {
    this.#known.clear();
    const sinceMs = this.settings.nowMs() - TOLD_MS;
    for (const [name, device] of this.#devices) {
      if (device.open === 0 && device.refusedMs <= sinceMs) this.#devices.delete(name);
    }
  }
}
