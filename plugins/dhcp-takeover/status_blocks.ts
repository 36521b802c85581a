// How the LAN's DHCP stands and what to do about it, as blocks for a person. Pure.
import type { Block, Viewer } from "@otb/plugin";

/** What the plugin tells of itself. */
export interface DhcpStatus {
  phase: string;
  sentence: string;
  /** Whether the box serves now, and as what. */
  serving: "no" | "trial" | "confirmed" | "for-modem";
  confirmByMs?: number;
  /** When the box serves if every other server stays silent until then. */
  silentByMs?: number;
  servers: {
    mac: string;
    server: string;
    router: string;
    vendor: string;
    network: string;
    isAnswering: boolean;
  }[];
  instructions: { title: string; server: string; url: string; en: string[]; fr: string[] }[];
  leaseCount: number;
  poolSize: number;
}

/** An address that was given. */
export interface Lease {
  mac: string;
  address: string;
  name: string;
  expiresMs: number;
  reserved: boolean;
}

/** How it stands and what to do. */
export function statusBlocks(
  { sentence, servers, instructions, confirmByMs, silentByMs, leaseCount, poolSize }: DhcpStatus,
  { language, nowMs }: Viewer,
): Block[] {
  const blocks: Block[] = [notice(sentence)];
  if (silentByMs !== undefined) {
    const seconds = Math.round((silentByMs - nowMs) / 1000);
    blocks.push(notice(
      seconds > 0
        ? `If it does, the box serves addresses in ${seconds} s.`
        : "The box serves addresses once everybody was asked once more.",
    ));
  }
  if (poolSize > 0) {
    blocks.push(notice(`${leaseCount} of ${poolSize} addresses are given (otb dhcp leases).`));
  }
  if (confirmByMs !== undefined) {
    const seconds = Math.max(0, Math.round((confirmByMs - nowMs) / 1000));
    blocks.push(notice(`Given back in ${seconds} s unless kept: otb dhcp confirm`));
  }
  blocks.push({
    kind: "table",
    columns: ["Other server", "Address", "Network", { title: "What", shrink: true }, "Answers"],
    rows: servers.map(({ mac, server, network, vendor, isAnswering }) => ({
      cells: [mac, server, network, vendor, isAnswering ? "yes" : "no"],
      actions: [{ action: "recheck" }],
    })),
  });
  for (const { title, url, ...steps } of instructions) {
    blocks.push({ kind: "steps", title: `${title}, ${url}`, steps: steps[language] });
  }
  return blocks;
}

function notice(text: string): Block {
  return { kind: "notice", text };
}

/** Leases as a person reads them. */
export function leaseTable(leases: Lease[]): Block {
  return {
    kind: "table",
    empty: "No address was given yet.",
    columns: [{ title: "Device", shrink: true }, "Address", "MAC", "Until", ""],
    rows: leases.map(({ name, address, mac, expiresMs, reserved }) => [
      name,
      address,
      mac,
      expiresMs === 0 ? "for ever" : new Date(expiresMs).toISOString().slice(0, 19).replace("T", " "),
      reserved ? "reserved" : "",
    ]),
  };
}
