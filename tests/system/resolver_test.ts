// The LAN's DNS: through the bond to the peer's resolver, with a second way, and past a peer that is gone only where that is
// wished. Real dnsmasq on the box, real unbound at the peer, real dnsmasq as the Internet's resolvers.
import { strict as assert } from "node:assert";
import { Lines } from "../lab/programs.ts";
import { links } from "../bench/measure.ts";
import { BYSTANDER_ADDRESS, PEER_ADDRESS, World } from "../worlds/world.ts";

/** Whom the peer's resolver asks, and the public one that is the second way; each answers for everything in `example`. */
const FORWARD_TO = "203.0.113.10", SECOND_WAY = "203.0.113.53";
const BY_PEER = "192.0.2.1", BY_SECOND = "192.0.2.2";
const BOX = "192.168.100.1", DEVICE = "192.168.100.9";
/** The second link, and its modem, which answers names of its operator in a network of that one. */
const LINK = "cable", MODEM = "192.168.12.1", BY_OPERATOR = "10.77.0.1";
/** wan-discovery's `resolvers`: it asks them for one name of its own, and never for a device. */
const PROBED = `1.1.1.1, 8.8.8.8, 9.9.9.9, ${BYSTANDER_ADDRESS}`;

async function output(world: World, role: string, words: string[]): Promise<string> {
  const { stdout, stderr, success } = await world.lab.spawn(role, words, {
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** A box that serves its LAN, a peer with a resolver, and the Internet's resolvers. */
class Names {
  readonly #servers: Deno.ChildProcess[] = [];
  #count = 0;

  private constructor(readonly world: World) {}

  static async up(name: string): Promise<Names> {
    const world = await World.up(`${name}${Deno.pid}`, { links: links("20/10/5", "20/10/10"), devices: 2 }, {
      start: false,
    });
    const names = new Names(world);
    try {
      await output(world, "server", ["ip", "address", "add", `${SECOND_WAY}/32`, "dev", "lo"]);
      await output(world, "inet", ["ip", "route", "add", `${SECOND_WAY}/32`, "via", FORWARD_TO]);
      for (const [address, answer] of [[FORWARD_TO, BY_PEER], [SECOND_WAY, BY_SECOND]] as const) {
        names.#serve("server", address, [
          `--address=/example/${answer}`,
          // Names that lead into the LAN: of somebody who wishes ill, of the owner, and of Plex.
          `--address=/evil.example/${DEVICE}`,
          `--address=/home.example/${DEVICE}`,
          `--address=/plex.direct/${DEVICE}`,
          // More than fits a UDP packet.
          `--txt-record=long.example,${Array(10).fill("x".repeat(200)).join(",")}`,
        ]);
      }
      names.#serve("modem2", MODEM, [
        `--address=/operator.test/${BY_OPERATOR}`,
        `--address=/evil.operator.test/${DEVICE}`,
      ]);
      // Everything that looks like DNS on its way through a modem, but what wan-discovery tries links with.
      for (const modem of ["modem1", "modem2"]) {
        await output(world, modem, [
          "nft",
          `table inet watch { chain in { type filter hook prerouting priority -400;
            ip daddr != { ${PROBED} } meta l4proto { tcp, udp } th dport { 53, 853 } counter
            ip saddr != { ${PROBED} } meta l4proto { tcp, udp } th sport { 53, 853 } counter
          }
          }`,
        ]);
      }
      const { box, cloud } = world;
      await cloud.otb(["config", "set", `resolver.forwardTo=["${FORWARD_TO}"]`, "resolver.validate=false"]);
      await box.otb([
        "config",
        "set",
        `resolver.secondWay=["${SECOND_WAY}"]`,
        'resolver.localDomains=["plex.direct","home.example"]',
        // By addresses, so that what links are tried with needs no names of modems.
        'wan-discovery.portalPage="http://203.0.113.10/"',
        'wan-discovery.stunServers=["203.0.113.10:3478"]',
        'dhcp-takeover.mode="on"',
        "dhcp-takeover.silenceSeconds=2",
        "--yes",
      ]);
      await Promise.all([cloud.up(), box.up()]);
      await names.until(BY_PEER);
    } catch (error) {
      await names[Symbol.asyncDispose]();
      throw error;
    }
    return names;
  }

  #serve(role: string, address: string, answers: string[]): void {
    this.#servers.push(this.world.lab.spawn(role, [
      "dnsmasq",
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--pid-file=",
      "--user=root",
      "--no-resolv",
      "--no-hosts",
      "--bind-interfaces",
      `--listen-address=${address}`,
      "--except-interface=nothing",
      ...answers,
      "--local-ttl=300",
    ], { stdin: "null", stdout: "null", stderr: "null" }));
  }

  /** A name that nobody has asked for. */
  fresh(): string {
    return `n${this.#count++}.example`;
  }

  /** What a device gets for a name from its router, or the box from its resolver, and after how many milliseconds. */
  async ask(
    name = this.fresh(),
    from: "device1" | "device2" | "box" = "device1",
  ): Promise<{ answer: string; ms: number }> {
    // From the box itself, past dnsmasq and whatever keeps devices from asking.
    const [role, ipAddr, port] = from === "box" ? ["box", "127.0.0.1", 5335] : [from, BOX, 53];
    const code = `const startMs = performance.now();
      const nameServer = { ipAddr: "${ipAddr}", port: ${port} };
      const signal = AbortSignal.timeout(8000);
      const answer = await Deno.resolveDns("${name}.", "A", { nameServer, signal })
        .then((found) => found[0], (error) => "none: " + error.message);
      console.log(JSON.stringify({ answer, ms: performance.now() - startMs }));`;
    return JSON.parse(await output(this.world, role as string, [Deno.execPath(), "eval", code]));
  }

  /** Bytes of the text of a name whose answer fits no UDP packet: it goes by TCP all the way. */
  async textBytes(name: string): Promise<number> {
    const code = `const nameServer = { ipAddr: "${BOX}", port: 53 };
      const [texts] = await Deno.resolveDns("${name}.", "TXT", { nameServer, signal: AbortSignal.timeout(8000) });
      console.log(texts.join("").length);`;
    return Number(await output(this.world, "device1", [Deno.execPath(), "eval", code]));
  }

  /** Asks for new names until one is answered so; bounded. */
  async until(answer: string, boundMs = 60_000, ask = () => this.ask()): Promise<void> {
    const endMs = performance.now() + boundMs;
    for (;;) {
      const got = await ask();
      if (got.answer === answer) return;
      assert.ok(performance.now() < endMs, `never ${answer}, last ${JSON.stringify(got)}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** Fails unless names of the Internet lead nowhere in the LAN, however they are asked, and the LAN's own do. */
  async noRebinding(): Promise<void> {
    for (const from of ["device1", "box"] as const) {
      assert.match((await this.ask(`${this.#count++}.evil.example`, from)).answer, /^none/, from);
    }
    for (const domain of ["plex.direct", "home.example"]) {
      assert.equal((await this.ask(`n${this.#count++}.${domain}`)).answer, DEVICE, domain);
    }
    assert.equal((await this.ask("otb.local")).answer, BOX);
  }

  /**
   * Fails unless a device that is pinned to a link finds what its operator alone knows, and everybody's names, and nobody else does;
   * with the kill-switch it does not either.
   */
  async operatorsNames(): Promise<void> {
    const { world: { box } } = this;
    const mac = (await output(this.world, "device2", ["cat", "/sys/class/net/eth0/address"])).trim();
    const pinned = async (name: string) => (await this.ask(name, "device2")).answer;
    const name = () => `n${this.#count++}.operator.test`;
    assert.match(await pinned(name()), /^none/, "before it is pinned");
    const rules = [{ name: "tv", match: { device: mac }, way: "link", link: LINK }];
    await box.otb(["config", "set", `device-pinning.rules=${JSON.stringify(rules)}`, "--yes"]);
    await this.until(BY_OPERATOR, 30_000, () => this.ask(name(), "device2"));
    assert.match((await this.ask(name())).answer, /^none/, "another device's questions stay");
    assert.equal(await pinned("otb.local"), BOX);
    assert.equal(await pinned(this.fresh()), BY_PEER, "what the operator does not know");
    assert.match(await pinned(`n${this.#count++}.evil.operator.test`), /^none/, "it leads into the LAN");
    for (const  of of[mac, `${mac} -> ${BOX}:53/udp`]) {
      const { sentences } = await box.otb(["why", of]) as { sentences: string[] };
      assert.match(sentences.join(" "), new RegExp(`own resolver \\(${MODEM}\\) over that link, in clear`));
    }
    await box.otb(["config", "set", 'device-pinning.whenPeerGone="block"', "--yes"]);
    await this.until(BY_PEER, 30_000, () => this.ask(undefined, "device2"));
    const before = await this.onLinks();
    assert.match(await pinned(name()), /^none/, "in spite of the kill-switch");
    assert.equal(await this.onLinks(), before);
  }

  /** Packets of DNS that the modems have seen. */
  async onLinks(): Promise<number> {
    let sum = 0;
    for (const modem of ["modem1", "modem2"]) {
      const text = await output(this.world, modem, ["nft", "list", "table", "inet", "watch"]);
      const counts = [...text.matchAll(/packets (\d+)/g)];
      assert.equal(counts.length, 2, text);
      for (const [, count] of counts) sum += Number(count);
    }
    return sum;
  }

  /** Sends a signal to the peer's unbound. */
  async signal(signal: Deno.Signal): Promise<void> {
    const pids =
      (await output(this.world, "site1", ["ip", "netns", "pids", this.world.lab.namespace("site1")]))
        .split(/\s+/).filter(Boolean).map(Number);
    const unbound = pids.filter((pid) => {
      try {
        return Deno.readTextFileSync(`/proc/${pid}/comm`).trim() === "unbound";
      } catch {
        return false;
      }
    });
    assert.equal(unbound.length, 1, `${unbound.length} unbound run at the peer`);
    Deno.kill(unbound[0]!, signal);
  }

  /** Kills a plugin of the box while a device asks; resolves once it is ready again, with what became of the questions. */
  async asked(
    plugin: string,
    words: string[],
  ): Promise<{ asked: number; lost: number[]; longestMs: number }> {
    const { box, lab } = this.world;
    const asker = new Lines(lab, "device1", ["tests/lab/dns_asker.ts", BOX, ...words]);
    try {
      await asker.next(({ asking }) => asking === true);
      await new Promise((resolve) => setTimeout(resolve, 500));
      const pid = (await box.status()).plugins.find(({ name }) => name === plugin)!.pid!;
      Deno.kill(pid, "SIGKILL");
      await box.until(({ plugins }) =>
        plugins.some((one) =>
          one.name === plugin && one.state === "ready" && one.pid !== undefined && one.pid !== pid
        )
      );
      // What a new run decides comes a while after it is ready.
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      const told = asker.next<{ asked: number; lost: number[]; longestMs: number }>((line) =>
        "asked" in line
      );
      await asker.write("enough");
      const report = await told;
      console.log(`${plugin} killed: ${JSON.stringify(report)}`);
      return report;
    } finally {
      await asker.stop();
    }
  }

  async cutPeer(cut: boolean): Promise<void> {
    await output(this.world, "inet", [
      "nft",
      cut
        ? `table ip cut { chain f { type filter hook forward priority 0; ip daddr ${PEER_ADDRESS} drop; ip saddr ${PEER_ADDRESS} drop; }; }`
        : "delete table ip cut",
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.kill("SIGKILL");
      await server.status;
    }
    await this.world.close();
  }
}

Deno.test("names are found through the bond and lead nowhere in the LAN, over a cut link, past a hung or killed resolver and a killed plugin; no DNS on any link but of who is pinned to it", async () => {
  await using names = await Names.up("dns");
  const { world } = names;
  const first = await names.ask();
  assert.equal(first.answer, BY_PEER);
  console.log(`a name that nobody knows: ${Math.round(first.ms)} ms`);

  assert.equal(await names.textBytes("long.example"), 2_000);
  await names.noRebinding();

  // One link after the other, each before the other has long been back.
  for (const link of ["fibre", "cable", "fibre", "cable"]) {
    await world.lab.cut(link);
    for (let count = 0; count < 4; count++) {
      const { answer, ms } = await names.ask();
      assert.match(answer, /^192\.0\.2\.[12]$/, `${link} cut, question ${count}`);
      console.log(`with ${link} cut: ${Math.round(ms)} ms`);
    }
    await world.lab.restore(link);
    await names.until(BY_PEER);
  }

  await names.signal("SIGSTOP");
  const hung = await names.ask();
  console.log(`with the peer's resolver hung: ${Math.round(hung.ms)} ms`);
  assert.deepEqual([hung.answer, hung.ms < 2_000], [BY_SECOND, true], JSON.stringify(hung));
  await names.ask();
  await names.noRebinding();
  await world.box.until(({ health }) => health.some(({ code }) => code === "resolver-second-way"));
  await names.signal("SIGCONT");
  await names.until(BY_PEER);

  await names.signal("SIGKILL");
  const killed = await names.ask();
  console.log(`with the peer's resolver killed: ${Math.round(killed.ms)} ms`);
  assert.ok(/^192\.0\.2\.[12]$/.test(killed.answer) && killed.ms < 2_000, JSON.stringify(killed));
  await names.until(BY_PEER);
  await names.ask();
  await world.box.until(({ health }) => !health.some(({ code }) => code.startsWith("resolver-")));
  // dnsmasq outlives the plugin that wants it: no question notices, whether it is known or not.
  for (const words of [["10", "known.example"], ["100", "example", "fresh"]]) {
    const { asked, lost } = await names.asked("dhcp-takeover", words);
    assert.ok(asked > 40, `${asked}`);
    assert.deepEqual(lost, []);
  }
  // What answers dnsmasq is away for a moment: its questions wait, those of devices are not lost.
  const { lost, longestMs } = await names.asked("resolver", ["100", "example", "fresh"]);
  assert.deepEqual(lost, []);
  assert.ok(longestMs < 5_000, `${longestMs} ms`);

  assert.equal(await names.onLinks(), 0, "DNS was seen on a link");
  await names.operatorsNames();
});

Deno.test("the peer is gone: cached names go on, others are asked past it where that is wished, and never with the kill-switch", async () => {
  await using names = await Names.up("dnsgone");
  const { world } = names;
  const known = names.fresh();
  assert.equal((await names.ask(known)).answer, BY_PEER);
  await names.cutPeer(true);
  const cached = await names.ask(known);
  assert.equal(cached.answer, BY_PEER);
  assert.ok(cached.ms < 1_000, `from the cache after ${cached.ms} ms`);
  const startMs = performance.now();
  await names.until(BY_SECOND, 30_000);
  console.log(`asked directly after ${Math.round(performance.now() - startMs)} ms`);
  await names.noRebinding();
  const before = await names.onLinks();
  assert.ok(before > 0, "the counters count nothing");

  await world.box.otb(["config", "set", 'device-pinning.whenPeerGone="block"', "--yes"]);
  // What was under way ends.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const blocked = await names.onLinks();
  assert.match((await names.ask()).answer, /^none/);
  for (let count = 0; count < 3; count++) assert.match((await names.ask(undefined, "box")).answer, /^none/);
  assert.equal(await names.onLinks(), blocked, "DNS left in spite of the kill-switch");
  await names.cutPeer(false);
  await names.until(BY_PEER, 30_000);
});
