// An independent implementation at the other end: shadowsocks-rust, and whether bytes come through whole.
import { strict as assert } from "node:assert";
import { noise, readAll, until, writeAll } from "./ends.ts";
import { close } from "./close.ts";

/** A program of shadowsocks-rust with this configuration, on a free port. */
export async function withShadowsocks(
  program: "sslocal" | "ssserver",
  config: object,
  body: (port: number) => Promise<void>,
) {
  const tool = `${Deno.env.get("OTB_TOOLS") ?? "/var/cache/otb/tools"}/bin/${program}`;
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  const path = `${folder}/config.json`;
  const own = program === "sslocal"
    ? { ...config, local_address: "127.0.0.1", local_port: port }
    : { servers: [{ ...config, address: "127.0.0.1", port }] };
  await Deno.writeTextFile(path, JSON.stringify({ ...own, mode: "tcp_only" }));
  const child = new Deno.Command(tool, { args: ["-c", path], stdin: "null", stdout: "null", stderr: "null" })
    .spawn();
  try {
    await until(() =>
      Deno.readTextFileSync("/proc/net/tcp").includes(
        `:${port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A`,
      )
    );
    await body(port);
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await Deno.remove(folder, { recursive: true });
  }
}

/** Bytes go there and come back whole, and both directions end. */
export async function roundTrip(connection: Deno.TcpConn): Promise<void> {
  const sent = noise(400_000);
  const [received] = await Promise.all([
    readAll(connection),
    writeAll(connection, sent).then(() => connection.closeWrite()),
  ]);
  const differs = received.findIndex((byte, index) => byte !== sent[index]);
  assert.deepEqual([received.length, differs], [sent.length, -1]);
  close(connection);
}
