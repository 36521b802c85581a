// Which language a person at the terminal reads.

/** The one that the terminal asks for (locale(7)), of those that there are. */
export function terminalLanguage(): "en" | "fr" {
  const said = Deno.env.get("LC_ALL") || Deno.env.get("LC_MESSAGES") || Deno.env.get("LANG") || "";
  return said.startsWith("fr") ? "fr" : "en";
}
