// Salts seen in the last minute, so that a recorded request is refused, also after a restart (SIP022 section 3.1.4).

/** A salt must be remembered for twice the clock window. */
const GENERATION_MS = 60_000;

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * An exact set in two generations, each beside its file. A salt is in its file before its connection is accepted: it
 * survives the process, though not the loss of power within the minute.
 */
export class Salts {
  #current: Set<string>;
  #previous: Set<string>;
  #startedMs: number;
  #file: Deno.FsFile;

  constructor(private readonly directory: string, private readonly nowMs: () => number) {
    const now = nowMs();
    const current = load(`${directory}/salts`, now);
    this.#previous = load(`${directory}/salts.previous`, now).salts;
    this.#current = current.salts;
    this.#startedMs = current.salts.size > 0 ? current.startedMs : now;
    this.#file = Deno.openSync(`${directory}/salts`, {
      create: true,
      write: true,
      append: true,
      mode: 0o600,
    });
    if (current.salts.size === 0) this.#begin(now);
  }

  /** Remembers a salt; false when it was there already. */
  add(salt: Bytes): boolean {
    const now = this.nowMs();
    if (now - this.#startedMs >= GENERATION_MS || now < this.#startedMs) this.#rotate(now);
    const key = textOf(salt, 0);
    if (this.#current.has(key) || this.#previous.has(key)) return false;
    this.#current.add(key);
    this.#file.writeSync(salt);
    return true;
  }

  get size(): number {
    return this.#current.size + this.#previous.size;
  }

  close(): void {
    this.#file.close();
  }

  #rotate(now: number): void {
    // After a long silence both generations are old.
    this.#previous = now - this.#startedMs < 2 * GENERATION_MS ? this.#current : new Set();
    this.#current = new Set();
    this.#file.close();
    Deno.renameSync(`${this.directory}/salts`, `${this.directory}/salts.previous`);
    this.#file = Deno.openSync(`${this.directory}/salts`, {
      create: true,
      write: true,
      append: true,
      mode: 0o600,
    });
    this.#begin(now);
  }

  /** A file starts with its time, as one record of the size of a salt. */
  #begin(now: number): void {
    this.#startedMs = now;
    const record = new Uint8Array(32);
    new DataView(record.buffer).setBigUint64(0, BigInt(Math.round(now)));
    this.#file.truncateSync(0);
    this.#file.writeSync(record);
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
function load(path: string, now: number): { salts: Set<string>; startedMs: number } {
  const salts = new Set<string>();
  let bytes: Bytes;
  try {
    bytes = Deno.readFileSync(path);
  } catch {
    return { salts, startedMs: now };
  }
  if (bytes.length < 32) return { salts, startedMs: now };
  const startedMs = Number(new DataView(bytes.buffer).getBigUint64(0));
  if (now - startedMs >= 2 * GENERATION_MS || startedMs > now + GENERATION_MS) {
    return { salts, startedMs: now };
  }
  for (let at = 32; at + 32 <= bytes.length; at += 32) {
    salts.add(textOf(bytes, at));
  }
  return { salts, startedMs };
}
