// The second way by TLS, to a real unbound: who shows another name, or a certificate that nobody vouches for, is not asked.
import assert from "node:assert/strict";
import { connector } from "./upstream.ts";

const CODE = `
import { connector } from "${new URL("upstream.ts", import.meta.url).href}";
import { Way } from "${new URL("way.ts", import.meta.url).href}";
import { addressIn, query } from "${new URL("testing/messages.ts", import.meta.url).href}";
const [port, tlsName] = Deno.args;
const way = new Way("tls", connector({ address: "127.0.0.1", port: Number(port), tlsName }, () => undefined, true));
try {
  console.log(addressIn(await way.ask(query("www.example"), new AbortController().signal)));
} catch (error) {
  console.log(error.message);
}
Deno.exit();
`;

async function run(command: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, env }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("TLS: the name and who vouches for it decide whether a resolver is asked", async () => {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr as Deno.NetAddr;
  free.close();
  const ca = `${folder}/ca.pem`, key = `${folder}/key.pem`, cert = `${folder}/cert.pem`;
  const request = [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "7300",
  ];
  await run("openssl", [...request, "-keyout", `${folder}/ca-key.pem`, "-out", ca, "-subj", "/CN=test"]);
  await run("openssl", [
    ...request,
    ...["-CA", ca, "-CAkey", `${folder}/ca-key.pem`, "-keyout", key, "-out", cert, "-subj", "/CN=dns"],
    ...["-addext", "subjectAltName=DNS:dns.test", "-addext", "basicConstraints=critical,CA:FALSE"],
  ]);
  await Deno.writeTextFile(
    `${folder}/unbound.conf`,
    `server:
  interface: 127.0.0.1@${port}
  tls-port: ${port}
  tls-service-key: ${key}
  tls-service-pem: ${cert}
  username: ""
  chroot: ""
  directory: ""
  pidfile: ""
  use-syslog: no
  local-data: "www.example A 192.0.2.7"
remote-control:
  control-enable: no
`,
  );
  const unbound = new Deno.Command("unbound", {
    args: ["-dd", "-c", `${folder}/unbound.conf`],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { PATH: `${Deno.env.get("PATH")}:/usr/sbin` },
  }).spawn();
  try {
    let said = "";
    for await (const text of unbound.stderr.pipeThrough(new TextDecoderStream())) {
      if ((said += text).includes("start of service")) break;
    }
    assert.match(said, /start of service/);
    const script = `${folder}/ask.ts`;
    await Deno.writeTextFile(script, CODE);
    const config = `--config=${new URL("../../deno.json", import.meta.url).pathname}`;
    const ask = (tlsName: string, env = {}) =>
      run(Deno.execPath(), ["run", "-A", "--quiet", "--no-lock", config, script, String(port), tlsName], env);
    assert.equal(await ask("dns.test", { DENO_CERT: ca }), "192.0.2.7");
    assert.match(await ask("other.test", { DENO_CERT: ca }), /not valid for name|certificate/i);
    assert.match(await ask("dns.test"), /UnknownIssuer|certificate/i);
  } finally {
    unbound.kill("SIGKILL");
    await unbound.status;
    await Deno.remove(folder, { recursive: true });
  }
});

for (
  const [what, words] of [["answers nothing", undefined], ["speaks no TLS", "220 mail ready\r\n"]] as const
) {
  Deno.test(`TLS: a resolver that ${what} is given up in time, and leaves no descriptor once it ends`, async () => {
    const taken: Deno.Conn[] = [];
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const accepting = (async () => {
      for await (const connection of listener) {
        taken.push(connection);
        if (words) await connection.write(new TextEncoder().encode(words));
      }
    })();
    const connect = connector({ address: "127.0.0.1", port, tlsName: "dns.test" }, () => undefined, true);
    const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const before = descriptors();
    for (let count = 0; count < 10; count++) {
      let late: ReturnType<typeof setTimeout> | undefined;
      const inTime = new Promise((_, reject) => late = setTimeout(reject, 5_000, new Error("it waits on")));
      await Promise.race([assert.rejects(connect(AbortSignal.timeout(100))), inTime]);
      clearTimeout(late);
    }
    for (const connection of taken) connection.close();
    const endMs = performance.now() + 10_000;
    while (descriptors() > before && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.ok(descriptors() <= before, `${descriptors() - before} of 10 are left`);
    listener.close();
    await accepting;
  });
}
