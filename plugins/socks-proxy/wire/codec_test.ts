import { strict as assert } from "node:assert";
import fc from "fast-check";
import { decodeAddress, encodeAddress, openNative, SALT_BYTES } from "../../../core/native/ffi.ts";
import { readTarget, type Target, writeRecord } from "./address.ts";
import { Salts } from "./salts.ts";
import {
  openRequestBody,
  openRequestHead,
  openResponseHead,
  REQUEST_HEAD,
  REQUEST_OVERHEAD,
  sealRequest,
  sealResponse,
} from "./sip022.ts";
import { LINK_LOGIN, type Stage, step } from "../box/socks5.ts";
import { Targets } from "../peer/targets.ts";
import { order } from "../transport/transport.ts";

const native = openNative();
const METHOD = "2022-blake3-aes-256-gcm";
const key = crypto.getRandomValues(new Uint8Array(32));
const bytes = (options?: { minLength?: number; maxLength?: number }) =>
  fc.uint8Array(options).map((value) => new Uint8Array(value));
const hosts = fc.oneof(fc.ipV4(), fc.constantFrom("2001:db8::1", "::1", "fe80::1:2:3:4"));

function said(target: Target): [host: string, port: number, named: boolean] {
  return [target.named ? target.host : decodeAddress(target.record).host, target.port, target.named];
}

Deno.test("an address record and its wire form say the same", () => {
  fc.assert(fc.property(hosts, fc.integer({ min: 0, max: 65535 }), (host, port) => {
    const out = new Uint8Array(19);
    const length = writeRecord(encodeAddress({ host, port }), out, 0);
    const read = readTarget(out, 0, length);
    assert.equal(read?.length, length);
    assert.deepEqual(said(read!.target!), [host, port, false]);
    for (let short = 0; short < length; short++) assert.equal(readTarget(out, 0, short)?.length, 0);
  }));
});

Deno.test("no bytes crash the reader of addresses, and none makes it read beyond them", () => {
  fc.assert(fc.property(bytes({ maxLength: 300 }), (input) => {
    const read = readTarget(input, 0, input.length);
    if (read) assert.ok(read.length <= input.length);
  }));
});

Deno.test("a request is read as it was written, inside the clock window only", () => {
  fc.assert(
    fc.property(
      bytes({ maxLength: 3000 }),
      fc.nat(),
      fc.integer({ min: -60, max: 60 }),
      (payload, padding, skew) => {
        const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
        using sealer = native.aead(METHOD, key, salt);
        using opener = native.aead(METHOD, key, salt);
        const target = new Uint8Array(7);
        writeRecord(encodeAddress({ host: "203.0.113.10", port: 443 }), target, 0);
        const out = new Uint8Array(REQUEST_OVERHEAD + payload.length);
        const plain = new Uint8Array(65_536);
        const length = sealRequest(
          sealer,
          salt,
          new Uint8Array(0),
          target,
          payload,
          payload.length,
          1_700_000_000,
          padding,
          plain,
          out,
        );
        const body = openRequestHead(opener, out, SALT_BYTES, 1_700_000_000 + skew, plain);
        if (Math.abs(skew) > 30) return assert.equal(body, "time");
        assert.equal(REQUEST_HEAD + (body as number) + 16, length);
        const opened = openRequestBody(opener, out, REQUEST_HEAD, body as number, plain);
        assert.ok(typeof opened === "object");
        assert.deepEqual(said(opened.target), ["203.0.113.10", 443, false]);
        assert.equal(opened.saysEnd, true);
        assert.deepEqual(plain.slice(opened.payloadOffset, body as number), payload);
        // Neither an empty nor an oversized padding: SIP022 wants 1 to 900 bytes where there is no payload.
        if (payload.length === 0) assert.ok((body as number) - 9 >= 1 && (body as number) - 9 <= 900);
      },
    ),
  );
});

Deno.test("one changed bit in a request's head is a forgery", () => {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  using sealer = native.aead(METHOD, key, salt);
  const out = new Uint8Array(REQUEST_OVERHEAD);
  const plain = new Uint8Array(65_536);
  sealRequest(
    sealer,
    salt,
    new Uint8Array(0),
    Uint8Array.of(1, 1, 2, 3, 4, 0, 80),
    new Uint8Array(0),
    0,
    1_700_000_000,
    5,
    plain,
    out,
  );
  fc.assert(fc.property(fc.integer({ min: 0, max: REQUEST_HEAD * 8 - 1 }), (bit) => {
    const changed = out.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    using opener = native.aead(METHOD, key, changed.slice(0, SALT_BYTES));
    assert.equal(openRequestHead(opener, changed, SALT_BYTES, 1_700_000_000, plain), "forged");
  }));
});

