// One spelling per address, for comparing and for nft.
import ipaddr from "ipaddr.js";

/** The address as the kernel prints it; IPv4 inside IPv6 as IPv4; undefined when it is none. */
export function canonical(text: string): string | undefined {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(text)) {
    return ipaddr.IPv4.isValidFourPartDecimal(text) ? ipaddr.IPv4.parse(text).toString() : undefined;
  }
  if (!/^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text) || !ipaddr.IPv6.isValid(text)) return undefined;
  const parsed = ipaddr.IPv6.parse(text);
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toString() : parsed.toRFC5952String();
}
