// Requests, answers and notices as JSON lines over one stream socket, both ways: how plugins and clients speak to the core.
import { type Json, OtbError } from "../contract/mod.ts";

/** The longest line taken from the other side, in bytes; a longer one ends the connection. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
/** Calls of the other side that are answered at once, and bytes of answers that it has not taken: beyond, it is not read. */
const MOST_UNDER_WAY = 1_000, MOST_UNSENT_BYTES = 4 * MAX_LINE_BYTES;
/** Who takes no answers for so long is gone. */
const PATIENCE_MS = 60_000;

type Message =
  | { id: number; method: string; params?: unknown }
  | { method: string; params?: unknown }
  | { id: number; result: unknown }
  | { id: number; error: { code: string; message: string; next?: string } };

/** Answers one method; what it throws reaches the caller as an OtbError. */
export type Handler = (params: never) => unknown | Promise<unknown>;

/** What the rpc needs of a connection: `Deno.UnixConn` has it. */
export type Stream = Pick<Deno.Conn, "read" | "write" | "close">;

/**
 * One end of a connection. Both ends may call and answer at any time.
 *
 * `closed` resolves when the connection is gone; calls under way are then refused with `connection-lost`.
 */
export class Rpc {
  readonly closed: Promise<void>;
  #stream: Stream;
  #handlers: Map<string, Handler>;
  #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #nextId = 1;
  #sending: Promise<void> = Promise.resolve();
  #open = true;
  #underWay = 0;
  #unsentBytes = 0;
  #onRoom: (() => void) | undefined;

  constructor(stream: Stream, handlers: Record<string, Handler>) {
    this.#stream = stream;
    this.#handlers = new Map(Object.entries(handlers));
    this.closed = this.#receive();
  }

  /** Calls `method` on the other side. @throws OtbError what the other side threw, `timeout`, `connection-lost` */
  async call<T = Json>(method: string, params?: unknown, timeoutMs = 30_000): Promise<T> {
    if (!this.#open) throw connectionLost(method);
    const id = this.#nextId++;
    const answer = Promise.withResolvers<unknown>();
    this.#pending.set(id, answer);
    const timer = setTimeout(() => {
      this.#pending.delete(id);
      answer.reject(
        new OtbError("timeout", `Cannot finish "${method}" as no answer came within ${timeoutMs} ms`),
      );
    }, timeoutMs);
    try {
      void this.#send({ id, method, params });
      return await answer.promise as T;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
  }

  /** Tells the other side something without waiting for an answer; lost silently when the connection is gone. */
  notify(method: string, params?: unknown): void {
    if (this.#open) void this.#send({ method, params });
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#tellRoom();
    // Answers already queued still leave: a stop command is answered before the socket goes.
    this.#sending.finally(() => this.#shut());
  }

  #shut(): void {
    try {
      this.#stream.close();
    } catch {
      // The other side was first.
    }
  }

  #send(message: Message): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(message) + "\n");
    const isAnswer = !("method" in message);
    if (isAnswer) this.#unsentBytes += bytes.length;
    return this.#sending = this.#sending.then(async () => {
      for (let sent = 0; sent < bytes.length;) sent += await this.#stream.write(bytes.subarray(sent));
    }).catch(() => this.#shut()).finally(() => {
      if (isAnswer) this.#unsentBytes -= bytes.length;
      this.#tellRoom();
    });
  }

  get #hasRoom(): boolean {
    return this.#underWay < MOST_UNDER_WAY && this.#unsentBytes < MOST_UNSENT_BYTES;
  }

  #tellRoom(): void {
    if (this.#hasRoom || !this.#open) this.#onRoom?.();
  }

  /** Waits until what the other side asked for is answered and taken. @returns false when it never is */
  async #room(): Promise<boolean> {
    if (this.#hasRoom) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onRoom = resolve;
    const timer = setTimeout(resolve, PATIENCE_MS);
    await promise;
    clearTimeout(timer);
    this.#onRoom = undefined;
    return this.#hasRoom;
  }

  async #receive(): Promise<void> {
    const decoder = new TextDecoder();
    const chunk = new Uint8Array(64 * 1024);
    let line = "";
    try {
      for (;;) {
        const length = await this.#stream.read(chunk);
        if (length === null) break;
        const lines = (line + decoder.decode(chunk.subarray(0, length), { stream: true })).split("\n");
        line = lines.pop()!;
        if (line.length > MAX_LINE_BYTES) break;
        for (const text of lines) {
          this.#take(JSON.parse(text));
          if (!this.#hasRoom && !await this.#room()) throw new Error("it takes no answers");
        }
      }
    } catch {
      // A broken stream and a malformed line end the connection the same way.
    }
    this.#open = false;
    this.#shut();
    for (const answer of this.#pending.values()) answer.reject(connectionLost("the call"));
    this.#pending.clear();
  }

  #take(message: Message): void {
    if ("method" in message) {
      void this.#answer(message);
      return;
    }
    const answer = this.#pending.get(message.id);
    if (!answer) return;
    // What throws here ends the connection, and with it the call: it is pending until then.
    const error = "error" in message
      ? new OtbError(String(message.error.code), String(message.error.message), message.error.next)
      : undefined;
    this.#pending.delete(message.id);
    if (error) answer.reject(error);
    else answer.resolve((message as { result: unknown }).result);
  }

  async #answer(message: { id?: number; method: string; params?: unknown }): Promise<void> {
    const send = (reply: Message) => void (message.id !== undefined && this.#open && this.#send(reply));
    this.#underWay++;
    try {
      const handler = this.#handlers.get(message.method);
      if (!handler) {
        throw new OtbError(
          "method-unknown",
          `Cannot answer as the method is unknown: current value is "${message.method}"`,
        );
      }
      const result = await handler(message.params as never);
      // What is no JSON is refused here too.
      send({ id: message.id ?? 0, result: result ?? null });
    } catch (error) {
      const { code, message: text, next } = asOtbError(error);
      send({ id: message.id ?? 0, error: { code, message: text, next } });
    }
    this.#underWay--;
    this.#tellRoom();
  }
}

/** Any thrown value as an OtbError; an unexpected one gets the code `internal`. */
export function asOtbError(error: unknown): OtbError {
  if (error instanceof OtbError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new OtbError("internal", text, undefined, { cause: error });
}

function connectionLost(what: string): OtbError {
  return new OtbError("connection-lost", `Cannot finish ${what} as the other side of the connection is gone`);
}

/**
 * Listens on a Unix socket for the owner only, replacing what a dead process left there.
 *
 * @throws OtbError `socket-path-long` above the 107 bytes of unix(7)
 */
export function listenUnix(path: string): Deno.UnixListener {
  if (new TextEncoder().encode(path).length > 107) {
    throw new OtbError(
      "socket-path-long",
      `Cannot listen on a socket as its path must not exceed 107 bytes: current value is "${path}"`,
      "Choose a shorter --state directory.",
    );
  }
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const listener = Deno.listen({ transport: "unix", path });
  Deno.chmodSync(path, 0o600);
  return listener;
}
