// Where the LAN's DNS server asks, or a device itself: UDP and TCP on one port. Bounded, whatever comes.
import { createSocket } from "node:dgram";
import { accepted } from "@otb/plugin";
import { framed, messages, writeAll } from "./frames.ts";
import { failure, forUdp, type Query, Rcode, readQuery } from "./wire.ts";

export const LOOPBACK = "127.0.0.1";
/** Questions under way together; beyond, the answer is at once that it failed. */
const MAX_OPEN = 512;
const MAX_CONNECTIONS = 64;
/** Questions under way of one connection; beyond, it is not read from. */
const MAX_OPEN_EACH = 32;
const IDLE_MS = 10_000;

/** Finds the answer. */
export type Ask = (query: Query) => Promise<Uint8Array<ArrayBuffer>>;

/** What listens; `refused` counts questions beyond the bound, `malformed` what was no question. */
export interface Listening {
  readonly port: number;
  refused: number;
  malformed: number;
  close(): void;
}

/** Listens on a port, 0 for any, of loopback or of another address of this machine. @throws Error when it is taken */
export async function listen(port: number, ask: Ask, hostname = LOOPBACK): Promise<Listening> {
  const socket = createSocket("udp4");
  const listener = Deno.listen({ hostname, port });
  let open = 0;
  const listening = { port: (listener.addr as Deno.NetAddr).port, refused: 0, malformed: 0, close };
  const answer = async (query: Query): Promise<Uint8Array<ArrayBuffer>> => {
    if (open >= MAX_OPEN) {
      listening.refused++;
      return failure(query, Rcode.serverFailure);
    }
    open++;
    try {
      return await ask(query);
    } finally {
      open--;
    }
  };

  socket.on("message", (bytes, { address, port }) => {
    const query = readQuery(bytes);
    if (!query) return void listening.malformed++;
    answer(query).then((response) => socket.send(forUdp(query, response), port, address), () => {}).catch(
      () => {
        // Closed meanwhile.
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", (error) => {
      close1(listener);
      reject(error);
    });
    socket.bind(listening.port, hostname, () => resolve());
  });
  socket.on("error", () => {});

  const connections = new Set<Deno.Conn>();
  void (async () => {
    for await (const connection of accepted(listener)) {
      if (connections.size >= MAX_CONNECTIONS) {
        connection.close();
        continue;
      }
      connections.add(connection);
      void converse(connection).catch(() => {}).finally(() => {
        connections.delete(connection);
        close1(connection);
      });
    }
  })().catch(() => {});

  async function converse(connection: Deno.Conn): Promise<void> {
    const under = new Set<Promise<void>>();
    let writing = Promise.resolve();
    const source = {
      read: (into: Uint8Array) => {
        const timer = setTimeout(() => under.size === 0 && close1(connection), IDLE_MS);
        return connection.read(into).finally(() => clearTimeout(timer));
      },
    };
    for await (const bytes of messages(source)) {
      const query = readQuery(bytes);
      if (!query) {
        listening.malformed++;
        return;
      }
      const one = answer(query).then((response) => {
        writing = writing.then(() => writeAll(connection, framed(response)));
        return writing;
      }).catch(() => close1(connection)).finally(() => under.delete(one));
      under.add(one);
      if (under.size >= MAX_OPEN_EACH) await Promise.race(under);
    }
    // Who has asked all and closed its half still hears the answers.
    await Promise.all(under);
  }

  function close(): void {
    try {
      socket.close();
    } catch {
      // It ended by itself.
    }
    close1(listener);
    for (const connection of connections) close1(connection);
  }
  return listening;
}

function close1(what: { close(): void }): void {
  try {
    what.close();
  } catch {
    // It is closed.
  }
}
