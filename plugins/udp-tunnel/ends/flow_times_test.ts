// How long both ends remember a silent UDP flow, in a real kernel: what the claims of box and peer make of flows that pass.
import { strict as assert } from "node:assert";
import { encodeAddress, openNative } from "../../../core/native/ffi.ts";
import { Namespace } from "../../../core/native/testing/namespace.ts";
import type { Resource } from "@otb/plugin";
import { FakeContext } from "@otb/plugin/testing";
import { boxClaims, cloudClaims, DEVICE } from "./claims.ts";
import { config } from "../config.ts";
import { boxFlows, lanFlows, rememberFlows } from "./flow_times.ts";
import { words } from "../texts/mod.ts";

const ignore = Deno.uid() !== 0 || Deno.build.os !== "linux";
const PHONE = 5_060, NAMES = 53;

/** One end's kernel between who opens flows and who answers them. */
class End implements Disposable {
  readonly native = openNative();
  readonly near = new Namespace();
  readonly end = new Namespace();
  readonly far = new Namespace();
  readonly #open: number[] = [];

  constructor(claims: Resource[], devices: { in: string; out: string }) {
    const { near, end, far } = this;
    for (const [space, device, net] of [[near, devices.in, 1], [far, devices.out, 2]] as const) {
      end.link(space, device, `203.0.113.${net * 16 + 1}/28`, `203.0.113.${net * 16 + 2}/28`);
      for (const [one, host] of [[end, 1], [space, 2]] as const) {
        one.ip(`-6 addr add 2001:db8:${net}::${host}/64 dev ${device} nodad`);
      }
      space.ip(`route add default via 203.0.113.${net * 16 + 1}`);
      space.ip(`-6 route add default via 2001:db8:${net}::1`);
    }
    end.sysctl("ipv4.ip_forward", "1");
    end.sysctl("ipv6.conf.all.forwarding", "1");
    for (const claim of claims) {
      if (claim.kind === "nftTable") end.nft(`table ${claim.family} ${claim.name} {\n${claim.body}\n}`);
    }
  }

  #socket(space: Namespace, host: string, port: number): number {
    const fd = space.inside(() => this.native.udpOpen({ host, port }));
    this.#open.push(fd);
    return fd;
  }

  #say(fd: number, host: string, port: number): void {
    this.native.udpSend(fd, encodeAddress({ host, port }), new Uint8Array(1), 0, 1, 0);
  }

  /** Opens flows to a port, from these ports, and has each answered where that is wished. */
  flows(family: 4 | 6, to: number, from: number[], isAnswered: boolean): void {
    const [near, far, seenAs] = family === 4
      ? ["203.0.113.18", "203.0.113.34", undefined]
      : ["2001:db8:1::2", "2001:db8:2::2", "2001:db8:1::2"];
    const answering = isAnswered ? this.#socket(this.far, far!, to) : undefined;
    for (const port of from) {
      this.#say(this.#socket(this.near, near!, port), far!, to);
      // Translated to the end's own address, with its port, where the claims have it so.
      if (answering === undefined) continue;
      for (const host of seenAs ? [seenAs] : ["203.0.113.18", "203.0.113.33"]) {
        this.#say(answering, host, port);
      }
    }
  }

  /** Seconds that each flow to a port is remembered for, by its own port. */
  async remembered(family: 4 | 6, to: number): Promise<Map<number, number>> {
    const { stdout } = await new Deno.Command("ip", {
      args: [
        ...["netns", "exec", this.end.name, "conntrack", "-L", "-f", `ipv${family}`, "-p", "udp"],
        ...["--orig-port-dst", String(to)],
      ],
      stderr: "null",
    }).output();
    const lines = [...new TextDecoder().decode(stdout).matchAll(/^udp +17 (\d+) .*? sport=(\d+) /gm)];
    return new Map(lines.map(([, seconds, port]) => [Number(port), Number(seconds)]));
  }

  /** The same, once as many are there; the first packets wait for a neighbour's address. */
  async settled(family: 4 | 6, to: number, count: number): Promise<number[]> {
    let found = new Map<number, number>();
    for (let round = 0; round < 100 && found.size < count; round++) {
      found = await this.remembered(family, to);
      if (found.size < count) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(found.size, count);
    return [...found.values()];
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open) this.native.close(fd);
    for (const space of [this.near, this.end, this.far]) space[Symbol.dispose]();
  }
}

const ends = {
  box: () =>
    new End([
      ...lanFlows("lan0"),
      ...boxClaims({ lan: "lan0", address: "203.0.113.33", mtu: 1400, isUp: true }),
    ], {
      in: "lan0",
      out: DEVICE,
    }),
  peer: () =>
    new End(
      [
        ...boxFlows(DEVICE),
        ...cloudClaims({
          ...{ pool: "203.0.113.16/28", gateway: "203.0.113.17" },
          ...{ targets: [], uplinks6: [], boxes: [] },
        }),
      ],
      { in: DEVICE, out: "out0" },
    ),
};
/** How many flows of one owner are remembered for long. */
const SHARE = { box: 1_024, peer: 4_096 };
const range = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index);

for (const name of ["box", "peer"] as const) {
  Deno.test({
    name:
      `at the ${name} a UDP flow is remembered over five minutes of silence, a question for less, and so what is beyond an owner's share`,
    ignore,
    async fn() {
      using end = ends[name]();
      for (const family of [4, 6] as const) {
        end.flows(family, PHONE, [40_000, 40_001], false);
        end.flows(family, PHONE + 1, [40_002], true);
        end.flows(family, NAMES, [40_003], false);
        const asked = await end.settled(family, PHONE, 2);
        assert.ok(asked.every((seconds) => seconds > 290), `IPv${family}, not answered: ${asked}`);
        const [answered] = await end.settled(family, PHONE + 1, 1);
        assert.ok(answered! > 290, `IPv${family}, answered: ${answered}`);
        const [question] = await end.settled(family, NAMES, 1);
        assert.ok(question! <= 30, `IPv${family}, a question: ${question}`);
      }
      const share = SHARE[name];
      end.flows(4, PHONE + 2, range(1_024, share + 100), false);
      const all = await end.settled(4, PHONE + 2, share + 100);
      const brief = all.filter((seconds) => seconds <= 30).length;
      assert.ok(brief >= 100 && brief < 120, `${brief} of ${all.length} are remembered briefly`);
    },
  });
}

Deno.test("a kernel that cannot remember flows for so long is told of, and is no reason to go without a tunnel", async () => {
  const ctx = new FakeContext({ config, words });
  ctx.onClaim = () => Promise.reject(new Error("Operation not supported"));
  await rememberFlows(ctx, lanFlows("lan0"));
  const [condition, ...others] = ctx.conditions.values();
  assert.deepEqual(others, []);
  assert.match(condition!.message, /Operation not supported/);
  ctx.onClaim = undefined;
  await rememberFlows(ctx, lanFlows("lan0"));
  assert.deepEqual([...ctx.conditions], []);
  assert.equal(ctx.claims.size, 1);
  assert.deepEqual(lanFlows(undefined), []);
});