Deno.test("a response answers its own request only", () => {
  const [salt, request, other] = [1, 2, 3].map((fill) => new Uint8Array(SALT_BYTES).fill(fill)) as [
    Uint8Array<ArrayBuffer>,
    Uint8Array<ArrayBuffer>,
    Uint8Array<ArrayBuffer>,
  ];
  using sealer = native.aead(METHOD, key, salt);
  const out = new Uint8Array(4096);
  sealResponse(sealer, salt, request, new Uint8Array(100), 100, 1_700_000_000, true, out);
  const open = (expected: Uint8Array<ArrayBuffer>, now: number) => {
    using opener = native.aead(METHOD, key, salt);
    return openResponseHead(opener, expected, out, now);
  };
  assert.deepEqual(open(request, 1_700_000_030), { payload: 100, saysEnd: true });
  assert.equal(open(other, 1_700_000_000), "malformed");
  assert.equal(open(request, 1_700_000_031), "time");
});

const newSalt = () => crypto.getRandomValues(new Uint8Array(SALT_BYTES));

/** A directory for salts, and a clock to set. */
function saltsAt(body: (open: () => Salts, directory: string, clock: { ms: number }) => void): void {
  const directory = Deno.makeTempDirSync({ prefix: "otb" });
  const clock = { ms: 1_700_000_000_000 };
  try {
    body(() => new Salts(directory, () => clock.ms), directory, clock);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("a salt is refused for as long as its request would be good, whenever it came, restarts included", () => {
  // 30 s before and after, both clocks in whole seconds.
  const goodMs = 60_999;
  fc.assert(
    fc.property(
      fc.array(fc.record({ afterMs: fc.nat(70_000), restart: fc.boolean() }), {
        minLength: 1,
        maxLength: 12,
      }),
      (steps) =>
        saltsAt((open, _, clock) => {
          let salts = open();
          const seen: { salt: Uint8Array<ArrayBuffer>; ms: number }[] = [];
          for (const { afterMs, restart } of steps) {
            clock.ms += afterMs;
            if (restart) {
              salts.close();
              salts = open();
            }
            for (const { salt, ms } of seen) {
              if (clock.ms - ms <= goodMs) assert.equal(salts.add(salt), false, `${clock.ms - ms} ms later`);
            }
            const salt = newSalt();
            assert.equal(salts.add(salt), true);
            seen.push({ salt, ms: clock.ms });
          }
          salts.close();
        }),
    ),
    { numRuns: 50 },
  );
});

Deno.test("of salts that come all the time, each is refused to the last moment its request would be good", () => {
  saltsAt((open, _, clock) => {
    const salts = open();
    const seen: { salt: Uint8Array<ArrayBuffer>; ms: number }[] = [];
    for (let step = 0; step < 1_000; step++) {
      clock.ms += 199;
      while (seen.length > 0 && clock.ms - seen[0]!.ms > 60_999) seen.shift();
      if (seen.length > 0) {
        assert.equal(salts.add(seen[0]!.salt), false, `${clock.ms - seen[0]!.ms} ms later`);
      }
      const salt = newSalt();
      assert.equal(salts.add(salt), true);
      seen.push({ salt, ms: clock.ms });
    }
    salts.close();
  });
});

Deno.test("old salts are forgotten, so that memory and files stay small", () => {
  saltsAt((open, directory, clock) => {
    const salts = open();
    for (let count = 0; count < 100; count++) salts.add(newSalt());
    clock.ms += 200_000;
    assert.equal(salts.add(newSalt()), true);
    assert.equal(salts.size, 1);
    clock.ms += 70_000;
    salts.add(newSalt());
    assert.equal(salts.size, 2);
    assert.equal(
      Deno.statSync(`${directory}/salts`).size + Deno.statSync(`${directory}/salts.previous`).size,
      128,
    );
    salts.close();
  });
});

Deno.test("a torn record costs none of the others, before it or after it", () => {
  for (const torn of [1, 3, 31]) {
    saltsAt((open, directory) => {
      const [before, after] = [newSalt(), newSalt()];
      let salts = open();
      salts.add(before);
      salts.close();
      Deno.writeFileSync(`${directory}/salts`, new Uint8Array(torn).fill(7), { append: true });
      salts = open();
      assert.equal(salts.add(after), true);
      salts.close();
      salts = open();
      assert.deepEqual([salts.add(before), salts.add(after)], [false, false], `${torn} bytes`);
      salts.close();
    });
  }
});

Deno.test({
  name: "on a full disk salts are refused all the same, and none that was written is lost",
  ignore: Deno.uid() !== 0 || Deno.build.os !== "linux",
  fn() {
    saltsAt((open, directory, clock) => {
      const run = (program: string, ...args: string[]) =>
        assert.ok(new Deno.Command(program, { args }).outputSync().success, program);
      run("mount", "-t", "tmpfs", "-o", "size=8k", "otb", directory);
      try {
        const salts = open();
        const all = Array.from({ length: 400 }, newSalt);
        for (const salt of all) assert.equal(salts.add(salt), true);
        assert.equal(salts.isDurable, false);
        for (const salt of all) assert.equal(salts.add(salt), false);
        clock.ms += 66_000;
        assert.equal(salts.add(newSalt()), true);
        assert.equal(salts.add(all[399]!), false);
        salts.close();
        const again = open();
        assert.equal(again.add(all[0]!), false);
        again.close();
      } finally {
        run("umount", directory);
      }
    });
  },
});

Deno.test("private targets are refused in every dress, public and allowed ones are not", () => {
  const targets = new Targets(["10.20.0.0/16"]);
  targets.setOwn(["198.51.100.11"]);
  const refused = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "198.51.100.11",
    "::1",
    "::",
    "fc00::1",
    "fe80::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:c0a8:101::",
    "::127.0.0.1",
  ];
  assert.deepEqual(refused.filter((host) => targets.allows(encodeAddress({ host, port: 1 }))), []);
  const allowed = [
    "203.0.113.10",
    "8.8.8.8",
    "2001:db8::1",
    "64:ff9b::808:808",
    "10.20.1.1",
    "::ffff:8.8.8.8",
  ];
  assert.deepEqual(allowed.filter((host) => !targets.allows(encodeAddress({ host, port: 1 }))), []);
});

Deno.test("of the peer itself a box may dial one port that is offered, while it is", () => {
  const targets = new Targets([]);
  const at = (host: string, port: number) => targets.allows(encodeAddress({ host, port }));
  assert.equal(at("127.0.0.1", 5335), false);
  targets.setOffered([{ host: "127.0.0.1", port: 5335 }]);
  assert.equal(at("127.0.0.1", 5335), true);
  for (
    const [host, port] of [["127.0.0.1", 22], ["127.0.0.2", 5335], ["::1", 5335], ["10.0.0.1", 5335]] as const
  ) {
    assert.equal(at(host, port), false, `${host} ${port}`);
  }
  targets.setOffered([]);
  assert.equal(at("127.0.0.1", 5335), false);
});

Deno.test("no bytes crash the SOCKS5 dialogue, and it never uses more than it has", () => {
  fc.assert(
    fc.property(
      fc.constantFrom<Stage>("greeting", "login", "request"),
      bytes({ maxLength: 600 }),
      (stage, input) => {
        const next = step(stage, input, { username: "u", password: "p" });
        if ("used" in next) assert.ok(next.used <= input.length);
      },
    ),
  );
});

Deno.test("SOCKS5: what is offered, asked and refused", () => {
  const login = { username: "ann", password: "secret" };
  const text = (value: string) => [value.length, ...new TextEncoder().encode(value)];
  const of = (...values: number[]) => Uint8Array.from(values);
  assert.deepEqual(step("greeting", of(5, 1, 0), undefined), {
    kind: "say",
    used: 3,
    reply: [5, 0],
    stage: "request",
  });
  assert.deepEqual(step("greeting", of(5, 2, 0, 2), login), {
    kind: "say",
    used: 4,
    reply: [5, 2],
    stage: "login",
  });
  assert.deepEqual(step("greeting", of(5, 1, 0), login), { kind: "refuse", reply: [5, 255] });
  assert.deepEqual(step("greeting", of(4, 1), undefined), { kind: "refuse", reply: [] });
  assert.deepEqual(step("greeting", of(5, 1, 0), LINK_LOGIN), {
    kind: "say",
    used: 3,
    reply: [5, 0],
    stage: "request",
  });
  assert.deepEqual(step("greeting", of(5, 1, 2), LINK_LOGIN), {
    kind: "say",
    used: 3,
    reply: [5, 2],
    stage: "login",
  });
  assert.deepEqual(step("login", of(1, ...text("fibre"), ...text("")), LINK_LOGIN), {
    kind: "say",
    used: 8,
    reply: [1, 0],
    stage: "request",
    link: "fibre",
  });
  assert.deepEqual(step("login", of(1, ...text("ann"), ...text("secret")), login), {
    kind: "say",
    used: 12,
    reply: [1, 0],
    stage: "request",
  });
  assert.deepEqual(step("login", of(1, ...text("ann"), ...text("wrong")), login), {
    kind: "refuse",
    reply: [1, 1],
  });
  const udp = step("request", of(5, 3, 0, 1, 1, 2, 3, 4, 0, 80), undefined);
  assert.equal(udp.kind === "refuse" && udp.reply[1], 7);
  const named = step("request", of(5, 1, 0, 3, ...text("otb.example"), 1, 187), undefined);
  assert.deepEqual(named.kind === "connect" && [...named.target], [3, ...text("otb.example"), 1, 187]);
});

Deno.test("the first path is drawn by weight, the others follow as fall-backs", () => {
  const choice = (link: string, weight: number) => ({ link, interface: link, source: "192.0.2.1", weight });
  const choices = [choice("fibre", 0.7), choice("cable", 0.3), choice("lte", 0)];
  const names = (random: number) => order(choices, random).map((path) => path?.link);
  assert.deepEqual(names(0.1), ["fibre", "cable", "lte"]);
  assert.deepEqual(names(0.9), ["cable", "fibre", "lte"]);
  assert.deepEqual(order([], 0.5), [undefined]);
});
