// What a person should know of links as they are used. Pure.
import { isOddLength, type Link, type Raised } from "@otb/plugin";
import { type Words, words } from "./texts/mod.ts";

/** By code; undefined where nothing is the matter. */
export type Conditions = {
  [C in "link-network-odd" | "mptcp-stripped" | "mptcp-unavailable"]?: Raised<Words>;
};

/** Links with a network that no home has, as a person or a DHCP client of the system gave it: its size is not believed. */
export function oddNetworks(links: Link[]): Conditions {
  const odd = links.flatMap(({ name, observed: { address, prefixLength } }) =>
    address && !address.includes(":") && prefixLength !== undefined && isOddLength(prefixLength)
      ? [words.phrase("has", { name, network: `${address}/${prefixLength}` })]
      : []
  );
  return { "link-network-odd": odd.length === 0 ? undefined : ["link-network-odd", { odd }] };
}

/** Links that Multipath TCP does not pass, of so many that are used. */
export function strippedLinks(names: string[], count: number): Conditions {
  const all = names.length > 0 && names.length === count;
  const links = names.map((name) => words.phrase("named", { name }));
  return {
    "mptcp-unavailable": all ? ["mptcp-unavailable"] : undefined,
    "mptcp-stripped": all || names.length === 0 ? undefined : ["mptcp-stripped", { links }],
  };
}
