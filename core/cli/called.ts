// How this otb was called, so that a command line told to a person works as it stands: `./otb`, and for the same state.
import { declaredWords } from "../client/mod.ts";

/** Where state lies when --state says nothing. */
export const DEFAULT_STATE = "/var/lib/otb";

/** How otb was called. */
export interface Call {
  /** By which name: `otb` where it stands on PATH, otherwise as the launcher was, `./otb`. */
  name: string;
  /** For which state directory. */
  state: string;
  /** Its words, without the options of every verb. */
  words: string[];
}

const OWN =
  "setup|init|up|down|status|lan|link|config|peer|plugin|logs|service|doctor|version|help|completion".split(
    "|",
  );
const patterns = new Map<string, RegExp>();

/** `otb` before a verb, also one of a plugin, in command lines that are told; elsewhere the name is only a name. */
function commandPattern(state: string): RegExp {
  const known = patterns.get(state);
  if (known) return known;
  const verbs = [...OWN, ...new Set(declaredWords(state))].join("|");
  const pattern = new RegExp(
    `(?<![\\w./-])(?:\\./)?otb(?=\\s+(?<words>(?:${verbs})(?![\\w-])(?:\\s+(?:cloud|code|box|join)\\b)?|--help))`,
    "g",
  );
  patterns.set(state, pattern);
  return pattern;
}

/** What is typed on a peer alone, and on a box alone that has a peer already or is to have one. */
const ON_PEER = /^(init\s+(cloud|code)|peer\s+box)\b/, ON_BOX = /^(init\s+box|peer\s+join|setup)\b/;

/** How a command line called it; the name is what the launcher says. */
export function readCall(args: readonly string[], name = Deno.env.get("OTB_CALLED") || "otb"): Call {
  const words: string[] = [];
  let state = DEFAULT_STATE;
  for (let index = 0; index < args.length; index++) {
    const word = args[index]!;
    if (word === "--state") state = args[++index] ?? state;
    else if (word.startsWith("--state=")) state = word.slice("--state=".length);
    else if (word === "--language") index++;
    else if (word !== "--json" && !word.startsWith("--language=")) words.push(word);
  }
  return { name, state, words };
}

/** Every command line of otb in `text`, as one has to type it to get the same otb and, on this machine, the same state. */
export function asCalled(text: string, { name, state, words }: Call): string {
  const elsewhere = ON_PEER.test(words.join(" ")) ? ON_BOX : ON_PEER;
  return text.replace(commandPattern(state), (...match) => {
    const { words: told } = match.at(-1) as { words: string };
    return state === DEFAULT_STATE || elsewhere.test(told)
      ? quoted(name)
      : `${quoted(name)} --state ${quoted(state)}`;
  });
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
