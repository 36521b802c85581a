// What interfaces have carried: bytes in and out as the kernel counts them.
import { OtbError, runCommand } from "@otb/plugin";

/** Bytes since the interface is there. */
export interface Carried {
  rxBytes: number;
  txBytes: number;
}

/** Reads the counters of some interfaces; one that is gone is left out. @throws OtbError `counters-unreadable` */
export async function readCounters(devices: string[]): Promise<Map<string, Carried>> {
  if (devices.length === 0) return new Map();
  const files = devices.flatMap((device) =>
    ["rx", "tx"].map((way) => `/sys/class/net/${device}/statistics/${way}_bytes`)
  );
  // Deno reads nothing below /sys for a plugin that may not do everything.
  const { code, stdout } = await runCommand("grep", {
    args: ["-sH", "", ...files],
    stderr: "null",
  });
  if (code > 2) {
    throw new OtbError(
      "counters-unreadable",
      `Cannot read what links carry as grep must run: current value is "exit status ${code}"`,
    );
  }
  return parseCounters(stdout);
}

/** From lines like `/sys/class/net/wan1/statistics/rx_bytes:123`. Pure. */
export function parseCounters(text: string): Map<string, Carried> {
  const found = new Map<string, Partial<Carried>>();
  for (
    const [, device, way, bytes] of text.matchAll(
      /^\/sys\/class\/net\/([^/]+)\/statistics\/([rt]x)_bytes:(\d+)$/gm,
    )
  ) {
    found.set(device!, { ...found.get(device!), [`${way}Bytes`]: Number(bytes) });
  }
  return new Map(
    [...found].filter(([, { rxBytes, txBytes }]) => rxBytes !== undefined && txBytes !== undefined),
  ) as Map<
    string,
    Carried
  >;
}
