// What the tests of this plugin share: questions and answers as bytes.
import { type Query, readQuery } from "../wire.ts";

/** A query for a name, with an OPT record when a UDP size is given. */
export function queryBytes(name: string, { id = 0x1234, udpBytes }: { id?: number; udpBytes?: number } = {}) {
  const labels = name.split(".").filter(Boolean).flatMap((label) => [
    label.length,
    ...new TextEncoder().encode(label),
  ]);
  const opt = udpBytes === undefined ? [] : [0, 0, 41, udpBytes >> 8, udpBytes & 255, 0, 0, 0, 0, 0, 0];
  return Uint8Array.of(
    ...[id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, opt.length > 0 ? 1 : 0],
    ...[...labels, 0, 0, 1, 0, 1],
    ...opt,
  );
}

export function query(name: string, options: { id?: number; udpBytes?: number } = {}): Query {
  return readQuery(queryBytes(name, options))!;
}

/** An answer to a query with one address, padded to a length with more of them. */
export function answerBytes(
  to: Query,
  address: number[],
  { rcode = 0, bytes = 0 } = {},
): Uint8Array<ArrayBuffer> {
  const question = to.message.subarray(0, to.questionEnd);
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address];
  const count = rcode !== 0 ? 0 : Math.max(1, Math.ceil((bytes - question.length) / record.length));
  const out = new Uint8Array(question.length + count * record.length);
  out.set(question);
  out[2] = 0x81;
  out[3] = 0x80 | rcode;
  out[6] = count >> 8;
  out[7] = count & 255;
  out[11] = 0;
  for (let index = 0; index < count; index++) out.set(record, question.length + index * record.length);
  return out;
}

/** The address in such an answer. */
export function addressIn(response: Uint8Array): string {
  return response.subarray(-4).join(".");
}
