// The peer's side of the conversation: a small TCP service on loopback, reached through the proxy. Bounded, whatever comes.
import { accepted } from "@otb/plugin";
import type { Wish } from "./wire.ts";
import { closed, lines, parseRequest, TEST_SECONDS, writeAll, writeLine } from "./wire.ts";

const LOOPBACK = "127.0.0.1";
/** Connections at once, and of them with a test: a test of a link has four. */
const MOST_CONNECTIONS = 512, MOST_TESTS = 32;
/** The same of one box; all who do not show the session of a box count as one. */
const MOST_OF_ONE = 16, MOST_TESTS_OF_ONE = 8;
/** Connections that have not said anything yet; beyond, the oldest goes. */
const MOST_SILENT = 64;
/** Who says nothing for so long is gone. */
const IDLE_MS = 60_000;
/** Between two requests of a connection: wishes change twice a second at most. */
const PACE_MS = 200;
/** After a refusal the next request waits: guessing shall take long. */
const REFUSED_MS = 2_000;
const CHUNK = new Uint8Array(65_536);

/** What listens. */
export interface Service {
  readonly port: number;
  close(): void;
}

/** What the service asks of who runs it. */
export interface Shaper {
  /** Takes a box's wishes, answers with the addresses refused. */
  shape(session: string, wishes: Wish[]): string[];
  /** Whether a box is here under this session. */
  isKnown(session: string): boolean;
}

/**
 * Serves boxes.
 * @throws Error when the port is taken
 */
export function serve(port: number, { shape, isKnown }: Shaper): Service {
  const listener = Deno.listen({ hostname: LOOPBACK, port });
  const open = new Set<Deno.Conn>(), silent = new Set<Deno.Conn>();
  const connections = new Counted(MOST_OF_ONE), tests = new Counted(MOST_TESTS_OF_ONE);

  const converse = async (connection: Deno.Conn) => {
    let timer = setTimeout(() => closed(connection), IDLE_MS);
    let owner: string | undefined;
    try {
      for await (const line of lines(connection)) {
        clearTimeout(timer);
        timer = setTimeout(() => closed(connection), IDLE_MS);
        silent.delete(connection);
        const request = parseRequest(line);
        if (!request) return;
        if (owner === undefined) {
          const who = isKnown(request.session ?? "") ? request.session! : "";
          if (!connections.take(who)) return;
          owner = who;
        }
        if (request.kind === "test") {
          if (tests.all >= MOST_TESTS || !tests.take(owner)) return;
          try {
            return await (request.direction === "down" ? send(connection) : receive(connection));
          } finally {
            tests.give(owner);
          }
        }
        const refused = shape(request.session, request.wishes);
        await writeLine(connection, { kind: "shaped", refused });
        await new Promise((resolve) => setTimeout(resolve, refused.length > 0 ? REFUSED_MS : PACE_MS));
      }
    } catch {
      // Gone, or no box.
    } finally {
      clearTimeout(timer);
      if (owner !== undefined) connections.give(owner);
      silent.delete(connection);
      open.delete(connection);
      closed(connection);
    }
  };

  void (async () => {
    for await (const connection of accepted(listener)) {
      if (open.size >= MOST_CONNECTIONS) {
        closed(connection);
        continue;
      }
      if (silent.size >= MOST_SILENT) {
        const [oldest] = silent;
        silent.delete(oldest!);
        closed(oldest!);
      }
      silent.add(connection);
      open.add(connection);
      void converse(connection);
    }
  })().catch(() => {
    // Closed.
  });
  return {
    port: (listener.addr as Deno.NetAddr).port,
    close() {
      closed(listener);
      for (const connection of open) closed(connection);
    },
  };
}

/** How many each has, none more than it may. */
class Counted {
  readonly #counts = new Map<string, number>();
  all = 0;

  constructor(private readonly mostOfOne: number) {}

  take(owner: string): boolean {
    const count = this.#counts.get(owner) ?? 0;
    if (count >= this.mostOfOne) return false;
    this.#counts.set(owner, count + 1);
    this.all++;
    return true;
  }

  give(owner: string): void {
    const count = this.#counts.get(owner)! - 1;
    if (count > 0) this.#counts.set(owner, count);
    else this.#counts.delete(owner);
    this.all--;
  }
}

/** As many bytes as go until the time is over. */
async function send(connection: Deno.Conn): Promise<void> {
  const timer = setTimeout(() => closed(connection), TEST_SECONDS * 1000);
  try {
    for (;;) await writeAll(connection, CHUNK);
  } finally {
    clearTimeout(timer);
  }
}

/** Takes bytes, and says ten times a second how many there were. */
async function receive(connection: Deno.Conn): Promise<void> {
  const chunk = new Uint8Array(CHUNK.length);
  let bytes = 0, toldMs = performance.now();
  const timer = setTimeout(() => closed(connection), (TEST_SECONDS + 1) * 1000);
  try {
    for (let length = await connection.read(chunk); length !== null; length = await connection.read(chunk)) {
      bytes += length;
      if (performance.now() - toldMs < 100) continue;
      toldMs = performance.now();
      await writeAll(connection, new TextEncoder().encode(`${bytes}\n`));
    }
  } finally {
    clearTimeout(timer);
  }
}
