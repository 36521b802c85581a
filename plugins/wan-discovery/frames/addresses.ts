// IPv4 and Ethernet addresses between their bytes and their texts. Pure.

/** Bytes being read or built. */
export type Bytes = Uint8Array<ArrayBuffer>;

export const BROADCAST_MAC = "ff:ff:ff:ff:ff:ff";
export const ANY = "0.0.0.0";
export const BROADCAST = "255.255.255.255";

/** `02:00:5e:10:00:01` from six bytes. */
export function readMac(bytes: Uint8Array, at: number): string {
  return Array.from(bytes.subarray(at, at + 6), (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** The six bytes of `02:00:5e:10:00:01`. */
export function macBytes(mac: string): number[] {
  return mac.split(":").map((byte) => parseInt(byte, 16));
}

/** Whether it is one station's own address: neither a group's nor all zero. */
export function isStation(mac: string): boolean {
  return (parseInt(mac.slice(0, 2), 16) & 1) === 0 && mac !== "00:00:00:00:00:00";
}

/** `192.168.1.1` from four bytes. */
export function readIpv4(bytes: Uint8Array, at: number): string {
  return bytes.subarray(at, at + 4).join(".");
}

/** The four bytes of an IPv4 address. */
export function ipv4Bytes(address: string): number[] {
  return address.split(".").map(Number);
}

/** Whether a host may have it: not in 0/8, 127/8, 224/4 or 240/4 (RFC 1122 3.2.1.3, RFC 6890). */
export function isHost(address: string): boolean {
  const first = Number(address.split(".")[0]);
  return first > 0 && first !== 127 && first < 224;
}
