// What stays in the kernel on purpose when otb ends: devices that may leave only through the peer are kept from leaving at all.
import type { DatabaseSync } from "node:sqlite";
import ipaddr from "ipaddr.js";
import type { Resource } from "../net/model.ts";
import type { Lan, WhenPeerGoneFact } from "../contract/mod.ts";
import { migrate, statement } from "../state/database.ts";

/** Under which claim of the core it is. */
export const KEPT_BLOCK = { owner: "core", key: "kept-block" };

const STEPS = ["CREATE TABLE kept_block (resources TEXT NOT NULL) STRICT"];

/** Remembers on the disk what shall stay, as a core that was killed cannot say it any more. */
export class KeptBlock {
  #known: string;
  #isWritten = true;

  constructor(private readonly db: DatabaseSync) {
    migrate(db, "kept-block", STEPS);
    this.#known = String(db.prepare("SELECT resources FROM kept_block").get()?.resources ?? "[]");
  }

  get resources(): Resource[] {
    return JSON.parse(this.#known);
  }

  /** What stays from now on if otb ends; an empty list for nothing. @throws Error when the disk does not take it; it is known all the same */
  remember(resources: Resource[]): void {
    const text = JSON.stringify(resources);
    if (text === this.#known) return;
    this.#known = text;
    this.#isWritten = false;
    this.flush();
  }

  /** Writes what the disk did not take. @throws Error while it does not */
  flush(): void {
    if (this.#isWritten) return;
    // One statement, so that there is never none.
    this.db.exec("INSERT INTO kept_block SELECT '[]' WHERE NOT EXISTS (SELECT 1 FROM kept_block)");
    statement(this.db, "UPDATE kept_block SET resources = ?").run(this.#known);
    this.#isWritten = true;
  }

  /** What a person has to know of it once otb has ended. */
  get sentences(): string[] {
    if (this.resources.length === 0) return [];
    return [
      "The kill-switch still holds: what devices send past this machine is refused until the next otb up. " +
      "Let them out as they are, unprotected: otb down --open",
      "A device that takes a modem as its gateway by itself does not pass this machine; nothing here holds it.",
    ];
  }
}

/**
 * What keeps devices behind a kill-switch from leaving past this machine, whoever else forwards. It holds by address and not by
 * interface, as a modem may be on the LAN's own wire. Pure.
 */
export function blockOf({ way, devices = {} }: WhenPeerGoneFact, lan: Lan | undefined): Resource[] {
  const having = (wished: "direct" | "block") =>
    Object.keys(devices).filter((mac) => devices[mac] === wished && MAC.test(mac)).sort();
  const [open, closed] = [having("direct"), having("block")];
  if (!lan || way === "direct" && closed.length === 0) return [];
  const whose = way === "direct"
    ? `ether saddr { ${closed.join(", ")} } `
    : open.length > 0
    ? `ether saddr != { ${open.join(", ")} } `
    : "";
  const family = lan.address.includes(":") ? ["ip6", ipaddr.IPv6] as const : ["ip", ipaddr.IPv4] as const;
  const home = `${family[1].networkAddressFromCIDR(lan.address)}/${lan.address.split("/")[1]}`;
  return [{
    kind: "nftTable",
    family: "inet",
    name: "otb_kept_block",
    body: `
  chain forward {
    type filter hook forward priority filter - 10; policy accept
    iifname != "${lan.interface.replaceAll(/["\\]/g, "")}" return
    ${family[0]} daddr ${home} return
    ${whose}meta l4proto tcp reject with tcp reset
    ${whose}reject with icmpx admin-prohibited
  }
`,
  }];
}

const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;
