// The words of the CLI itself, said in the language of who reads.
import { type Language, type Phrased, printable, say, words } from "../../client/mod.ts";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const cliWords = words({ en, fr }, {});

/** Says one phrase: `say("to-know", { count: 2 })`. */
export type Say = (...told: Phrased<typeof cliWords>) => string;

/** A phrase that has no parameters, such as a state's; `told` as it stands where there is none, as of a newer core or of nobody. */
export function word(say: Say, name: string, told: string): string {
  return Object.hasOwn(en.phrases, name) ? say(name as "state-up") : printable(told);
}

/** Says phrases in one language. */
export function speaker(language: Language = "en"): Say {
  return (...told) => say(cliWords, cliWords.phrase(...told), language);
}
