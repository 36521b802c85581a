// Questions to a person: only a clear yes or no decides, anything else is asked again.
import { printable } from "./format.ts";

/** Asks; undefined when the person leaves (Ctrl-C, Ctrl-D, the end of the input), empty for an empty line. */
export type Ask = (question: string) => string | undefined;

/** Whether `answer` says yes or no, in English or French; undefined when it is unclear. An empty one says `usual`. */
export function clearly(answer: string, usual?: boolean): boolean | undefined {
  const word = answer.trim();
  if (word === "") return usual;
  if (/^(y(es)?|o(ui)?)$/i.test(word)) return true;
  return /^n(o|on)?$/i.test(word) ? false : undefined;
}

/** A clear yes or no, asked for until it comes; undefined when the person leaves. An empty answer says `usual`. */
export function askClearly(question: string, usual?: boolean, ask: Ask = askPerson): boolean | undefined {
  const form = { true: "[Y/n]", false: "[y/N]", undefined: "(yes, no)" }[`${usual}`];
  for (let text = `${question} ${form}`;; text = `Please answer yes or no. ${question} ${form}`) {
    const answer = ask(text);
    if (answer === undefined) return undefined;
    const said = clearly(answer, usual);
    if (said !== undefined) return said;
  }
}

/** A line from the person, or `usual` when it is empty: shown, and not typed for them, as what one types would be added to it. */
export function askLine(question: string, usual?: string, ask: Ask = askPerson): string | undefined {
  const answer = ask(usual === undefined ? question : `${question} [${usual}]`);
  return answer === undefined ? undefined : answer.trim() || usual;
}

function askPerson(question: string): string | undefined {
  return prompt(printable(question)) ?? undefined;
}
