// Who made a modem, guessed by its Ethernet address and by what its DHCP server says of itself. Data in vendors.json; its
// address blocks are from the public listing of the IEEE (package ieee-data 20220827.1). Pure.
import * as z from "zod/mini";
import data from "./vendors.json" with { type: "json" };

const slug = z.string().check(z.regex(/^[a-z][a-z0-9-]{0,12}$/));

/** The data file: makers by assigned address block (IEEE MA-L), and words in DHCP options 60, 43 and 15. */
export const vendorSchema = z.strictObject({
  makers: z.array(z.strictObject({
    /** For a person. */
    label: z.string().check(z.minLength(1), z.maxLength(40)),
    /** What a link is called; absent where the maker says nothing of the operator or product. */
    name: z.optional(slug),
    /** First three bytes of addresses, several in a line. */
    blocks: z.array(z.string().check(z.regex(/^[0-9a-f]{6}( [0-9a-f]{6})*$/))),
    /** Small letters, found anywhere in an option. */
    words: z.array(z.string().check(z.regex(/^[ -~]{3,40}$/), z.lowercase())),
  })),
});

const makers = vendorSchema.parse(data).makers.map((maker) => ({
  ...maker,
  blocks: new Set(maker.blocks.flatMap((line) => line.split(" "))),
}));

/** What is guessed of a modem: nothing, or a label for people and perhaps a name for its link. */
export interface Guess {
  label?: string;
  name?: string;
}

/** Words are surer than address blocks: a maker builds for many operators. */
export function guess(mac: string, hints: readonly string[]): Guess {
  const said = hints.join("\n").toLowerCase();
  const maker = makers.find(({ words }) => words.some((word) => said.includes(word))) ??
    makers.find(({ blocks }) => blocks.has(mac.slice(0, 8).replaceAll(":", "")));
  return maker ? { label: maker.label, name: maker.name } : {};
}
