// Structured logs: a file of JSON lines with bounded size, the last lines in memory, and whoever follows.
// Not logtape: a log line here comes from another process, already leveled and structured; only storing it is left.
import type { LogLine } from "../client/types.ts";
import { spelled } from "../client/printable.ts";

const MAX_FILE_BYTES = 2 * 1024 * 1024;
/** Older files kept beside the current one. */
const OLDER_FILES = 2;
const TAIL_LINES = 1_000;
/** A longer text is cut: one line must not push out all the others. */
const MAX_TEXT_LENGTH = 16 * 1024;

/** The log of one core and its plugins. */
export class Logs {
  /** Lines that did not reach the disk, for example as it is full. */
  lost = 0;
  #path: string;
  #bytes = 0;
  #tail: LogLine[] = [];
  #followers = new Set<(line: LogLine) => void>();
  #redact: (text: string) => string;
  /** The last write may have torn a line; the next one starts on a line of its own. */
  #torn = false;

  /** Told of each line that did not reach the disk. */
  onFailure: (error: unknown) => void = () => {};

  constructor(directory: string, redact: (text: string) => string = (text) => text) {
    this.#path = `${directory}/otb.log`;
    this.#redact = redact;
    this.#tail = readLines(this.#path).slice(-TAIL_LINES);
    try {
      this.#bytes = Deno.statSync(this.#path).size;
    } catch {
      // It begins with the first line.
    }
  }

  /** Stores a line; never throws, as a full disk must not stop anything. */
  write(line: LogLine): void {
    const clean = this.#clean(line);
    this.#tail.push(clean);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    for (const follow of this.#followers) {
      try {
        follow(clean);
      } catch {
        // Whoever listens looks after himself, for example when his terminal is gone.
      }
    }
    try {
      if (this.#bytes > MAX_FILE_BYTES) this.#rotate();
      const bytes = new TextEncoder().encode(`${this.#torn ? "\n" : ""}${JSON.stringify(clean)}\n`);
      Deno.writeFileSync(this.#path, bytes, { append: true, mode: 0o600 });
      this.#bytes += bytes.length;
      this.#torn = false;
    } catch (error) {
      this.lost++;
      this.#torn = true;
      this.onFailure(error);
    }
  }

  /** The last `count` lines, of one plugin where named. */
  tail(count: number, plugin?: string): LogLine[] {
    return this.#tail.filter((line) => plugin === undefined || line.plugin === plugin).slice(-count);
  }

  follow(onLine: (line: LogLine) => void): () => void {
    this.#followers.add(onLine);
    return () => this.#followers.delete(onLine);
  }

  /** The line as it may be shown and stored: masked, cut, and JSON whatever came. */
  #clean({ atMs, level, plugin, message, properties }: LogLine): LogLine {
    const short = (text: string) =>
      text.length > MAX_TEXT_LENGTH
        ? `${text.slice(0, MAX_TEXT_LENGTH)}... (${text.length} characters)`
        : text;
    const line: LogLine = { atMs, level, plugin, message: short(this.#redact(String(message))) };
    if (!properties) return line;
    try {
      const text = this.#redact(JSON.stringify(properties));
      line.properties = text.length > MAX_TEXT_LENGTH ? { cut: short(text) } : JSON.parse(text);
    } catch (error) {
      line.properties = { unreadable: (error as Error).message };
    }
    return line;
  }

  #rotate(): void {
    const name = (age: number) => age === 0 ? this.#path : `${this.#path}.${age}`;
    for (let age = OLDER_FILES; age > 0; age--) {
      try {
        Deno.renameSync(name(age - 1), name(age));
      } catch (error) {
        // There are not that many yet, or somebody removed it.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    this.#bytes = 0;
  }
}

/** Whole lines of a log file; what a crash tore is left out. */
export function readLines(path: string): LogLine[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch {
    return [];
  }
  return text.split("\n").flatMap((line) => {
    try {
      return line === "" ? [] : [JSON.parse(line) as LogLine];
    } catch {
      return [];
    }
  });
}

/** One line for a terminal: time, level, plugin, message, properties; control characters are shown, not sent. */
export function formatLine({ atMs, level, plugin, message, properties }: LogLine): string {
  const time = new Date(atMs).toISOString().slice(11, 19);
  const details = Object.entries(properties ?? {}).map(([key, value]) =>
    `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`
  );
  return spelled(`${time} ${level.padEnd(7)} ${plugin}: ${[message, ...details].join(" ")}`);
}
