import assert from "node:assert/strict";
import { openNative } from "../../../core/native/ffi.ts";
import { PrefixCheck, QUESTION_BYTES } from "./prefix_check.ts";

const SECOND = 1_000_000;
const prefix = new Uint8Array([0x20, 1, 0xd, 0xb8, 0, 1, 0, 2]);

/** What an honest host makes of a question: addresses exchanged, the type that of a reply. */
function answerTo(question: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const answer = question.slice();
  answer.set(question.subarray(24, 40), 8);
  answer.set(question.subarray(8, 24), 24);
  answer[40] = 129;
  return answer;
}

Deno.test("a prefix counts once an answer came to the address that asked, and no more after a silence", () => {
  const check = new PrefixCheck(openNative(), prefix, ["2620:fe::fe"]);
  assert.deepEqual(check.due(0), [0]);
  assert.deepEqual(check.due(SECOND), []);
  const question = new Uint8Array(QUESTION_BYTES);
  check.write(0, question, 0);
  assert.deepEqual([...question.subarray(8, 16)], [...prefix]);
  const foreign = answerTo(question);
  foreign[39]! ^= 1;
  assert.equal(check.isAnswer(foreign, 0, SECOND), false, "it is for a device");
  assert.equal(check.isVerified, false);
  const forged = answerTo(question);
  forged[50]! ^= 1;
  assert.equal(check.isAnswer(forged, 0, SECOND), true);
  assert.equal(check.isVerified, false, "who did not see the question cannot answer it");
  assert.equal(check.isAnswer(answerTo(question), 0, SECOND), true);
  assert.equal(check.isVerified, true);
  let nowS = 1;
  while (check.isVerified && nowS++ < 200) check.due(nowS * SECOND);
  assert.ok(nowS > 35 && nowS < 60, `${nowS} s`);
});

Deno.test("the question's checksum is right (RFC 4443 section 2.3)", () => {
  const check = new PrefixCheck(openNative(), prefix, ["2606:4700:4700::1111"]);
  const question = new Uint8Array(QUESTION_BYTES);
  check.write(0, question, 0);
  let sum = 16 + 58;
  for (let at = 8; at < QUESTION_BYTES; at += 2) sum += question[at]! << 8 | question[at + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  assert.equal(sum, 0xffff);
});
