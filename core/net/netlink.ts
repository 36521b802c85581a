// What the kernel tells of changes by itself (rtnetlink(7), nf_tables), and its answers about MPTCP: bytes to meaning. Pure.
import { ANYTHING, type Change } from "./os.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Protocols of netlink sockets (linux/netlink.h). */
export const NETLINK = { route: 0, netfilter: 12, generic: 16 };
/** Groups of rtnetlink: links, neighbours, qdiscs, addresses, routes and rules of both families (linux/rtnetlink.h). */
export const ROUTE_GROUPS = [1, 3, 4, 5, 7, 8, 9, 11, 19];
/** Everything that happens to nf_tables (NFNLGRP_NFTABLES). */
export const NFTABLES_GROUPS = [7];

/** What is known of the kernel already, to tell what matters from what does not. */
export interface Known {
  /** `table set` of nft sets whose elements are not to change. */
  staticSets: ReadonlySet<string>;
  /** `interface number, address in hexadecimal` of permanent neighbours. */
  neighbours: ReadonlySet<string>;
}

/** One message without its header. */
export interface Message {
  type: number;
  body: Bytes;
}

const HEADER = 16;

/** The messages of one read. */
export function* messages(bytes: Bytes): Generator<Message> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER <= bytes.length;) {
    const length = view.getUint32(at, true);
    if (length < HEADER || at + length > bytes.length) return;
    yield { type: view.getUint16(at + 4, true), body: bytes.subarray(at + HEADER, at + length) };
    at += length + 3 & ~3;
  }
}

/** Values of attributes by type, the first of each; nested ones as bytes. */
export function attributes(bytes: Bytes): Map<number, Bytes> {
  const found = new Map<number, Bytes>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = view.getUint16(at, true), type = view.getUint16(at + 2, true) & 0x3fff;
    if (length < 4 || at + length > bytes.length) break;
    if (!found.has(type)) found.set(type, bytes.subarray(at + 4, at + length));
    at += length + 3 & ~3;
  }
  return found;
}

const LINK = { new: 16, gone: 17 };
/** With an address may go routes of which nothing is told. */
const ADDRESS = [20, 21], ROUTE = [24, 25], RULE = [32, 33];
const NEIGHBOUR = [28, 29];
/** Qdiscs, classes, filters and chains. */
const TRAFFIC = [36, 37, 40, 41, 44, 45, 100, 101];
const IFF_UP = 1, NUD_PERMANENT = 0x80, NDA_DST = 1;

/** What a message of rtnetlink says has changed; undefined: nothing that matters. */
export function routeChange({ type, body }: Message, known: Known): Change | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (type === LINK.new || type === LINK.gone) {
    // struct ifinfomsg: index, flags and which of them changed.
    if (body.length < 16) return undefined;
    const isFlap = type === LINK.gone || (view.getUint32(12, true) & IFF_UP) !== 0;
    return { flapped: new Set(isFlap ? [view.getInt32(4, true)] : []) };
  }
  if (ADDRESS.includes(type)) return ANYTHING;
  if (ROUTE.includes(type)) return { kinds: new Set(["route"]), flapped: new Set() };
  if (RULE.includes(type)) return { kinds: new Set(["rule"]), flapped: new Set() };
  if (TRAFFIC.includes(type)) return { kinds: new Set(["qdisc"]), flapped: new Set() };
  if (NEIGHBOUR.includes(type) && body.length >= 12) {
    // Stations come and go all the time; only what does not by itself matters.
    const isPermanent = (view.getUint16(8, true) & NUD_PERMANENT) !== 0;
    const address = attributes(body.subarray(12)).get(NDA_DST);
    const isKnown = address && known.neighbours.has(neighbourKey(view.getInt32(4, true), address));
    return isPermanent || isKnown ? { kinds: new Set(["neighbour"]), flapped: new Set() } : undefined;
  }
}

/** How a neighbour is named in `Known`. */
export function neighbourKey(index: number, address: Uint8Array): string {
  return `${index} ${address.toHex()}`;
}

const NFTABLES = 10, NEW_GENERATION = 15, ELEMENTS = [12, 14];
/** NFTA_TABLE_NAME, NFTA_CHAIN_TABLE and so on; NFTA_SET_ELEM_LIST_SET. */
const TABLE = 1, SET = 2;

/** The same of nf_tables: only our tables matter, and of sets' elements those of static sets. */
export function nftChange({ type, body }: Message, known: Known): Change | undefined {
  const verb = type & 0xff;
  if (type >> 8 !== NFTABLES || verb === NEW_GENERATION || body.length < 4) return undefined;
  const found = attributes(body.subarray(4));
  const table = textOf(found.get(TABLE));
  if (!table.startsWith("otb_")) return undefined;
  if (ELEMENTS.includes(verb) && !known.staticSets.has(`${table} ${textOf(found.get(SET))}`)) {
    return undefined;
  }
  return { kinds: new Set(["nftTable"]), flapped: new Set() };
}

