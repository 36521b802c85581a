// Structured logs: a file of JSON lines with bounded size, the last lines in memory, and whoever follows.
// Not logtape: a log line here comes from another process, already leveled and structured; only storing it is left.
import type { LogLine } from "../client.ts";

const MAX_FILE_BYTES = 2 * 1024 * 1024;
/** Older files kept beside the current one. */
const OLDER_FILES = 2;
const TAIL_LINES = 1_000;

/** The log of one core and its plugins. */
export class Logs {
  /** Lines that did not reach the disk, for example as it is full. */
  lost = 0;
  #path: string;
  #bytes = 0;
  #tail: LogLine[] = [];
  #followers = new Set<(line: LogLine) => void>();
  #redact: (text: string) => string;

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
    const text = this.#redact(JSON.stringify(line));
    const clean = JSON.parse(text) as LogLine;
    this.#tail.push(clean);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    for (const follow of this.#followers) follow(clean);
    try {
      if (this.#bytes > MAX_FILE_BYTES) this.#rotate();
      Deno.writeTextFileSync(this.#path, text + "\n", { append: true, mode: 0o600 });
      this.#bytes += text.length + 1;
    } catch {
      this.lost++;
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

  #rotate(): void {
    for (let age = OLDER_FILES; age > 1; age--) {
      try {
        Deno.renameSync(`${this.#path}.${age - 1}`, `${this.#path}.${age}`);
      } catch {
        // There are not that many yet.
      }
    }
    Deno.renameSync(this.#path, `${this.#path}.1`);
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
export function formatLine({ atMs, level, plugin, message, properties }: LogLine, colours: boolean): string {
  const time = new Date(atMs).toISOString().slice(11, 19);
  const details = Object.entries(properties ?? {}).map(([key, value]) =>
    `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`
  );
  const paint = { debug: "2", info: "0", warning: "33", error: "31" }[level];
  const text = `${time} ${level.padEnd(7)} ${plugin}: ${[message, ...details].join(" ")}`
    .replace(
      /[\p{Cc}]/gu,
      (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
  return colours && paint !== "0" ? `\x1b[${paint}m${text}\x1b[0m` : text;
}
