// The lease file on disk and the whole copy beside it, so that no power cut costs a lease.
import { mergeLeases } from "./leases.ts";

/** dnsmasq rewrites its file in place within far less than this. */
const REWRITE_MS = 5;

/** dnsmasq's file (it syncs it before it answers a device) and a copy that is only ever replaced whole. */
export class LeaseFile {
  readonly path: string;
  readonly #copy: string;
  #kept: string | undefined;

  constructor(private readonly directory: string) {
    this.path = `${directory}/leases`;
    this.#copy = `${directory}/leases.copy`;
  }

  /** What the file says now; empty where there is none. */
  read(): string {
    return textOf(this.path);
  }

  /** File and copy together: what a start goes on with. */
  readBoth(): string {
    return mergeLeases(this.read(), textOf(this.#copy));
  }

  /** Puts file and copy together, or another text in place of both; only while dnsmasq does not run. */
  restore(text = this.readBoth()): void {
    replace(this.directory, this.#copy, text);
    replace(this.directory, this.path, text);
    this.#kept = text;
  }

  /** Takes a new copy; answers what the file says, or undefined when it is just being written. */
  async keep(): Promise<string | undefined> {
    const before = this.read();
    if (before === this.#kept) return before;
    // Half a file must not become the copy: what is being written has changed a moment later.
    await new Promise((resolve) => setTimeout(resolve, REWRITE_MS));
    const text = this.read();
    if (text !== before || text !== "" && !text.endsWith("\n")) return undefined;
    replace(this.directory, this.#copy, text);
    this.#kept = text;
    return text;
  }
}

/** Replaces a file whole and has it on the disk: content, then name (rename(2), fsync(2)). */
function replace(directory: string, path: string, text: string): void {
  const temporary = `${path}.new`;
  using file = Deno.openSync(temporary, { create: true, write: true, truncate: true, mode: 0o600 });
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  file.syncSync();
  Deno.renameSync(temporary, path);
  using folder = Deno.openSync(directory);
  folder.syncSync();
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
