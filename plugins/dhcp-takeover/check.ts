// What the schema cannot see of the settings. Pure.
import { inRange, ipv4Network, ipv4Number, type Problem, type World } from "@otb/plugin";
import type { Config } from "./config.ts";
import { pool } from "./plan.ts";

/** Largest pool, in addresses. */
const MAX_POOL = 65_536;

/** Everything that contradicts the LAN or itself. */
export function checkSettings(next: Config, { network: { lan } }: World): Problem[] {
  const problems: Problem[] = [];
  const own = lan ? ipv4Network(lan.address) : undefined;
  if (!own) {
    if (next.mode === "off") return [];
    return [{
      code: "lan-missing",
      path: "mode",
      message: `Cannot serve addresses as the box has no IPv4 LAN: current value is "${
        lan?.address ?? "none"
      }"`,
      next: "otb lan set --interface IF --address CIDR",
    }];
  }
  const { from, to } = next.pool;
  for (const [field, address] of [["from", from], ["to", to]] as const) {
    if (address && !isHost(address)) {
      problems.push({
        code: "pool-outside",
        path: `pool.${field}`,
        message: `Cannot give addresses as the pool must lie in the LAN ${
          lan!.address
        }: current value is "${address}"`,
      });
    }
  }
  const { first, last } = pool(own, next.pool);
  if (first > last || last - first >= MAX_POOL) {
    problems.push({
      code: "pool-invalid",
      path: "pool",
      message: `Cannot give addresses as the pool must have 1 to ${MAX_POOL} of them: current value is "${
        last - first + 1
      }"`,
    });
  }
  const owners = new Map<string, string>();
  for (const [mac, { address }] of Object.entries(next.reservations)) {
    const refuse = (code: string, message: string) =>
      problems.push({
        code,
        path: `reservations.${mac}.address`,
        message: `Cannot reserve for ${mac} as ${message}`,
      });
    if (address === lan!.address.split("/")[0]) {
      refuse("address-own", `the address is the box's own: current value is "${address}"`);
    }
    if (!isHost(address)) {
      refuse(
        "address-outside",
        `the address must lie in the LAN ${lan!.address}: current value is "${address}"`,
      );
    }
    const owner = owners.get(address);
    if (owner) refuse("address-twice", `${owner} has the same address: current value is "${address}"`);
    owners.set(address, mac);
  }
  return problems;

  function isHost(address: string): boolean {
    return inRange({ first: own!.first + 1, last: own!.last - 1 }, ipv4Number(address));
  }
}
