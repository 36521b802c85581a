// Programs of our own that run in a lab and tell what they find as JSON lines.
import type { Lab } from "./lab.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** A line that a program said; what does not begin as an object is not one. */
export type Line = Record<string, unknown>;

/** One program in a namespace of a lab, with its lines as they come. */
export class Lines {
  #listeners = new Set<(line: Line) => void>();
  #ended: Promise<void>;

  #child: Deno.ChildProcess;
  #what: string;

  /** Starts a program of this repository. @param words its file, then its arguments */
  constructor(lab: Pick<Lab, "spawn">, role: string, [file, ...args]: string[]) {
    this.#what = `${file} in ${role}`;
    this.#child = lab.spawn(role, [
      Deno.execPath(),
      "run",
      "-A",
      "--quiet",
      "--unstable-net",
      "--no-lock",
      `--config=${ROOT}/deno.json`,
      `${ROOT}/${file}`,
      ...args,
    ], { stdin: "piped", stdout: "piped", stderr: "inherit" });
    this.#ended = this.#read();
    // Whoever waits for a line is told.
    this.#ended.catch(() => {});
  }

  /** Hears every line from now on, until the returned function is called. */
  listen(listener: (line: Line) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The next line that is as wished. @throws Error when the program ends before */
  async next<T = Line>(isWished: (line: Line) => boolean): Promise<T> {
    let stop = () => {};
    const found = new Promise<T>((resolve) => {
      stop = this.listen((line) => isWished(line) && resolve(line as T));
    });
    const ended = this.#ended.then(() => {
      throw new Error(`${this.#what} ended without saying what it found`);
    });
    ended.catch(() => {});
    try {
      return await Promise.race([found, ended]);
    } finally {
      stop();
    }
  }

  /** Says a line to the program. */
  async write(line: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${line}\n`));
    writer.releaseLock();
  }

  async stop(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It ended by itself.
    }
    await this.#child.status;
    await this.#ended.catch(() => {});
    await this.#child.stdin.close().catch(() => {});
  }

  async #read(): Promise<void> {
    let text = "";
    for await (const piece of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (text + piece).split("\n");
      text = lines.pop()!;
      for (const line of lines) {
        if (!line.startsWith("{")) continue;
        const said = JSON.parse(line);
        for (const listener of [...this.#listeners]) listener(said);
      }
    }
  }
}
