// Where a verb takes a join code from: standard input or a file, never the command line, which every user of a machine can read.
import { message } from "@optique/core/message";
import { decodeJoinCode, OtbError } from "../client/mod.ts";
import type { Terminal } from "./terminal.ts";

/** What stands in a usage line for where the code comes from. */
export const JOIN_WORD = "-|@FILE";

export const joinDescription =
  message`Where the join code comes from: - reads it from standard input, @FILE from a file.`;

/** A join code is short, also with white space in it; more is none. */
const LONGEST_CODE = 4_096;

/**
 * The join code that `word` leads to.
 *
 * @param verb the command line with another word in place of this one
 * @throws OtbError `code-on-command-line`, `join-code-unreadable`, `join-code-invalid`
 */
export async function readJoinCode(
  word: string,
  terminal: Terminal,
  verb: (word: string) => string,
): Promise<string> {
  const isTyped = word === "-" && Deno.stdin.isTerminal();
  if (isTyped) terminal.err("Join code: ");
  if (word === "-") return await readCode(Deno.stdin, isTyped);
  if (!word.startsWith("@")) {
    throw new OtbError(
      "code-on-command-line",
      "Cannot take a join code from the command line as every user of this machine can read it there",
      `sudo ${verb("-")} (then paste it), or put it into a file: sudo ${verb("@FILE")}`,
    );
  }
  const path = word.slice(1);
  try {
    using file = await Deno.open(path);
    return await readCode(file, false);
  } catch (error) {
    if (error instanceof OtbError) throw error;
    throw new OtbError(
      "join-code-unreadable",
      `Cannot read a join code as the file must be there and readable: current value is "${path}"`,
      `sudo ${verb("-")} (then paste it)`,
    );
  }
}

/** Everything there is; a person is done with the line that makes a code whole, wrong, or is empty. */
export async function readCode(
  source: { read(buffer: Uint8Array): Promise<number | null> },
  isTyped: boolean,
): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(1024);
  let text = "";
  for (let count = await source.read(buffer); count !== null; count = await source.read(buffer)) {
    const said = decoder.decode(buffer.subarray(0, count), { stream: true });
    text += said;
    if (text.length > LONGEST_CODE) {
      throw new OtbError(
        "join-code-invalid",
        `Cannot join a peer as a code has ${LONGEST_CODE} characters at most`,
      );
    }
    if (isTyped && (said.trim() === "" || !isIncomplete(text))) break;
  }
  return text;
}

/** A line that a terminal or a mail broke: the rest is still to come. */
function isIncomplete(text: string): boolean {
  try {
    decodeJoinCode(text);
    return false;
  } catch (error) {
    return (error as OtbError).code === "join-code-incomplete";
  }
}
