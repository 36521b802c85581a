// The connections of one striped stream: which of them takes the next chunk, and which words go over.
import type { Carrier } from "./carrier.ts";
import { HEAD_BYTES, MAX_CHUNK_BYTES, writeHead } from "./frames.ts";

/** Who hears nothing is only used when nobody else is left, milliseconds. */
const SILENCE_COSTS_MS = 10_000;
/** Of two that were heard within so long of each other the nearer is taken. */
const HEARD_ALIKE_MS = 100;

/** Frames without bytes are put together here: they may be sent while the shared buffers are read. */
const small = { input: new Uint8Array(HEAD_BYTES), output: new Uint8Array(1_024) };

export class Carriers {
  all: readonly Carrier[] = [];

  /** @param stream told of one that no longer works */
  constructor(private readonly stream: { lose(carrier: Carrier): void }) {}

  add(carrier: Carrier): void {
    // Exactly as many as there are: an array that grows by itself begins with room for 17.
    this.all = [...this.all, carrier];
  }

  remove(carrier: Carrier): void {
    this.all = this.all.filter((one) => one !== carrier);
  }

  /** Without the queues that the streams themselves make. */
  get worstRttMs(): number {
    return this.all.reduce((worst, { gauge }) => Math.max(worst, gauge.minRttMs), 0);
  }

  /** How long the slowest may take until it is overdue. */
  get worstDueMs(): number {
    return this.all.reduce((worst, { gauge }) => Math.max(worst, gauge.dueMs(0)), 0);
  }

  /** The one that would bring a chunk first, of those that take anything now. */
  best(except?: Carrier): Carrier | undefined {
    // Where something is late already, any link may help.
    const isHeldUsed = except !== undefined || !this.#isAnyFree;
    let best: Carrier | undefined, bestMs = Infinity;
    for (const carrier of this.all) {
      if (carrier.isHeld && !isHeldUsed) continue;
      const arrivalMs = chunkArrivalMs(carrier) + (carrier.isSilent ? SILENCE_COSTS_MS : 0);
      if (carrier !== except && arrivalMs < bestMs && carrier.canTake) {
        best = carrier;
        bestMs = arrivalMs;
      }
    }
    return best;
  }

  /**
   * Whether all would come to wait for what is sent over this one: before it arrives, the others would have brought as much as may be
   * sent, `room` bytes (BLEST, Ferlin et al. 2016).
   */
  wouldBlock(carrier: Carrier, room: number): boolean {
    let others = 0, firstMs = Infinity;
    for (const other of this.all) {
      if (other === carrier || other.isSilent || other.isHeld) continue;
      others += other.gauge.rate;
      firstMs = Math.min(firstMs, chunkArrivalMs(other));
    }
    return others * (chunkArrivalMs(carrier) - firstMs) / 1000 > room;
  }

  /** The one that is surest to bring a word soon. */
  near(): Carrier | undefined {
    let near: Carrier | undefined;
    for (const carrier of this.all) {
      if (!near || Number(carrier.isSilent) - Number(near.isSilent) < 0) near = carrier;
      else if (carrier.isSilent === near.isSilent && isNearer(carrier, near)) near = carrier;
    }
    return near;
  }

  /** Sends a frame without bytes over one. */
  say(carrier: Carrier, type: number, flags: number, size: number, offset: number): void {
    writeHead(small.input, 0, type, flags, size, offset);
    if (!carrier.send(small.input, HEAD_BYTES, small.output)) this.stream.lose(carrier);
    else carrier.watch();
  }

  /** @param wantsRoom tell when any can take more, or when those can that are full now */
  watch(wantsRoom: boolean | "of the full"): void {
    const isHeldUsed = !wantsRoom || !this.#isAnyFree;
    for (const carrier of this.all) {
      const isWanted = wantsRoom === "of the full" ? !carrier.canTake : wantsRoom;
      carrier.watch(isWanted && (isHeldUsed || !carrier.isHeld));
    }
  }

  /** Some link carries that is not held back. */
  get #isAnyFree(): boolean {
    return this.all.some((carrier) => !carrier.isSilent && !carrier.isHeld);
  }
}

function chunkArrivalMs({ gauge }: Carrier): number {
  return gauge.arrivalMs(gauge.chunkBytes(MAX_CHUNK_BYTES));
}

function isNearer(one: Carrier, other: Carrier): boolean {
  // Who was heard of just now is alive.
  const aheadMs = one.heardMs - other.heardMs;
  return aheadMs > HEARD_ALIKE_MS || aheadMs > -HEARD_ALIKE_MS && one.gauge.rttMs < other.gauge.rttMs;
}
