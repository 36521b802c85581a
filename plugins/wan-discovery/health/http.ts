// Whether a login page is in the way: a known page is fetched, and anything else that comes is somebody else's. Pure.
import type { Bytes } from "../frames/addresses.ts";

/** A page with a known answer. */
export interface KnownPage {
  /** `http` only: a portal cannot answer for a page that is encrypted. */
  url: URL;
  /** The status that it answers with. */
  status: number;
}

/** What an answer says: the page itself, or where a portal wants a person to go; undefined when it is no HTTP. */
export function readPage(
  reply: Bytes,
  { url, status }: KnownPage,
): { portal: undefined } | { portal: string } | undefined {
  const head = new TextDecoder("latin1").decode(reply).split("\r\n\r\n")[0]!;
  const [first = "", ...fields] = head.split("\r\n");
  const code = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1];
  if (code === undefined) return undefined;
  if (Number(code) === status) return { portal: undefined };
  const location = fields.find((field) => /^location:/i.test(field))?.slice("location:".length).trim();
  return { portal: location && URL.canParse(location, url) ? shown(new URL(location, url)) : url.host };
}

/** The request for a page. */
export function encodeRequest({ host, pathname, search }: URL): Bytes {
  return new TextEncoder().encode(
    `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: otb\r\nAccept: */*\r\nConnection: close\r\n\r\n`,
  );
}

/** Where it is, short and harmless: the query of a portal may name the box, and anything may be hidden in it. */
function shown({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname}`.slice(0, 120);
}
