// How the takeover of a house's DHCP stands, for tests of it.
import { eventually, type House } from "./lan.ts";

/** What the plugin tells of itself. */
export interface DhcpStatus {
  phase: string;
  serving: string;
  confirmByMs?: number;
  servers: { server: string; isAnswering: boolean; isRefusing: boolean }[];
  instructions: { title: string }[];
}

/** The box's own address in every house of these tests. */
export const LAN = "192.168.100.1/24";
/** A silence that a test can wait for. */
export const SHORT = ["dhcp-takeover.silenceSeconds=6"];
/** Ours serves after 2 s of silence, without a person. */
export const ALONE = ["dhcp-takeover.silenceSeconds=2", "dhcp-takeover.mode=on"];

/** How it stands now. */
export async function dhcp(house: House): Promise<DhcpStatus> {
  const { plugins } = await house.box.status();
  return plugins.find(({ name }) => name === "dhcp-takeover")!.status as unknown as DhcpStatus;
}

/** Waits for a phase. @throws Error with what was seen instead */
export function until(house: House, phase: string, boundMs = 120_000): Promise<DhcpStatus> {
  let last: unknown;
  return eventually(`the phase ${phase}`, async () => {
    const status = await dhcp(house);
    last = status;
    return status.phase === phase && status;
  }, boundMs).catch((error) => {
    throw new Error(`${error.message}; last seen ${Deno.inspect(last, { depth: 4 })}`);
  });
}
