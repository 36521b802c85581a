// What kind of thing an interface is, and whether modems are looked for behind it. Pure.
import type { InterfaceFact } from "@otb/plugin";

/** What a person would call it. */
export type InterfaceKind = "ethernet" | "usb" | "phone" | "lte" | "wifi" | "ppp" | "virtual";

/** Drivers of phones that share their link over USB, and of mobile-network cards (drivers/net/usb in Linux). */
const PHONE = new Set(["rndis_host", "ipheth", "cdc_ether", "cdc_ncm", "cdc_eem"]);
const MOBILE = new Set([
  "cdc_mbim",
  "qmi_wwan",
  "huawei_cdc_ncm",
  "sierra_net",
  "hso",
  "iosm",
  "mhi_net",
  "mtk_t7xx",
]);
const USB = new Set([
  "asix",
  "ax88179_178a",
  "r8152",
  "smsc75xx",
  "smsc95xx",
  "lan78xx",
  "aqc111",
  "pegasus",
]);
const WIFI =
  /^(iwlwifi|ath\d+k|ath\d+k_pci|ath1[012]k_pci|brcmfmac|mt7\d+\w*|rtw\d+\w*|rtl8\d+\w*|rt2800\w*|wl)$/;
const ETHERNET = 1, PPP = 512;

/** Names it by its driver, its hardware type and, last, by how systemd names it. */
export function kindOf({ name, type, driver, hardware }: InterfaceFact): InterfaceKind {
  if (hardware === PPP) return "ppp";
  if (driver !== undefined) {
    if (PHONE.has(driver)) return "phone";
    if (MOBILE.has(driver) || hardware !== ETHERNET) return "lte";
    if (USB.has(driver)) return "usb";
    return WIFI.test(driver) || /^wl/.test(name) ? "wifi" : "ethernet";
  }
  if (/^ww/.test(name)) return "lte";
  // Both ends of a veth pair look like a port with a cable, and are one in a container.
  return type === undefined || type === "veth" || type === "vlan" ? "ethernet" : "virtual";
}

/** Interfaces that frames can be sent on in search of modems: Ethernet of any sort, no part of a bridge, the LAN's own too. */
export function isSearchable(device: InterfaceFact, lan: string | undefined): boolean {
  if (device.hardware !== ETHERNET || device.controller !== undefined || !device.mac) return false;
  return device.name === lan || kindOf(device) !== "virtual" && device.name !== "lo";
}
