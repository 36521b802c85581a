// Text of others, which must not steer a terminal or look like something else: plugins, peers, devices, names. Pure.

/** Controls (C0, C1, line ends of any kind), and what is not seen: text that turns direction, has no width, or is ignored. */
const UNSEEN = String.raw`(?!\ufe0f)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]`;
/** A picture of several parts, which are held together by such a character. */
const PICTURE = String
  .raw`\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})?(?:\u200d\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})?)*`;
const SPACES = /\s+/gu, UNSAFE = new RegExp(`(${PICTURE})|(${UNSEEN})`, "gu");
const UNSAFE_IN_JSON = new RegExp(UNSEEN, "gu");

/** On one line, with a question mark for every character that does something. */
export function printable(text: string): string {
  return replaced(text.replace(SPACES, " "), () => "?");
}

/** On one line, with every such character spelled out, as a log must not hide them. */
export function spelled(text: string): string {
  return replaced(text, (character) => {
    const code = character.codePointAt(0)!;
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** Lines as they may reach a terminal: their ends stay, and so does what they are indented by. */
export function harmless(lines: string): string {
  return replaced(lines.replaceAll("\t", " "), (character) => character === "\n" ? character : "?");
}

/** JSON in characters that do nothing: it says the same. */
export function jsonText(value: unknown, indent = 0): string {
  const lines = JSON.stringify(value, null, indent);
  return lines.replace(
    UNSAFE_IN_JSON,
    (character) =>
      character === "\n"
        ? character
        : character.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join(
          "",
        ),
  );
}

function replaced(text: string, by: (character: string) => string): string {
  return text.replace(UNSAFE, (match, picture?: string) => picture ?? by(match));
}
