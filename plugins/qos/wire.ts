// What box and peer say to each other: JSON, a line each. Whoever speaks to the peer may be hostile.
import * as z from "zod/mini";
import { LAYERS } from "./layer.ts";

/** A line longer than this is no line of ours. */
export const MOST_LINE_BYTES = 8_192;
/** The rates that can be asked for: a call must fit, and beyond nothing is held anyway. */
const LEAST_BITS = 200_000, MOST_BITS = 100_000_000_000;
/** Links of a box. */
const MOST_WISHES = 16;
export const TEST_SECONDS = 5;

const wish = z.strictObject({
  /** How the peer sees the link's end of the tunnel. */
  address: z.string().check(z.minLength(2), z.maxLength(45), z.regex(/^[0-9a-f.:]+$/)),
  port: z.int().check(z.minimum(1), z.maximum(65_535)),
  bitsPerSecond: z.int().check(z.minimum(LEAST_BITS), z.maximum(MOST_BITS)),
  layer: z.enum(LAYERS),
});

/** What only this box and the peer know of their tunnel (TunnelFact): proves whose the paths are. */
const session = z.string().check(z.regex(/^[0-9a-f]{16,128}$/));

const request = z.discriminatedUnion("kind", [
  /** Everything that this box wants now of the paths of its session; it holds for half a minute. */
  z.strictObject({
    kind: z.literal("shape"),
    session,
    wishes: z.array(wish).check(z.maxLength(MOST_WISHES)),
  }),
  /** The rest of the connection is bytes: from the peer (`down`), or to it, until the time is over. */
  z.strictObject({
    kind: z.literal("test"),
    direction: z.enum(["down", "up"]),
    session: z.optional(session),
  }),
]);

const answer = z.strictObject({
  kind: z.literal("shaped"),
  refused: z.array(z.string()).check(z.maxLength(MOST_WISHES)),
});

export type Wish = z.infer<typeof wish>;
export type Request = z.infer<typeof request>;
/** Which addresses are not shaped, of those asked for. */
export type Answer = z.infer<typeof answer>;

/** A line as a request; undefined when it is none. */
export function parseRequest(line: string): Request | undefined {
  return parse(request, line);
}

/** A line as an answer; undefined when it is none. */
export function parseAnswer(line: string): Answer | undefined {
  return parse(answer, line);
}

function parse<T>(schema: z.ZodMiniType<T>, line: string): T | undefined {
  try {
    const { success, data } = schema.safeParse(JSON.parse(line));
    return success ? data : undefined;
  } catch {
    return undefined;
  }
}

/** The lines of a connection. @throws Error when one is too long */
export async function* lines(connection: Deno.Conn): AsyncGenerator<string> {
  const chunk = new Uint8Array(MOST_LINE_BYTES);
  const decoder = new TextDecoder();
  let text = "";
  for (let length = await connection.read(chunk); length !== null; length = await connection.read(chunk)) {
    text += decoder.decode(chunk.subarray(0, length), { stream: true });
    const all = text.split("\n");
    text = all.pop()!;
    if (text.length > MOST_LINE_BYTES || all.some((line) => line.length > MOST_LINE_BYTES)) {
      throw new Error("a line is too long");
    }
    yield* all;
  }
}

export async function writeLine(connection: Deno.Conn, message: Request | Answer): Promise<void> {
  await writeAll(connection, new TextEncoder().encode(`${JSON.stringify(message)}\n`));
}

export async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Closes what may be closed already. */
export function closed(connection: { close(): void }): void {
  try {
    connection.close();
  } catch {
    // The other end, or another hand, was faster.
  }
}