/** Two changes as one. */
export function joined(a: Change | undefined, b: Change): Change {
  if (!a) return b;
  return {
    ...a.kinds && b.kinds ? { kinds: a.kinds.union(b.kinds) } : {},
    flapped: a.flapped.union(b.flapped),
  };
}

function textOf(bytes: Bytes | undefined): string {
  return bytes ? new TextDecoder().decode(bytes).replace(/\0.*$/, "") : "";
}

const REQUEST = 1, ACK = 4, DUMP = 0x300;
const CONTROL = { family: 16, getFamily: 3, familyId: 1, familyName: 2 };
/** MPTCP_PM_CMD_GET_ADDR and MPTCP_PM_CMD_GET_LIMITS (linux/mptcp_pm.h). */
export const MPTCP = { endpoints: 3, limits: 6 };
const ERROR = 2, DONE = 3;

/** Asks what number a generic netlink family has. */
export function familyQuestion(name: string): Bytes {
  const text = new TextEncoder().encode(`${name}\0`);
  const attribute = new Uint8Array(4 + text.length + 3 & ~3);
  const view = new DataView(attribute.buffer);
  view.setUint16(0, 4 + text.length, true);
  view.setUint16(2, CONTROL.familyName, true);
  attribute.set(text, 4);
  return question(CONTROL.family, REQUEST, CONTROL.getFamily, attribute);
}

/** The answer; undefined where the kernel lacks it. */
export function familyOf(answer: Bytes): number | undefined {
  for (const { type, body } of messages(answer)) {
    const id = type === CONTROL.family ? attributes(body.subarray(4)).get(CONTROL.familyId) : undefined;
    if (id) return id[0]! + id[1]! * 256;
  }
}

/** Asks the path manager for its endpoints or limits. */
export function mptcpQuestion(family: number, command: number): Bytes {
  return question(family, REQUEST | (command === MPTCP.endpoints ? DUMP : ACK), command, new Uint8Array(0));
}

/** MPTCP_PM_ATTR_ADDR, _RCV_ADD_ADDRS and _SUBFLOWS; MPTCP_PM_ADDR_ATTR_ID and so on; MPTCP_PM_ADDR_FLAG_BACKUP and so on. */
const PATH_MANAGER = { endpoint: 1, addAddrAccepted: 2, subflows: 3 };
const ENDPOINT = { id: 2, ipv4: 3, ipv6: 4, flags: 6, index: 7 };
const ENDPOINT_FLAGS = [["backup", 4], ["fullmesh", 8], ["signal", 1], ["subflow", 2]] as const;

/** What the path manager answered in one read; `isWhole` when no more follows. */
export interface PathManager {
  endpoints: {
    id: number;
    address: Bytes;
    index: number;
    flags: (typeof ENDPOINT_FLAGS)[number][0][];
  }[];
  limits?: { subflows: number; addAddrAccepted: number };
  isWhole: boolean;
}

/** Reads the answer to a question about MPTCP. */
export function pathManagerOf(answer: Bytes): PathManager {
  const found: PathManager = { endpoints: [], isWhole: false };
  for (const { type, body } of messages(answer)) {
    if (type === ERROR || type === DONE) {
      found.isWhole = true;
      continue;
    }
    const about = attributes(body.subarray(4));
    const subflows = about.get(PATH_MANAGER.subflows), accepted = about.get(PATH_MANAGER.addAddrAccepted);
    if (subflows && accepted) {
      found.limits = { subflows: numberOf(subflows), addAddrAccepted: numberOf(accepted) };
    }
    const endpoint = attributes(about.get(PATH_MANAGER.endpoint) ?? new Uint8Array(0));
    const address = endpoint.get(ENDPOINT.ipv4) ?? endpoint.get(ENDPOINT.ipv6);
    if (!address) continue;
    const flags = numberOf(endpoint.get(ENDPOINT.flags));
    found.endpoints.push({
      id: numberOf(endpoint.get(ENDPOINT.id)),
      address,
      index: numberOf(endpoint.get(ENDPOINT.index)),
      flags: ENDPOINT_FLAGS.flatMap(([name, bit]) => (flags & bit) !== 0 ? [name] : []),
    });
  }
  return found;
}

/** A little-endian number of up to four bytes; 0 when absent. */
function numberOf(bytes: Bytes | undefined): number {
  return [...bytes?.subarray(0, 4) ?? []].reduce((sum, byte, at) => sum + byte * 2 ** (8 * at), 0);
}

function question(family: number, flags: number, command: number, attribute: Bytes): Bytes {
  const bytes = new Uint8Array(HEADER + 4 + attribute.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, family, true);
  view.setUint16(6, flags, true);
  view.setUint8(HEADER, command);
  view.setUint8(HEADER + 1, 1);
  bytes.set(attribute, HEADER + 4);
  return bytes;
}
