// Keeps over a restart when each box was last seen.
import type { Context } from "@otb/plugin";
import type { Boxes } from "./boxes.ts";

/** How often it is stored: the disk shall rest. */
const KEPT_MS = 60_000;

/** Knows again when boxes were seen, by what their keys are called on the wire, and stores it from now on. */
export async function rememberSeen(ctx: Context<unknown>, boxes: Boxes): Promise<void> {
  const seen = await ctx.store.get<{ [identity: string]: number }>("seen") ?? {};
  for (const box of boxes.all) box.lastSeen ||= seen[boxes.identity(box)] ?? 0;
  let kept = JSON.stringify(seen);
  const keep = async () => {
    const now = Object.fromEntries(boxes.all.map((box) => [boxes.identity(box), box.lastSeen]));
    if (JSON.stringify(now) === kept) return;
    kept = JSON.stringify(now);
    await ctx.store.keep("seen", now);
  };
  const timer = setInterval(() => void keep().catch(() => {}), KEPT_MS);
  ctx.defer(() => clearInterval(timer));
}
