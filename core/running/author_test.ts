// Who asks: told once on a connection, known with every call, noted with what was done.
import { deepStrictEqual, equal } from "node:assert/strict";
import { personHere } from "../client/author.ts";
import { remoteCore } from "../client/remote.ts";
import type { Author, Core } from "../client/types.ts";
import { noted } from "./noted.ts";
import { serveCore } from "./serve.ts";

/** A core that answers with who asked. */
function asked(author: Author): Core {
  return {
    as: asked,
    status: () => Promise.resolve(author),
    config: async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return author;
    },
  } as unknown as Core;
}

Deno.test("each call is of who asked it, on one connection with several authors too (12, line 8)", async () => {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  const path = `${folder}/core.sock`;
  const server = serveCore(asked({ via: "core", name: "nobody" }), path);
  const connected = () => Deno.connect({ transport: "unix", path });
  const whoAsked = (core: Core) => core.status() as Promise<unknown>;
  try {
    const ann: Author = { via: "web", name: "ann" }, fleet: Author = { via: "cloud", name: "fleet" };
    const page = remoteCore(await connected(), ann);
    const other = page.as(fleet);
    const slow = page.config() as Promise<unknown>;
    deepStrictEqual(await Promise.all([whoAsked(page), whoAsked(other), whoAsked(page), slow]), [
      ann,
      fleet,
      ann,
      ann,
    ]);
    const nonsense = remoteCore(await connected(), { via: "god", name: "" } as unknown as Author);
    deepStrictEqual(await whoAsked(nonsense), { via: "cli", name: "root" });
    const long = remoteCore(await connected(), { via: "web", name: "x".repeat(1_000) });
    equal((await whoAsked(long) as Author).name.length, 64);
    const here = remoteCore(await connected(), personHere());
    equal((await whoAsked(here) as Author).via, "cli");
    for (const core of [page, nonsense, long, here]) core.close();
  } finally {
    server.close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("what was done is noted, and no secret with it; what was refused or only looked at is not (12, line 8)", async () => {
  const notes: unknown[] = [];
  const core = {
    propose: ({ dryRun }: { dryRun?: boolean }) =>
      Promise.resolve({ revision: dryRun ? undefined : 7, differences: [{ path: "network.lan" }] }),
    join: () => Promise.resolve({}),
    addBox: () => Promise.reject(new Error("no")),
    status: () => Promise.resolve({}),
  };
  const all = new Proxy(core, { get: (target, name) => target[name as "join"] ?? (() => {}) });
  const own = {
    as: asked,
    live: true,
    close() {},
    logs: () => Promise.resolve(),
    watch: () => Promise.resolve(),
  };
  const author = noted(all as unknown as Core, own, (...note) => notes.push(note));
  await author.status();
  await author.propose({ patch: {}, dryRun: true });
  await author.propose({ patch: {} });
  await author.join("otb3-secret");
  await author.addBox("hut").catch(() => {});
  deepStrictEqual(notes, [
    ["Settings were changed", { revision: 7, paths: "network.lan" }],
    ["The box has joined with another code"],
  ]);
});
