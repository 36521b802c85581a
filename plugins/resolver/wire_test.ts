import assert from "node:assert/strict";
import fc from "fast-check";
import { framed, messages } from "./frames.ts";
import { answerBytes, query, queryBytes } from "./testing/messages.ts";
import { answers, failure, forUdp, Rcode, rcodeOf, readQuery, withId } from "./wire.ts";

Deno.test("a query is read with its id, where its question ends, and what it takes by UDP", () => {
  const plain = readQuery(queryBytes("www.example.org"))!;
  assert.deepEqual([plain.id, plain.questionEnd, plain.edns, plain.udpBytes], [0x1234, 33, false, 512]);
  assert.equal(query("a.b", { udpBytes: 1_100 }).udpBytes, 1_100);
  assert.equal(query("a.b", { udpBytes: 65_535 }).udpBytes, 1_232, "no fragments");
  assert.equal(query("a.b", { udpBytes: 0 }).udpBytes, 512, "RFC 6891: less than 512 means 512");
});

Deno.test("what is no query is not asked on", () => {
  const good = queryBytes("www.example.org");
  const changed = (change: (bytes: Uint8Array) => void) => {
    const bytes = good.slice();
    change(bytes);
    return bytes;
  };
  const wrong: Record<string, Uint8Array> = {
    empty: new Uint8Array(0),
    "a header alone": good.subarray(0, 12),
    response: changed((bytes) => bytes[2]! |= 0x80),
    update: changed((bytes) => bytes[2]! |= 5 << 3),
    "no question": changed((bytes) => bytes[5] = 0),
    "two questions": changed((bytes) => bytes[5] = 2),
    "an answer in it": changed((bytes) => bytes[7] = 1),
    "a compressed name": changed((bytes) => bytes[12] = 0xc0),
    "a name that runs out": changed((bytes) => bytes[12] = 63),
    "bytes behind it": Uint8Array.of(...good, 0),
    "an OPT record that runs out": queryBytes("a.b", { udpBytes: 1_232 }).subarray(0, -1),
    "a name of 300 bytes": queryBytes(Array(50).fill("abcde").join(".")),
    "a query of 5 KB": new Uint8Array(5_000),
  };
  for (const [name, bytes] of Object.entries(wrong)) assert.equal(readQuery(bytes), undefined, name);
});

Deno.test("an answer must be a response to that very question, in letters of either case", () => {
  const asked = query("www.Example.org");
  assert.ok(answers(asked, answerBytes(query("WWW.example.ORG"), [1, 2, 3, 4])));
  assert.ok(!answers(asked, asked.message), "the query itself");
  assert.ok(!answers(asked, answerBytes(query("www.example.net"), [1, 2, 3, 4])), "another name");
  assert.ok(!answers(asked, answerBytes(query("www.example.org.x"), [1, 2, 3, 4])), "a longer name");
  const otherType = answerBytes(asked, [1, 2, 3, 4]);
  otherType[asked.questionEnd - 3] = 28;
  assert.ok(!answers(asked, otherType), "another type");
  assert.ok(!answers(asked, answerBytes(asked, [1, 2, 3, 4]).subarray(0, asked.questionEnd - 1)), "cut");
});

Deno.test("what is too long for UDP is cut to an empty answer that says so; by TCP it is whole", () => {
  const asked = query("a.example", { udpBytes: 600 });
  const long = answerBytes(asked, [1, 2, 3, 4], { bytes: 601 });
  const cut = forUdp(asked, long);
  assert.ok(answers(asked, cut));
  assert.equal(cut[2]! & 0x02, 0x02, "truncated");
  assert.deepEqual([...cut.subarray(4, 12)], [0, 1, 0, 0, 0, 0, 0, 1], "question and OPT");
  const fitting = answerBytes(asked, [1, 2, 3, 4], { bytes: 560 });
  assert.equal(forUdp(asked, fitting), fitting);
  assert.equal(forUdp(query("a.example"), fitting)[2]! & 0x02, 0x02, "without OPT 512 is the limit");
});

Deno.test("a failure repeats id and question", () => {
  const asked = query("a.example", { id: 77 });
  const failed = failure(asked, Rcode.serverFailure);
  assert.ok(answers(asked, failed));
  assert.deepEqual([failed[1], rcodeOf(failed), failed.length], [77, 2, asked.questionEnd]);
  assert.equal(withId(failed, 0xabcd)[0], 0xab);
});

Deno.test("any bytes: no crash, and what is read is whole", () => {
  const base = fc.constantFrom(queryBytes("www.example.org"), queryBytes("a.b", { udpBytes: 1_232 }));
  const mutated = fc.tuple(base, fc.array(fc.tuple(fc.nat(50), fc.nat(255)), { maxLength: 6 }), fc.nat(60))
    .map(
      ([bytes, changes, length]) => {
        const copy = bytes.slice(0, Math.max(1, bytes.length - (length > 40 ? length - 40 : 0)));
        for (const [at, value] of changes) copy[at % copy.length] = value;
        return copy;
      },
    );
  fc.assert(fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 600 })), mutated, (bytes, response) => {
    const read = readQuery(bytes);
    if (!read) return;
    assert.ok(read.questionEnd <= bytes.length && read.udpBytes >= 512 && read.udpBytes <= 1_232);
    const failed = failure(read, Rcode.serverFailure);
    assert.ok(answers(read, failed) && failed.length <= read.message.length + 11);
    if (answers(read, response)) assert.ok(response.length >= read.questionEnd);
  }));
});

Deno.test("messages come out of a stream as they went in, however it is cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 3_000 }), { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 5_000 })),
      async (wanted, cuts) => {
        const stream = wanted.flatMap((message) => [...framed(message)]);
        let at = 0;
        const source = {
          read(into: Uint8Array) {
            if (at === stream.length) return Promise.resolve(null);
            const count = Math.min(into.length, cuts.next().value!, stream.length - at);
            into.set(stream.slice(at, at + count));
            at += count;
            return Promise.resolve(count);
          },
        };
        const got: Uint8Array[] = [];
        for await (const message of messages(source)) got.push(message);
        assert.deepEqual(got.map((message) => [...message]), wanted.map((message) => [...message]));
      },
    ),
    { numRuns: 50 },
  );
});
