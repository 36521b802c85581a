// Which server a client asks for, read from its first bytes: TLS's server name (RFC 8446 4.1.2, RFC 6066 3) or HTTP's Host
// (RFC 9112 3.2). With Encrypted ClientHello it is the outer name. The bytes are hostile: every length is checked. Pure.

type Bytes = Uint8Array<ArrayBuffer>;

/** A name in small letters; `more` while the bytes so far do not say; `none` when they never will. */
export type ServerName = { name: string } | "more" | "none";

const HANDSHAKE = 22, CLIENT_HELLO = 1, SERVER_NAME = 0, HOST_NAME = 0;
const NAME = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const METHODS = ["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT "];

/** Reads the name from what a client has said so far. */
export function serverName(bytes: Bytes): ServerName {
  if (bytes.length === 0) return "more";
  return bytes[0] === HANDSHAKE ? fromTls(bytes) : fromHttp(bytes);
}

function known(text: string): ServerName {
  const name = text.toLowerCase().replace(/\.$/, "");
  return name.length <= 253 && NAME.test(name) ? { name } : "none";
}

function fromTls(bytes: Bytes): ServerName {
  // A handshake message may be cut into records anywhere (RFC 8446 5.1).
  const hello = new Uint8Array(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] !== HANDSHAKE || (bytes[at + 1] ?? 3) !== 3) return "none";
    if (at + 5 > bytes.length) break;
    const size = bytes[at + 3]! << 8 | bytes[at + 4]!;
    if (size === 0 || size > 16_384) return "none";
    const part = bytes.subarray(at + 5, at + 5 + size);
    hello.set(part, length);
    length += part.length;
    at += 5 + size;
    if (length < 4) continue;
    if (hello[0] !== CLIENT_HELLO) return "none";
    const whole = 4 + (hello[1]! << 16 | hello[2]! << 8 | hello[3]!);
    // What comes behind it, early data for one (RFC 8446 2.3), is of other kinds and says nothing of the name.
    if (length >= whole) return fromHello(hello.subarray(4, whole));
  }
  return "more";
}

/** The body of a whole ClientHello. */
function fromHello(body: Bytes): ServerName {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  // Version and random, session, cipher suites, compression methods.
  let at = 34;
  for (const width of [1, 2, 1]) {
    if (at + width > body.length) return "none";
    at += width + (width === 1 ? body[at]! : view.getUint16(at));
  }
  if (at + 2 > body.length) return "none";
  const end = Math.min(body.length, at + 2 + view.getUint16(at));
  for (at += 2; at + 4 <= end;) {
    const [type, size] = [view.getUint16(at), view.getUint16(at + 2)];
    const value = at + 4;
    if (value + size > end) return "none";
    if (type === SERVER_NAME) {
      if (size < 5 || body[value + 2] !== HOST_NAME) return "none";
      const length = view.getUint16(value + 3);
      if (5 + length > size) return "none";
      return known(new TextDecoder("latin1").decode(body.subarray(value + 5, value + 5 + length)));
    }
    at = value + size;
  }
  return "none";
}

function fromHttp(bytes: Bytes): ServerName {
  const text = new TextDecoder("latin1").decode(bytes);
  const isRequest = METHODS.some((method) => text.startsWith(method.slice(0, text.length)));
  if (!isRequest) return "none";
  const end = text.indexOf("\r\n\r\n");
  // Each pattern takes steps in proportion to the text: spaces that two parts of one could take would be tried in every split.
  const field = /\r\nhost:([^\r\n]*)\r\n/i.exec(end < 0 ? text : text.slice(0, end + 2));
  const host = field && /^([^:]*)(?::\d{1,5})?$/.exec(field[1]!.trim());
  if (field) return host ? known(host[1]!) : "none";
  return end < 0 ? "more" : "none";
}
