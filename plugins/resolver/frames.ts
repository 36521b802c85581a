// DNS over a stream: two bytes of length before each message (RFC 1035 section 4.2.2).

/** One message as it goes over a stream. */
export function framed(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(message.length + 2);
  new DataView(out.buffer).setUint16(0, message.length);
  out.set(message, 2);
  return out;
}

/** What can be read from. */
export interface Source {
  read(into: Uint8Array): Promise<number | null>;
}

/** Messages of a stream until it ends; holds one message and what was read along, at most 128 KB. */
export async function* messages(source: Source): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let buffer = new Uint8Array(4_096);
  let start = 0, end = 0;
  for (;;) {
    while (end - start >= 2) {
      const length = buffer[start]! * 256 + buffer[start + 1]!;
      if (end - start < 2 + length) break;
      yield buffer.slice(start + 2, start + 2 + length);
      start += 2 + length;
    }
    buffer.copyWithin(0, start, end);
    end -= start;
    start = 0;
    if (end === buffer.length) {
      // At most twice the longest message: a message that is not whole never fills more.
      const larger = new Uint8Array(buffer.length * 2);
      larger.set(buffer);
      buffer = larger;
    }
    const count = await source.read(buffer.subarray(end));
    if (count === null) return;
    end += count;
  }
}

/** Writes all of it. @throws what the stream throws */
export async function writeAll(
  sink: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await sink.write(bytes.subarray(at));
}
