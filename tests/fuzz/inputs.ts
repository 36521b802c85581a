// Input that is almost right: real messages with a few changes as they hurt parsers, and messages in pieces.
import fc from "fast-check";

export type Bytes = Uint8Array<ArrayBuffer>;

/** Any bytes. */
export function noise(maxLength: number): fc.Arbitrary<Bytes> {
  return fc.uint8Array({ maxLength, size: "max" }).map((bytes) => Uint8Array.from(bytes));
}

/** One change; `at` and `to` are shares of the length, so that they mean the same for every message. */
type Change =
  | { kind: "flip"; at: number; bit: number }
  | { kind: "set"; at: number; value: number }
  | { kind: "field"; at: number; width: 1 | 2 | 4; by: number }
  | { kind: "cut"; at: number }
  | { kind: "delete"; at: number; count: number }
  | { kind: "insert"; at: number; bytes: Uint8Array }
  | { kind: "repeat"; at: number; count: number; times: number }
  | { kind: "append"; bytes: Uint8Array };

const share = fc.double({ min: 0, max: 1, noNaN: true });
const some = fc.uint8Array({ maxLength: 12 });

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: share, bit: fc.nat(7) }),
  fc.record({
    kind: fc.constant("set" as const),
    at: share,
    value: fc.constantFrom(0, 1, 0x7f, 0x80, 0xc0, 0xff, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x3a),
  }),
  // Lengths that are off by one, or by all.
  fc.record({
    kind: fc.constant("field" as const),
    at: share,
    width: fc.constantFrom(1 as const, 2 as const, 4 as const),
    by: fc.constantFrom(-1, 1, -2, 2, 4, -4, 0x7fff, 0x8000),
  }),
  fc.record({ kind: fc.constant("cut" as const), at: share }),
  fc.record({ kind: fc.constant("delete" as const), at: share, count: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constant("insert" as const), at: share, bytes: some }),
  fc.record({
    kind: fc.constant("repeat" as const),
    at: share,
    count: fc.integer({ min: 1, max: 16 }),
    times: fc.constantFrom(1, 2, 10, 1_000, 10_000),
  }),
  fc.record({ kind: fc.constant("append" as const), bytes: some }),
);

function changed(bytes: Bytes, change: Change, most: number): Bytes {
  const at = (share: number, room = 0) =>
    Math.min(bytes.length, Math.floor(share * Math.max(0, bytes.length + 1 - room)));
  const join = (...parts: Uint8Array[]) => {
    const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let end = 0;
    for (const part of parts) {
      all.set(part, end);
      end += part.length;
    }
    return all;
  };
  const copy = bytes.slice();
  switch (change.kind) {
    case "flip":
      if (copy.length > 0) copy[at(change.at, 1)]! ^= 1 << change.bit;
      return copy;
    case "set":
      if (copy.length > 0) copy[at(change.at, 1)] = change.value;
      return copy;
    case "field": {
      const from = at(change.at, change.width);
      let carry = change.by;
      for (let index = from + change.width - 1; index >= from && index < copy.length; index--) {
        carry += copy[index]!;
        copy[index] = carry & 255;
        carry >>= 8;
      }
      return copy;
    }
    case "cut":
      return copy.subarray(0, at(change.at)).slice();
    case "delete":
      return join(bytes.subarray(0, at(change.at)), bytes.subarray(at(change.at) + change.count));
    case "insert":
      return join(bytes.subarray(0, at(change.at)), change.bytes, bytes.subarray(at(change.at)));
    case "append":
      return join(bytes, change.bytes);
    case "repeat": {
      const from = at(change.at), part = bytes.slice(from, from + change.count);
      if (part.length === 0) return copy;
      const times = Math.min(change.times, Math.floor(Math.max(0, most - bytes.length) / part.length));
      const filling = new Uint8Array(part.length * times).map((_, index) => part[index % part.length]!);
      return join(bytes.subarray(0, from), filling, bytes.subarray(from));
    }
  }
}

/** Changes to a message that is made only in the run. */
export const changes: fc.Arbitrary<Change[]> = fc.array(change, { maxLength: 4 });

/** A message with these changes, no longer than `most` bytes. */
export function changedBy(bytes: Bytes, changes: Change[], most = 2_048): Bytes {
  return changes.reduce<Bytes>((now, one) => changed(now, one, most), bytes).slice(0, most);
}

/** Messages with up to four changes, none longer than `most` bytes. */
export function mutated(messages: fc.Arbitrary<Bytes>, most = 2_048): fc.Arbitrary<Bytes> {
  return fc.tuple(messages, changes).map(([bytes, all]) => changedBy(bytes, all, most));
}

/** Messages with changes, in some runs any bytes instead. */
export function hostile(messages: fc.Arbitrary<Bytes>, most = 2_048): fc.Arbitrary<Bytes> {
  return fc.oneof({ weight: 5, arbitrary: mutated(messages, most) }, {
    weight: 1,
    arbitrary: noise(Math.min(most, 300)),
  });
}

/** As `hostile`, of text: what the bytes are as UTF-8, lone surrogates and control characters included. */
export function hostileText(texts: fc.Arbitrary<string>, most = 2_048): fc.Arbitrary<string> {
  const bytes = texts.map((text) => new TextEncoder().encode(text) as Bytes);
  return hostile(bytes, most).map((changed) => new TextDecoder().decode(changed));
}

/** Where a stream is cut into pieces: sizes that are taken in turn. */
export const cuts = fc.array(
  fc.oneof(fc.constantFrom(1, 2, 3), fc.integer({ min: 1, max: 700 })),
  { minLength: 1, maxLength: 8 },
);

/** The pieces of a stream; single bytes only at its beginning, so that a long one is not cut for ever. */
export function pieces(bytes: Bytes, sizes: number[]): Bytes[] {
  const all: Bytes[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = sizes[all.length % sizes.length]! * (all.length < 64 ? 1 : 64);
    all.push(bytes.slice(at, at + size));
    at += size;
  }
  return all;
}

/** Numbers as network bytes. */
export function be16(value: number): number[] {
  return [value >> 8 & 255, value & 255];
}
