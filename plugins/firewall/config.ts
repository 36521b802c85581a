// Settings of the firewall.
import * as z from "zod/mini";
import { parseAllowed } from "./allow.ts";

const allowed = z.string().check(
  z.refine(
    (text) => parseAllowed(text) !== undefined,
    'it must read like "tcp 443 from link", "udp 6000-6100 from lan" or "esp from eth5"',
  ),
);
const device = z.string().check(
  z.regex(/^[A-Za-z0-9_.@-]{1,15}$/, "it must be an interface's name of plain characters"),
);

/** Every field has a default; descriptions become documentation. */
export const config = z.strictObject({
  enabled: z._default(z.boolean(), true).register(z.globalRegistry, {
    description: "`false`: everybody may come in from everywhere, as without otb",
  }),
  allow: z._default(z.array(allowed), []).register(z.globalRegistry, {
    description:
      "what may come in beside what otb itself serves: `tcp 443 from link`, `udp 6000-6100 from lan`, `esp from eth5`; from " +
      "`lan`, `link`, `others` or an interface; a port that a container has published counts as the machine's own",
  }),
  trusted: z._default(z.array(device), []).register(z.globalRegistry, {
    description: "interfaces from which everything may come in and through, as a management network",
  }),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
