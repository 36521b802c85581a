// What `otb status` shows of connections, told once a second when it changed.
import type { Context, Json } from "@otb/plugin";

const STATUS_EVERY_MS = 1_000;

/** What is counted of connections, and whatever else there is to tell. */
export interface Counts {
  open: number;
  total: number;
  refused: number;
  mptcp: number;
  tcp: number;
  striped: number;
  /** How new ones go, where that is known. */
  transport?: string;
}

/** How connections go: as new ones do, or else as those of before did. Pure. */
export function protocolOf(counts: Pick<Counts, "mptcp" | "tcp" | "striped" | "transport">): string {
  if (counts.transport === "striped" && counts.striped > 0) return "striped";
  const kinds = (["mptcp", "tcp", "striped"] as const).filter((kind) => counts[kind] > 0);
  return kinds.length > 1 ? "mixed" : kinds[0] ?? "unknown";
}

/** Publishes from now on. */
export function publish(
  { publishStatus, defer }: Pick<Context<unknown>, "publishStatus" | "defer">,
  look: () => Counts,
): void {
  let last = "";
  const tell = () => {
    const { open, total, refused, ...rest } = look();
    const status = { connections: { open, total, refused, protocol: protocolOf(rest) }, ...rest };
    const text = JSON.stringify(status);
    if (text === last) return;
    last = text;
    publishStatus(status as { [key: string]: Json });
  };
  const timer = setInterval(tell, STATUS_EVERY_MS);
  defer(() => clearInterval(timer));
}
