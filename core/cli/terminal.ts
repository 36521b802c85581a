// What the CLI prints and asks: colours only where they are wanted, one JSON object with --json, errors in one form. The one
// place that writes to a terminal; whatever text of others comes by, no character of it steers the terminal.
import { harmless, jsonText, OtbError, type Problem } from "../client/mod.ts";
import { asCalled, type Call, readCall } from "./called.ts";

/** Streams of this process as far as verbs care; replaceable in tests. */
export interface Terminal {
  /** Standard output is a terminal. */
  tty: boolean;
  /** A person can be asked. */
  interactive: boolean;
  /** Escape sequences for colours are wanted on standard output. */
  colours: boolean;
  /** Columns of the terminal, 80 where there is none. */
  width: number;
  height: number;
  /** Lines for people, or JSON; of what steers the terminal only this program's own colours reach it. */
  out(text: string): void;
  err(text: string): void;
  /** Sequences of this program's own, as they are. */
  control(sequences: string): void;
}

/** Named colours of ECMA-48 (console_codes(4)). */
const PAINTS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };

/** A colour of the terminal. */
export type Paint = keyof typeof PAINTS;

/** The terminal of this process. NO_COLOR (no-color.org) and TERM=dumb switch colours off. */
export function processTerminal(): Terminal {
  const tty = Deno.stdout.isTerminal();
  return {
    tty,
    interactive: tty && Deno.stdin.isTerminal(),
    colours: tty && !Deno.env.get("NO_COLOR") && Deno.env.get("TERM") !== "dumb",
    // Asked anew each time, since a window may change.
    get width() {
      return size(tty).columns;
    },
    get height() {
      return size(tty).rows;
    },
    out: (text) => writeAll(Deno.stdout, shown(text)),
    err: (text) => writeAll(Deno.stderr, shown(text)),
    control: (sequences) => writeAll(Deno.stdout, sequences),
  };
}

/** Stands for the escape character until `shown`: another one in each process, so that text of others has no colours. */
const OWN = `\uf8ff${crypto.randomUUID()}\uf8ff`;

/** `text` in a colour, or as it is; to be printed by a Terminal. */
export function paint(colours: boolean, colour: Paint, text: string): string {
  return colours ? `${OWN}[${PAINTS[colour]}m${text}${OWN}[0m` : text;
}

/** Lines as a terminal gets them: what others wrote made harmless, and the colours of `paint`. */
export function shown(text: string): string {
  return harmless(text).replaceAll(OWN, "\x1b");
}

/** Settings that were refused, with everything that is wrong. */
export class Refused extends OtbError {
  constructor(readonly problems: Problem[]) {
    const [first] = problems;
    super(first!.code, first!.message, first!.next);
  }
}

/** A command line that makes no sense; exit status 2. */
export class UsageError extends OtbError {
  constructor(message: string, next = "otb help") {
    super("usage", message, next);
  }
}

/** Tells of an error of a command line, and answers with the exit status. */
export function report(error: unknown, json: boolean, call: Call, terminal: Terminal): number {
  const found = known(error);
  const called = ({ message, next }: { message: string; next?: string }) => ({
    message: asCalled(message, call),
    next: next && asCalled(next, call),
  });
  const { code } = found, { message, next } = called(found);
  const problems = found.problems?.map((problem) => ({ ...problem, ...called(problem) }));
  const line = message.replace(/\s*\n\s*/g, " ");
  if (json) terminal.out(`${jsonText({ error: { code, message: line, next, problems } })}\n`);
  else {
    for (const one of problems ?? [{ message: line, next }]) {
      terminal.err(
        `otb: ${one.message.replace(/\s*\n\s*/g, " ")}\n${one.next ? `  next: ${one.next}\n` : ""}`,
      );
    }
    if (code === "unexpected" && error instanceof Error && Deno.env.get("OTB_DEBUG")) {
      terminal.err(`${error.stack}\n`);
    }
  }
  return code === "usage" ? 2 : 1;
}

function known(error: unknown): { code: string; message: string; next?: string; problems?: Problem[] } {
  if (error instanceof Refused) return error;
  // Errors that came over the socket have the shape, not the class.
  const { code, message, next } = error as Partial<OtbError>;
  if (
    error instanceof OtbError ||
    typeof code === "string" && typeof message === "string" && "next" in (error as object)
  ) {
    return { code: code!, message: message!, next };
  }
  if (error instanceof Deno.errors.PermissionDenied && Deno.uid() !== 0) return notRoot();
  return {
    code: "unexpected",
    message: error instanceof Error ? error.message : String(error),
    next: "Set OTB_DEBUG=1 to see where it came from, and report it (CONTRIBUTING.md).",
  };
}

/** The error of a verb that needs root. */
export function notRoot(): OtbError {
  return new OtbError(
    "not-root",
    `Cannot do this as it must run as root: current value is "uid ${Deno.uid()}"`,
    `sudo otb ${readCall(Deno.args).words.join(" ")}`,
  );
}

function size(tty: boolean): { columns: number; rows: number } {
  if (!tty) return { columns: 80, rows: 24 };
  try {
    const { columns, rows } = Deno.consoleSize();
    return { columns: columns || 80, rows: rows || 24 };
  } catch {
    return { columns: 80, rows: 24 };
  }
}

function writeAll(stream: { writeSync(data: Uint8Array): number }, text: string): void {
  const data = new TextEncoder().encode(text);
  for (let written = 0; written < data.length;) {
    try {
      written += stream.writeSync(data.subarray(written));
    } catch (error) {
      // The reader has seen enough (`otb logs | head`).
      if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0);
      throw error;
    }
  }
}
