// What a box says to a peer, and a peer to a box, inside connections whose keys they have.
import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz, swift } from "../../../../tests/fuzz/property.ts";
import { type Bytes, cuts, hostile, pieces } from "../../../../tests/fuzz/inputs.ts";
import { echo, Pair, readExactly, until } from "../../testing/ends.ts";
import {
  ACK,
  DATA,
  END,
  FrameReader,
  HEAD_BYTES,
  isAnswer,
  MAX_CHUNK_BYTES,
  RESET,
  writeHead,
} from "./frames.ts";
import { ASK, ASK_HELD, HELLO_BYTES, helloOf, JOIN, OPEN, readHello, TOKEN_BYTES } from "./hello.ts";
import { Inbox } from "./inbox.ts";
import { knock, targetOf } from "../../testing/knock.ts";

const frame = fc.record({
  type: fc.constantFrom(DATA, DATA, ACK, END, RESET, 0, 5),
  flags: fc.constantFrom(0, 0, 1, 2),
  size: fc.oneof(fc.nat(300), fc.nat(0xffff)),
  offset: fc.oneof(fc.nat(3_000), fc.constantFrom(2 ** 32, 2 ** 48, Number.MAX_SAFE_INTEGER)),
});
const said = fc.array(frame, { maxLength: 12 }).map((frames) => {
  const out: number[] = [];
  for (const { type, flags, size, offset } of frames) {
    const head = new Uint8Array(HEAD_BYTES);
    writeHead(head, 0, type, flags, size, offset);
    out.push(...head, ...type === DATA ? Array(Math.min(size, 300)).fill(7) : []);
  }
  return new Uint8Array(out);
});

/** Everything that a reader says, as text, and whether it went on. */
function read(parts: Bytes[]): string {
  const told: string[] = [];
  const reader = new FrameReader();
  let offsets = "";
  const tell = (word: string) => {
    told.push(offsets + word);
    offsets = "";
  };
  const isFair = parts.every((part) =>
    reader.take(part, 0, part.length, {
      data(offset, bytes, at, length) {
        assert.ok(length > 0 && at >= 0 && at + length <= bytes.length && length <= MAX_CHUNK_BYTES);
        assert.ok(Number.isSafeInteger(offset + length));
        for (let index = 0; index < length; index++) offsets += `${offset + index},`;
      },
      ack(offset, window, allCame) {
        assert.ok(Number.isSafeInteger(offset + window) && window < 2 ** 28);
        tell(`ack ${offset} ${window} ${allCame}`);
      },
      end: (offset) => tell(`end ${offset}`),
      reset: () => tell("reset"),
    })
  );
  return `${told.join(";")} ${offsets} ${isFair}`;
}

fuzz(
  "frames are read within their bounds, and the same in whatever pieces they come",
  fc.tuple(hostile(said, 4_000), cuts),
  ([bytes, sizes]) => assert.equal(read(pieces(bytes, sizes)), swift(() => read([bytes]))),
);

fuzz(
  "whatever an end sends, what waits for order stays within the promise, and what leaves is in order",
  hostile(said, 4_000),
  (bytes) => {
    const inbox = new Inbox();
    const LIMIT = 2_000;
    let isFair = true;
    new FrameReader().take(bytes, 0, bytes.length, {
      data: (offset, piece, at, length) => {
        isFair &&= inbox.take(offset, piece, at, length, LIMIT, (_bytes, _at, length) => length);
        assert.ok(inbox.held <= LIMIT && inbox.next <= LIMIT);
      },
      ack() {},
      end: (offset) => void (isFair &&= inbox.ended(offset)),
      reset() {},
    });
    if (inbox.isDone) assert.equal(inbox.next, inbox.end);
  },
);

const token = fc.uint8Array({ minLength: TOKEN_BYTES, maxLength: TOKEN_BYTES }) as fc.Arbitrary<Bytes>;
const hello = fc.tuple(fc.constantFrom(OPEN, JOIN, ASK, ASK_HELD), token, fc.nat(65_535)).map((
  [kind, token, port],
) => helloOf(kind, token, kind === OPEN ? targetOf(port) : undefined));

fuzz("first words are read within their bytes, or they are none", hostile(hello, 600), (bytes) => {
  const read = readHello(bytes);
  if (!read) return;
  assert.equal(bytes[0], 1);
  if (read.kind === ASK || read.kind === ASK_HELD) return;
  assert.match(read.token, /^[0-9a-f]{32}$/);
  assert.ok(read.end >= HELLO_BYTES && read.end <= bytes.length);
  if (isAnswer(bytes)) assert.fail("words are no answer");
});

fuzz(
  "whatever a box says in striped streams, the peer lives, keeps nothing of it, and serves the next",
  fc.array(fc.tuple(hostile(hello, 64), hostile(said, 2_000)), { minLength: 1, maxLength: 4 }),
  async (connections) => {
    await using pair = new Pair({ striped: 1, bareMs: 50 });
    await pair.ready();
    using server = echo();
    const own = { native: pair.native, port: pair.server.port, key: pair.key };
    const stream = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
    {
      using opened = await knock(own, helloOf(OPEN, stream, targetOf(server.port)));
      assert.equal((await opened.hear())?.type, ACK);
      for (const [words, frames] of connections) {
        // To the running stream, and with words that are only almost right.
        using joined = await knock(own, helloOf(JOIN, stream));
        joined.sayBytes(frames);
        using strange = await knock(own, words.length > 0 ? words : new Uint8Array(1));
        strange.sayBytes(frames);
        await strange.hear(20);
      }
    }
    await until(() => pair.served.open + pair.boxes.open + pair.boxes.joined === 0);
    const device = await pair.dial(server.port);
    await device.write(new TextEncoder().encode("hello"));
    assert.deepEqual(await readExactly(device, 5), new TextEncoder().encode("hello"));
    device.close();
  },
  { cost: 20 },
);
