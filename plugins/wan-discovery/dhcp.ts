// DHCP messages, byte for byte (RFC 2131, 2132, 3396, 4361). Pure; what comes in is hostile.
import { addressBytes, addressText, macBytes, macText } from "./frame.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export const CLIENT_PORT = 68, SERVER_PORT = 67;
export const UNSPECIFIED = "0.0.0.0", LIMITED_BROADCAST = "255.255.255.255";

const TYPES = ["discover", "offer", "request", "decline", "ack", "nak", "release", "inform"] as const;

/** What a message is (option 53). */
export type MessageType = typeof TYPES[number];

/** A message of a client or of a server; addresses as text, times in seconds. */
export interface Message {
  /** Who speaks. */
  from: "client" | "server";
  type: MessageType;
  xid: number;
  /** The client asks for answers by broadcast. */
  broadcast?: boolean;
  clientMac: string;
  /** ciaddr: the address that the client has. */
  clientAddress?: string;
  /** yiaddr: the address that the server gives. */
  yourAddress?: string;
  subnetMask?: string;
  routers?: string[];
  dns?: string[];
  hostName?: string;
  requestedAddress?: string;
  leaseSeconds?: number;
  serverId?: string;
  /** What a server says about a refusal. */
  text?: string;
  renewSeconds?: number;
  rebindSeconds?: number;
  vendorClass?: string;
  clientId?: Bytes;
}

const FIXED = 236, COOKIE = 0x63825363, MIN_BYTES = 300;
const PAD = 0, END = 255, OVERLOAD = 52;
/** Subnet mask, router, DNS, host name, domain, broadcast, lease, T1, T2. */
const ASKED_FOR = [1, 3, 6, 12, 15, 28, 51, 58, 59];

/** Writes a message of a client; at least 300 bytes, which old relays want (RFC 1542 section 2.1). */
export function writeMessage(message: Message): Bytes {
  const options: number[] = [];
  const put = (code: number, bytes: Iterable<number>) => {
    const list = [...bytes];
    options.push(code, list.length, ...list);
  };
  put(53, [TYPES.indexOf(message.type) + 1]);
  if (message.clientId) put(61, message.clientId);
  if (message.requestedAddress) put(50, addressBytes(message.requestedAddress));
  if (message.serverId) put(54, addressBytes(message.serverId));
  if (message.hostName) put(12, new TextEncoder().encode(message.hostName.slice(0, 63)));
  if (message.type === "discover" || message.type === "request" || message.type === "inform") {
    put(57, [1500 >> 8, 1500 & 255]);
    put(55, ASKED_FOR);
  }
  options.push(END);
  const bytes = new Uint8Array(Math.max(MIN_BYTES, FIXED + 4 + options.length));
  const view = new DataView(bytes.buffer);
  bytes.set([message.from === "client" ? 1 : 2, 1, 6, 0]);
  view.setUint32(4, message.xid);
  if (message.broadcast) view.setUint16(10, 0x8000);
  if (message.clientAddress) bytes.set(addressBytes(message.clientAddress), 12);
  if (message.yourAddress) bytes.set(addressBytes(message.yourAddress), 16);
  bytes.set(macBytes(message.clientMac), 28);
  view.setUint32(FIXED, COOKIE);
  bytes.set(options, FIXED + 4);
  return bytes;
}

/** Reads a message; undefined when it is malformed, for another kind of network, or says not what it is. */
export function readMessage(bytes: Bytes): Message | undefined {
  if (bytes.length < FIXED + 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const operation = bytes[0]!;
  if (operation !== 1 && operation !== 2 || bytes[1] !== 1 || bytes[2] !== 6) return undefined;
  if (view.getUint32(FIXED) !== COOKIE) return undefined;
  const options = readOptions(bytes);
  const type = options && TYPES[(options.get(53)?.length === 1 ? options.get(53)![0]! : 0) - 1];
  if (!options || !type) return undefined;
  const addresses = (code: number) => {
    const value = options.get(code);
    if (!value || value.length === 0 || value.length % 4 !== 0 || value.length > 64) return undefined;
    return Array.from({ length: value.length / 4 }, (_, index) => addressText(value, index * 4));
  };
  const seconds = (code: number) => {
    const value = options.get(code);
    return value?.length === 4 ? new DataView(value.buffer, value.byteOffset).getUint32(0) : undefined;
  };
  const words = (code: number) => options.has(code) ? printable(options.get(code)!) : undefined;
  const unlessZero = (at: number) => {
    const address = addressText(bytes, at);
    return address === UNSPECIFIED ? undefined : address;
  };
  return {
    from: operation === 1 ? "client" : "server",
    type,
    xid: view.getUint32(4),
    broadcast: (view.getUint16(10) & 0x8000) !== 0,
    clientMac: macText(bytes, 28),
    clientAddress: unlessZero(12),
    yourAddress: unlessZero(16),
    subnetMask: addresses(1)?.[0],
    routers: addresses(3),
    dns: addresses(6),
    hostName: words(12),
    requestedAddress: addresses(50)?.[0],
    leaseSeconds: seconds(51),
    serverId: addresses(54)?.[0],
    text: words(56),
    renewSeconds: seconds(58),
    rebindSeconds: seconds(59),
    vendorClass: words(60),
    clientId: options.get(61),
  };
}

/** Options by code, pieces of one code joined (RFC 3396), also from `file` and `sname` where option 52 says so. */
function readOptions(bytes: Bytes): Map<number, Bytes> | undefined {
  const options = new Map<number, Bytes>();
  if (!collect(bytes, FIXED + 4, bytes.length, options)) return undefined;
  const overload = options.get(OVERLOAD)?.[0] ?? 0;
  if (overload & 1 && !collect(bytes, 108, 236, options)) return undefined;
  if (overload & 2 && !collect(bytes, 44, 108, options)) return undefined;
  return options;
}

function collect(bytes: Bytes, from: number, to: number, options: Map<number, Bytes>): boolean {
  for (let at = from; at < to;) {
    const code = bytes[at]!;
    if (code === END) return true;
    if (code === PAD) {
      at++;
      continue;
    }
    if (at + 1 >= to) return false;
    const end = at + 2 + bytes[at + 1]!;
    if (end > to) return false;
    const former = options.get(code);
    const piece = bytes.slice(at + 2, end);
    options.set(code, former ? new Uint8Array([...former, ...piece]) : piece);
    at = end;
  }
  // An end mark is missing in the wild, too: what was read holds.
  return true;
}

/** Text of a stranger: printable ASCII, short; the rest is dropped. */
function printable(bytes: Bytes): string {
  return String.fromCharCode(...[...bytes].filter((byte) => byte >= 32 && byte < 127)).slice(0, 64);
}
