// Options that several verbs share.
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { choice, float, string } from "@optique/core/valueparser";

/** Confirms a change at once. */
export const yes = option("--yes", "-y", { description: message`Keep the change without asking.` });

/** The network device something is reached by. */
export const interfaceName = option("--interface", string({ metavar: "IF" }), {
  description: message`Network device, as ${"ip link"} names it.`,
});

/** Settings of a link besides its interface, each optional; names as in the configuration. */
export const linkSettings = {
  address: optional(option("--address", string({ metavar: "CIDR" }), {
    description: message`Own address on the link; without it, the one that the system gave the interface.`,
  })),
  gateway: optional(option("--gateway", string({ metavar: "IP" }), {
    description: message`The modem's address.`,
  })),
  tier: optional(option("--tier", choice(["primary", "secondary", "backup", "never"], { metavar: "T" }), {
    description:
      message`primary (always used), secondary (when the primaries are full), backup (when nothing else is left) or never.`,
  })),
  downMbps: optional(option("--down-mbps", float({ min: 0, metavar: "N" }), {
    description: message`Use at most this much downstream.`,
  })),
  upMbps: optional(option("--up-mbps", float({ min: 0, metavar: "N" }), {
    description: message`Use at most this much upstream.`,
  })),
};

/** The entries that were given. */
export function given<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
