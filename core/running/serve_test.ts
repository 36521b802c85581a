import { strict as assert } from "node:assert";
import { ROOT } from "../client/author.ts";
import { remoteCore } from "../client/remote.ts";
import type { Core, StatusReport } from "../client/types.ts";
import { watch } from "./asking.ts";
import { serveCore } from "./serve.ts";

Deno.test("who watches is told of the status again and again, until it has enough or the core is gone", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "otb-" });
  const path = `${folder}/core.sock`;
  let asked = 0, isClosed = false;
  const core = {
    as: () => core as unknown as Core,
    status: () => Promise.resolve({ pid: ++asked } as StatusReport),
    watch: ((options, onStatus) => watch(core, options, onStatus)) as Core["watch"],
  };
  const server = serveCore(core as unknown as Core, path);
  try {
    const client = remoteCore(await Deno.connect({ transport: "unix", path }), ROOT);
    const enough = new AbortController(), seen: number[] = [];
    await client.watch({ signal: enough.signal }, ({ pid }) => {
      seen.push(pid);
      if (seen.length === 2) enough.abort();
    });
    assert.deepEqual(seen, [1, 2]);
    client.close();

    const other = remoteCore(await Deno.connect({ transport: "unix", path }), ROOT);
    const gone = other.watch({ signal: new AbortController().signal }, () => {
      isClosed = true;
      server.close();
    });
    await gone;
    other.close();
    const after = asked;
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    assert.equal(asked, after, "nobody is there to be told");
  } finally {
    if (!isClosed) server.close();
    Deno.removeSync(folder, { recursive: true });
  }
});
