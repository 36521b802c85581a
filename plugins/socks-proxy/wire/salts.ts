// Salts seen in the last minute, so that a recorded request is refused, also after a restart (SIP022 section 3.1.4).

/**
 * How long a salt is remembered at least. A request is good while clocks differ by 30 s either way, both in whole seconds: for
 * less than 61 s.
 */
const GENERATION_MS = 65_000;
/** A salt, and the record of a file's time. */
const RECORD_BYTES = 32;

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * An exact set in two generations, each beside its file. A salt is in its file before its connection is accepted: it
 * survives the process, though not the loss of power within the minute. Where it cannot be written it is remembered by this
 * process alone (`isDurable`).
 */
export class Salts {
  #current: Set<string>;
  #previous: Set<string>;
  #startedMs: number;
  #file: Deno.FsFile | undefined;
  /** Bytes of the file that are whole records. */
  #length = 0;

  constructor(private readonly directory: string, private readonly nowMs: () => number) {
    const now = nowMs();
    const current = load(`${directory}/salts`, now);
    this.#previous = load(`${directory}/salts.previous`, now).salts;
    this.#current = current.salts;
    this.#startedMs = current.salts.size > 0 ? current.startedMs : now;
    this.#open(current.salts.size > 0 ? current.length : 0);
  }

  /** Salts are in their file: a restart of this process forgets none. */
  get isDurable(): boolean {
    return this.#file !== undefined;
  }

  /** Remembers a salt; false when it was there already. */
  add(salt: Bytes): boolean {
    const now = this.nowMs();
    if (now - this.#startedMs >= GENERATION_MS || now < this.#startedMs) this.#rotate(now);
    const key = textOf(salt, 0);
    if (this.#current.has(key) || this.#previous.has(key)) return false;
    this.#current.add(key);
    this.#append(salt);
    return true;
  }

  get size(): number {
    return this.#current.size + this.#previous.size;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #rotate(now: number): void {
    // After a long silence both generations are old.
    this.#previous = now - this.#startedMs < 2 * GENERATION_MS ? this.#current : new Set();
    this.#current = new Set();
    this.#startedMs = now;
    this.close();
    try {
      Deno.renameSync(`${this.directory}/salts`, `${this.directory}/salts.previous`);
    } catch {
      // It could not be written.
    }
    this.#open(0);
  }

  /** Goes on behind the whole records of the file; one that is new starts with its time. */
  #open(length: number): void {
    try {
      this.#file = Deno.openSync(`${this.directory}/salts`, { create: true, write: true, mode: 0o600 });
      // What a crash or a full disk tore off would shift everything behind it.
      this.#file.truncateSync(length);
      this.#file.seekSync(length, Deno.SeekMode.Start);
      this.#length = length;
    } catch {
      return this.close();
    }
    if (length > 0) return;
    const record = new Uint8Array(RECORD_BYTES);
    new DataView(record.buffer).setBigUint64(0, BigInt(Math.round(this.#startedMs)));
    this.#append(record);
  }

  /** Writes a whole record or none: the next generation tries again. */
  #append(record: Bytes): void {
    if (!this.#file) return;
    try {
      if (this.#file.writeSync(record) === RECORD_BYTES) this.#length += RECORD_BYTES;
      else throw new Error("torn");
    } catch {
      try {
        this.#file.truncateSync(this.#length);
      } catch {
        // It is cut when it is opened again.
      }
      this.close();
    }
  }
}

/** The 32 bytes from `at` as 16 UTF-16 units: the smallest exact key that a set takes. */
function textOf(bytes: Bytes, at: number): string {
  let text = "";
  for (let index = at; index < at + 32; index += 8) {
    text += String.fromCharCode(
      bytes[index]! | bytes[index + 1]! << 8,
      bytes[index + 2]! | bytes[index + 3]! << 8,
      bytes[index + 4]! | bytes[index + 5]! << 8,
      bytes[index + 6]! | bytes[index + 7]! << 8,
    );
  }
  return text;
}

/** Whole records only: what a crash tore is the salt of a connection that was never accepted. */
function load(path: string, now: number): { salts: Set<string>; startedMs: number; length: number } {
  const salts = new Set<string>();
  const nothing = { salts, startedMs: now, length: 0 };
  let bytes: Bytes;
  try {
    bytes = Deno.readFileSync(path);
  } catch {
    return nothing;
  }
  if (bytes.length < RECORD_BYTES) return nothing;
  const startedMs = Number(new DataView(bytes.buffer).getBigUint64(0));
  if (now - startedMs >= 2 * GENERATION_MS || startedMs > now + GENERATION_MS) return nothing;
  let length = RECORD_BYTES;
  for (; length + RECORD_BYTES <= bytes.length; length += RECORD_BYTES) salts.add(textOf(bytes, length));
  return { salts, startedMs, length };
}
