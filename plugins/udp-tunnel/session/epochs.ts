// The keys of one session: those in use, those that are agreed on but not yet proved, and former ones that packets under way may
// still need. Changing them stalls nothing: both ends open with all they have.
import type { TunnelKeys, TunnelReceiver } from "../../../core/native/ffi.ts";

/** Far below what AES-GCM bears with packets of this size (RFC 8446 section 5.5). */
const REKEY_PACKETS = 2 ** 24;
/** With keys that nobody renewed nothing is sent any more. */
const STALE_PACKETS = 2 ** 26, STALE_US = 900_000_000;
/** Packets sealed with former keys are under way this long at most. */
const UNDERWAY_US = 10_000_000;

interface Epoch {
  index: number;
  keys: TunnelKeys;
  sinceUs: number;
  /** When newer ones took over; Infinity: not yet. */
  retiredUs: number;
}

/** Adds keys to the receiver and takes them away. */
export class Epochs {
  #current: Epoch | undefined;
  /** Agreed on by the answering end; in use once the asking end has used them. */
  #pending: Epoch | undefined;
  #former: Epoch[] = [];
  #isStopped = false;

  constructor(private readonly receiver: TunnelReceiver, private readonly tag: number) {}

  /** How often keys were taken into use. */
  count = 0;

  /** What to seal with; undefined: nothing may be sent. */
  get keys(): TunnelKeys | undefined {
    return this.#isStopped ? undefined : this.#current?.keys;
  }

  /** Seals nothing any more until new keys are agreed on, which count on from these; what comes is opened as before. */
  stop(): void {
    this.#isStopped = true;
  }

  /** The same for keys that another machine may have too: those that are not in use yet are never used. */
  abandon(): void {
    this.stop();
    if (this.#pending) this.#free(this.#pending);
    this.#pending = undefined;
  }

  /** Takes keys that are proved: the answer to our own question came. */
  use(index: number, keys: TunnelKeys, nowUs: number): void {
    this.receiver.add(index, keys, this.tag);
    this.#promote({ index, keys, sinceUs: nowUs, retiredUs: Infinity }, nowUs);
  }

  /** Takes keys that the other end has not used yet. */
  prepare(index: number, keys: TunnelKeys, nowUs: number): void {
    if (this.#pending) this.#free(this.#pending);
    this.receiver.add(index, keys, this.tag);
    this.#pending = { index, keys, sinceUs: nowUs, retiredUs: Infinity };
  }

  /** A packet was opened by keys for the first time: if they are the prepared ones, they are proved. */
  proved(nowUs: number): boolean {
    const pending = this.#pending;
    if (!pending) return false;
    this.#pending = undefined;
    this.#promote(pending, nowUs);
    return true;
  }

  /** Whether new keys should be agreed on. @param everyUs what a compromise reaches at most */
  isRekeyDue(everyUs: number, nowUs: number): boolean {
    const current = this.#current;
    return !!current && (nowUs - current.sinceUs > everyUs || current.keys.sealed > REKEY_PACKETS);
  }

  /** Forgets what is no longer needed; to be called now and then. */
  tidy(nowUs: number): void {
    const isOld = ({ retiredUs }: Epoch) => nowUs - retiredUs > UNDERWAY_US;
    if (this.#former.some(isOld)) {
      for (const epoch of this.#former.filter(isOld)) this.#free(epoch);
      this.#former = this.#former.filter((epoch) => !isOld(epoch));
    }
    const current = this.#current;
    if (current && (nowUs - current.sinceUs > STALE_US || current.keys.sealed > STALE_PACKETS)) this.stop();
  }

  close(): void {
    for (const epoch of [this.#current, this.#pending, ...this.#former]) if (epoch) this.#free(epoch);
    this.#current = this.#pending = undefined;
    this.#former = [];
  }

  #promote(epoch: Epoch, nowUs: number): void {
    this.count++;
    this.#isStopped = false;
    if (this.#current) {
      epoch.keys.follow(this.#current.keys);
      this.#current.retiredUs = nowUs;
      this.#former.push(this.#current);
    }
    this.#current = epoch;
  }

  #free({ index, keys }: Epoch): void {
    this.receiver.remove(index);
    keys.free();
  }
}
