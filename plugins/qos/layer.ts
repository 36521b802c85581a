// What is below IP on a link, as far as it counts for shaping: bytes that the line adds to each packet. Pure.
import type { InterfaceFact } from "@otb/plugin";

export const LAYERS = ["ethernet", "vdsl", "adsl", "mobile"] as const;
export type Layer = typeof LAYERS[number];

/** Bytes added to an IP packet (tc-cake(8), "overhead"), and whether they travel in ATM cells of 53 bytes. */
export const OVERHEAD: Record<Layer, { bytes: number; atm: boolean }> = {
  ethernet: { bytes: 38, atm: false },
  vdsl: { bytes: 34, atm: false },
  adsl: { bytes: 44, atm: true },
  mobile: { bytes: 0, atm: false },
};

/** ADSL (ITU-T G.992.5) sends no faster than this; who does is no ADSL line. */
const ADSL_MOST_UP = 3_500_000;
const PPP = 512;
const MOBILE_DRIVERS =
  /^(qmi_wwan|cdc_mbim|cdc_ether|cdc_ncm|rndis_host|option|iosm|mhi_net|huawei_cdc_ncm|sierra_net)$/;

/** The likely layer of a link; what is guessed wrong costs a few percent of its rate, which autorate finds. */
export function guessLayer(
  device: Pick<InterfaceFact, "name" | "driver" | "hardware"> | undefined,
  upBitsPerSecond: number | undefined,
): Layer {
  if (device && (MOBILE_DRIVERS.test(device.driver ?? "") || device.name.startsWith("wwan"))) return "mobile";
  if (device?.hardware !== PPP) return "ethernet";
  return upBitsPerSecond !== undefined && upBitsPerSecond <= ADSL_MOST_UP ? "adsl" : "vdsl";
}
