// Which ports of a station another one reaches, and programs that listen everywhere for it: for tests of what is shut.
import type { Lab } from "../lab/lab.ts";

/** Ports that are tried: what is usual, what otb has, and one of a program that nobody said anything of. */
export const TRIED = [22, 53, 67, 80, 123, 443, 546, 1080, 5353, 8080, 8443, 8444, 9090];
/** A port of a program that has nothing to do with otb. */
export const STRANGER = 9090;

/** A program that listens on STRANGER everywhere, TCP and UDP, until the returned function is called. */
export async function stranger(lab: Lab, role: string): Promise<() => Promise<void>> {
  const code = `const listener = Deno.listen({ hostname: "0.0.0.0", port: ${STRANGER} });
    (async () => { for await (const connection of listener) connection.close(); })();
    const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: ${STRANGER} });
    console.log("listening");
    for await (const [bytes, from] of socket) await socket.send(bytes, from).catch(() => {});`;
  const child = lab.spawn(role, [Deno.execPath(), "eval", "--unstable-net", code], {
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  });
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return async () => {
    child.kill("SIGKILL");
    await child.status;
  };
}

/** TCP ports of `host` that take a connection from a station, and whether its datagrams to STRANGER come back. */
export async function reached(lab: Lab, role: string, host: string): Promise<string[]> {
  const code = `const found = [];
    await Promise.all(${JSON.stringify(TRIED)}.map((port) => Promise.race([
      Deno.connect({ hostname: "${host}", port }).then((c) => { found.push("tcp " + port); c.close(); }, () => {}),
      new Promise((resolve) => setTimeout(resolve, 2000)),
    ])));
    const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
    const end = () => { console.log(JSON.stringify(found.sort())); Deno.exit(); };
    setTimeout(end, 1000);
    await socket.send(new Uint8Array(4), { transport: "udp", hostname: "${host}", port: ${STRANGER} });
    await socket.receive();
    found.push("udp ${STRANGER}");
    end();`;
  const { stdout } = await lab.spawn(role, [Deno.execPath(), "eval", "--unstable-net", code], {
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  return text === "" ? [] : JSON.parse(text);
}
