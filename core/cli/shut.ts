// What becomes of this machine while otb runs, as its plugins say: before it happens, and while it is so.
import { connect, type Core, declaredHere, type Finding, foreseen, Listeners } from "../client/mod.ts";

/** Findings about it: by the running core, or as it would be. */
export async function shut(state: string): Promise<Finding[]> {
  const core = await connect(state).catch(() => undefined);
  try {
    if (core?.live) return await asItIs(core, state);
    const remains = await core?.remains() ?? [];
    return [
      ...remains.length === 0 ? [] : [
        { name: "kill-switch", state: "warning" as const, message: remains[0]!, next: "sudo otb up" },
      ],
      ...await foreseen(state, { listeners: new Listeners().read(), isRouter: isRouter() }),
    ];
  } catch {
    return [];
  } finally {
    core?.close();
  }
}

/** What runs says the same as a condition. */
async function asItIs(core: Core, state: string): Promise<Finding[]> {
  const { health } = await core.status();
  return declaredHere(state).flatMap(({ plugin, declared: { foresight } }): Finding[] => {
    if (!foresight) return [];
    const { name, conditions, well } = foresight;
    const told = health.find((one) => one.plugin === plugin && conditions.includes(one.code));
    return [
      told
        ? { name, state: "warning", message: told.message, next: told.next }
        : { name, state: "ok", message: well },
    ];
  });
}

function isRouter(): boolean {
  try {
    return Deno.readTextFileSync("/proc/sys/net/ipv4/ip_forward").trim() === "1";
  } catch {
    return false;
  }
}
