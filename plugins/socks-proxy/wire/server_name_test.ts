import assert from "node:assert/strict";
import fc from "fast-check";
import { candidates, type DomainRule, ruleFor } from "../box/domain_rules.ts";
import { serverName } from "./server_name.ts";

/** What a real client says first: openssl s_client towards a port of ours. */
async function clientHello(...options: string[]): Promise<Uint8Array<ArrayBuffer>> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const client = new Deno.Command("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${port}`, ...options],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const connection = await listener.accept();
  const buffer = new Uint8Array(8_192);
  const length = (await connection.read(buffer))!;
  connection.close();
  listener.close();
  await client.status;
  return buffer.slice(0, length);
}

Deno.test("the name in a real ClientHello is found, with TLS 1.3 and 1.2, and none where none is said", async () => {
  for (const version of ["-tls1_3", "-tls1_2"]) {
    assert.deepEqual(serverName(await clientHello("-servername", "TV.Example.org", version)), {
      name: "tv.example.org",
    });
  }
  assert.equal(serverName(await clientHello("-noservername")), "none");
});

Deno.test("however it comes in pieces, by segments or by records, the name is the same and never another", async () => {
  const hello = await clientHello("-servername", "tv.example.org");
  for (let end = 0; end < hello.length; end++) assert.equal(serverName(hello.slice(0, end)), "more");
  const body = hello.slice(5);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 }), (sizes) => {
      const records: number[] = [];
      for (let at = 0, index = 0; at < body.length; index++) {
        const part = body.slice(at, at + sizes[index % sizes.length]!);
        records.push(22, 3, 1, part.length >> 8, part.length & 255, ...part);
        at += part.length;
      }
      assert.deepEqual(serverName(new Uint8Array(records)), { name: "tv.example.org" });
    }),
  );
});

Deno.test("no bytes break the reader, and it never says what is no name", async () => {
  const hello = await clientHello("-servername", "tv.example.org");
  fc.assert(fc.property(fc.nat(hello.length - 1), fc.nat(255), fc.nat(hello.length), (at, value, end) => {
    const changed = hello.slice(0, end);
    if (at < end) changed[at] = value;
    const said = serverName(changed);
    if (typeof said === "object") assert.match(said.name, /^[a-z0-9_.-]{1,253}$/);
  }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
    serverName(new Uint8Array(noise));
    serverName(new Uint8Array([22, ...noise]));
  }));
});

Deno.test("the Host of a request is found; other protocols are known not to say one by their first byte", () => {
  const said = (text: string) => serverName(new TextEncoder().encode(text));
  assert.deepEqual(said("GET / HTTP/1.1\r\nAccept: */*\r\nhost: Example.org:8080\r\n\r\n"), {
    name: "example.org",
  });
  assert.equal(said("GET / HTTP/1.1\r\nHos"), "more");
  assert.equal(said("GE"), "more");
  assert.equal(said("GET / HTTP/1.0\r\n\r\n"), "none");
  assert.equal(said("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n"), "none");
  assert.equal(said("SSH-2.0-OpenSSH_9.2\r\n"), "none");
});

Deno.test("the first rule that fits device, port and name decides; one for every name hides those after it", () => {
  const rule = (name: string, more: Partial<DomainRule>): DomainRule => ({
    rule: name,
    domains: ["example.org"],
    way: "link",
    mark: 256,
    ...more,
  });
  const rules = [
    rule("tv", { devices: ["02:00:00:00:00:01"] }),
    rule("kept", { domains: [], devices: ["02:00:00:00:00:02"], way: "bonded" }),
    rule("all", { ports: ["443", "8000-8100"] }),
  ];
  const names = (device: string | undefined, port: number) =>
    candidates(rules, { device, port }).map(({ rule }) => rule);
  assert.deepEqual(names("02:00:00:00:00:01", 443), ["tv", "all"]);
  assert.deepEqual(names("02:00:00:00:00:02", 443), []);
  assert.deepEqual(names(undefined, 8050), ["all"]);
  assert.deepEqual(names(undefined, 22), []);
  assert.equal(ruleFor(rules.slice(2), "a.example.org")?.rule, "all");
  assert.equal(ruleFor(rules.slice(2), "notexample.org"), undefined);
});
