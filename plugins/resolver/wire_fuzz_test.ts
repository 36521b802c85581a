import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz, swift } from "../../tests/fuzz/property.ts";
import { type Bytes, cuts, hostile, pieces } from "../../tests/fuzz/inputs.ts";
import { framed, messages } from "./frames.ts";
import { Pipeline } from "./pipeline.ts";
import { addressesIn, Rebinding } from "./rebinding.ts";
import { answerBytes, query, queryBytes } from "./testing/messages.ts";
import { answers, failure, forUdp, Rcode, rcodeOf, readQuery, withId } from "./wire.ts";

const exactly = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => [...bytes]);
const names = fc.constantFrom("www.example.org", "a.b", "x".repeat(63) + ".example", "A.eXample");
const queries = fc.tuple(names, fc.option(fc.constantFrom(0, 512, 1_232, 65_535), { nil: undefined })).map(
  ([name, udpBytes]) => Uint8Array.from(queryBytes(name, { udpBytes })),
);
const responses = names.map((name) => Uint8Array.from(answerBytes(query(name), [192, 0, 2, 1])));

fuzz(
  "what is asked on is one question, and every answer to it of ours is well formed",
  fc.tuple(hostile(queries, 5_000), hostile(responses, 5_000)),
  ([bytes, response]) => {
    const read = swift(() => readQuery(bytes));
    if (!read) return;
    assert.ok(read.questionEnd <= bytes.length && bytes.length <= 4_096);
    assert.ok(read.udpBytes >= 512 && read.udpBytes <= 1_232);
    assert.deepEqual(readQuery(read.message), read);
    for (const code of [Rcode.serverFailure, Rcode.formatError]) {
      const failed = failure(read, code);
      assert.ok(answers(read, failed) && failed.length <= read.message.length + 11);
      assert.equal(rcodeOf(failed), code);
      assert.equal(failed[2]! & 0x80, 0x80);
    }
    if (!swift(() => answers(read, response))) return;
    const cut = forUdp(read, response);
    assert.ok(cut.length <= read.udpBytes && answers(read, cut));
    assert.equal(withId(cut, 0x1234)[1], 0x34);
  },
);

const streams = hostile(
  fc.array(
    fc.oneof(queries, responses, fc.constant(new Uint8Array(0)), fc.constant(new Uint8Array(9_000))),
    { maxLength: 4 },
  )
    .map((all) => new Uint8Array(all.flatMap((message) => [...framed(message)])) as Bytes),
  30_000,
);

fuzz(
  "messages of a stream are the same however it is cut",
  fc.tuple(streams, cuts),
  async ([bytes, sizes]) => {
    const read = async (parts: Bytes[]) => {
      const said: Bytes[] = [];
      let most = 0;
      const rest = [...parts];
      const source = {
        read(into: Uint8Array) {
          most = Math.max(most, into.buffer.byteLength);
          const part = rest.shift();
          if (!part) return Promise.resolve(null);
          if (part.length > into.length) rest.unshift(part.slice(into.length));
          into.set(part.subarray(0, into.length));
          return Promise.resolve(Math.min(part.length, into.length));
        },
      };
      for await (const message of messages(source)) said.push(message);
      assert.ok(most <= 131_072, `${most} bytes are held`);
      return said;
    };
    assert.deepEqual(await read(pieces(bytes, sizes)), await read([bytes]));
  },
  { cost: 20 },
);

fuzz(
  "a resolver that says anything gets no question a wrong answer, and an end when it goes",
  fc.tuple(streams, cuts),
  async ([bytes, sizes]) => {
    const rest = pieces(bytes, sizes);
    let ended = 0;
    const connection = {
      read(into: Uint8Array) {
        const part = rest.shift();
        if (!part) return Promise.resolve(null);
        if (part.length > into.length) rest.unshift(part.slice(into.length));
        into.set(part.subarray(0, into.length));
        return Promise.resolve(Math.min(part.length, into.length));
      },
      write: (out: Uint8Array) => Promise.resolve(out.length),
      close() {},
    } as unknown as Deno.Conn;
    const pipeline = new Pipeline(connection, () => ended++);
    const asked = query("www.example.org");
    const answer = await pipeline.ask(asked, new AbortController().signal).catch((error) => error);
    if (answer instanceof Uint8Array) assert.ok(answers(asked, answer));
    else assert.ok(answer instanceof Error);
    pipeline.close("the test is over");
    assert.equal(ended, 1);
  },
  { cost: 4 },
);

const labels = fc.array(
  fc.oneof(
    fc.nat(300).map((to) => [0xc0 | to >> 8, to & 255]),
    fc.uint8Array({ minLength: 1, maxLength: 63 }).map((label) => [label.length, ...label, 0]),
  ),
  { maxLength: 3 },
).map((parts) => [...parts.flat(), 0]);
const local = [192, 168, 1, 1], away = [192, 0, 2, 1];
const service = fc.tuple(labels, fc.constantFrom(local, away), fc.constantFrom(4, 6, 1)).map((
  [name, address, key],
) => [0, 1, ...name, 0, key, 0, address.length, ...address]);
const records = fc.array(
  fc.tuple(
    fc.oneof(fc.constant([0xc0, 12]), labels),
    fc.constantFrom(1, 5, 28, 64, 65),
    fc.oneof(fc.constantFrom(local, away), labels, service, exactly(16)),
  ),
  { maxLength: 30 },
);
const guarded = fc.tuple(records, fc.constantFrom(0, 0, 0, 1, -1)).map(([all, more]) => {
  const question = query("www.example.org");
  const bytes = [...question.message.subarray(0, question.questionEnd)];
  bytes.push(
    ...all.flatMap(([name, type, data]) => [...name, 0, type, 0, 1, 0, 0, 0, 9, 0, data.length, ...data]),
  );
  bytes[2] = 0x81;
  bytes[7] = Math.max(0, all.length + more);
  return new Uint8Array(bytes);
});

fuzz(
  "what is passed on holds no local address that a reader to its end would find",
  hostile(guarded, 4_096),
  (bytes) => {
    const question = query("www.example.org"), guard = new Rebinding([]);
    const passed = swift(() => guard.guard(question, bytes));
    if (passed === bytes) {
      const found = addressesIn(bytes, question.questionEnd)!;
      assert.ok(found.every((address) => [4, 16].includes(address.length) && !guard.isLocal(address)));
    } else assert.ok(passed.length <= question.message.length + 11 && answers(question, passed));
  },
);
