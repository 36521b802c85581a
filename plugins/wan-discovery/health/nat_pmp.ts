// Asks a modem for the address that its operator gave it (RFC 6886 3.2). Pure.
import { type Bytes, readIpv4 } from "../frames/addresses.ts";

/** Where a modem listens. */
export const NAT_PMP_PORT = 5351;

/** The request for the external address. */
export const REQUEST: Bytes = new Uint8Array([0, 0]);

/** The modem's own address on its operator's side; undefined when it has none or the reply is something else. */
export function decodeExternalAddress(reply: Bytes): string | undefined {
  if (reply.length < 12 || reply[0] !== 0 || reply[1] !== 128 || reply[2] !== 0 || reply[3] !== 0) {
    return undefined;
  }
  const address = readIpv4(reply, 8);
  return address === "0.0.0.0" ? undefined : address;
}
