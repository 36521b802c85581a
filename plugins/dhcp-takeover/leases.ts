// dnsmasq's lease file: read, and put together again after a power cut. Pure.
import { isIpv4 } from "@otb/plugin";
import { LABEL, MAC } from "./config.ts";

/** One IPv4 lease. */
export interface Lease {
  /** Seconds since the epoch; 0 for ever. */
  expiresSeconds: number;
  mac: string;
  address: string;
  /** What the device calls itself: letters, digits and dashes, or absent. */
  name?: string;
  clientId: string;
  /** The line as it stands. */
  line: string;
}

/** Leases of a lease file; lines that are broken, of IPv6 or cut off are left out. */
export function parseLeases(text: string): Lease[] {
  // A file that was cut off ends within a line: what it says may be half an address.
  return text.slice(0, text.lastIndexOf("\n") + 1).split("\n").flatMap((line) => {
    const [expires = "", mac = "", address = "", name = "", clientId = "", rest] = line.split(" ");
    if (
      rest !== undefined || clientId === "" || !/^\d{1,12}$/.test(expires) || !MAC.test(mac) ||
      !isIpv4(address)
    ) {
      return [];
    }
    return [{ expiresSeconds: Number(expires), mac, address, name: hostName(name), clientId, line }];
  });
}

/** A device's name as others may see it; undefined when it is none. */
export function hostName(name: string): string | undefined {
  const first = name.toLowerCase().split(".")[0]!;
  return LABEL.test(first) ? first : undefined;
}

/**
 * The lease file to start from: what dnsmasq wrote, completed by the copy that was kept of it. dnsmasq rewrites its file in
 * place, so that a power cut can leave it empty or cut off; the copy is always whole, but may be a moment older. Where both
 * speak of an address or a device, the file is right: no address is given twice. A lease that was released in that moment
 * is only kept until its end.
 */
export function mergeLeases(file: string, copy: string): string {
  const leases: Lease[] = [];
  const taken = new Set<string>();
  for (const lease of [...parseLeases(file), ...parseLeases(copy)]) {
    const identity = identityOf(lease);
    if (taken.has(lease.address) || taken.has(identity)) continue;
    taken.add(lease.address).add(identity);
    leases.push(lease);
  }
  return leases.map(({ line }) => `${line}\n`).join("");
}

/** No lease lasts longer: one that ends later was not written by the clock of now. */
const LONGEST_SECONDS = 2 * 604_800;

/**
 * The lease file after the system's clock jumped: leases that were written by the clock of before end as much later or earlier, as
 * their devices count; what was written since stands, and so does what the clock of before never wrote.
 *
 * @param known the leases of just before
 * @param beforeSeconds what the clock would say without the jump
 */
export function shiftLeases(
  file: string,
  known: Lease[],
  beforeSeconds: number,
  afterSeconds: number,
): string {
  const lines = new Set(known.map(({ line }) => line));
  const isOf = (clockSeconds: number, seconds: number) =>
    seconds > 0 && seconds <= clockSeconds + LONGEST_SECONDS;
  const shift = ({ expiresSeconds, line }: Lease) =>
    `${Math.max(1, Math.round(expiresSeconds + afterSeconds - beforeSeconds))}${
      line.slice(line.indexOf(" "))
    }\n`;
  const shifted = known.map((lease) =>
    isOf(beforeSeconds, lease.expiresSeconds) ? shift(lease) : `${lease.line}\n`
  );
  const since = parseLeases(file).filter(({ line }) => !lines.has(line)).map((lease) => {
    const { expiresSeconds, line } = lease;
    // Written in the last moment before the jump, and not known yet.
    const isBefore = isOf(beforeSeconds, expiresSeconds) &&
      (expiresSeconds < afterSeconds || !isOf(afterSeconds, expiresSeconds));
    return isBefore ? shift(lease) : `${line}\n`;
  });
  return mergeLeases(since.join(""), shifted.join(""));
}

/** Who has a lease (RFC 2131 section 4.2): the client identifier, or the MAC address where there is none. */
function identityOf({ clientId, mac }: Lease): string {
  return clientId === "*" ? mac : clientId;
}
