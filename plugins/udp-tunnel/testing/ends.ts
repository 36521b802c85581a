// For tests only: a peer and boxes in network namespaces, on the real kernel, with a core that only remembers what it is told.
import { createCipheriv } from "node:crypto";
import { encodeAddress, Errno, type Native, openNative, type Tun } from "../../../core/native/ffi.ts";
import { Namespace } from "../../../core/native/testing/namespace.ts";
import { independentInitiator } from "../../../core/native/testing/noise.ts";
import {
  type BoxKey,
  type Context,
  type HealthCondition,
  type Json,
  type Network,
  OtbError,
  type Resource,
  type Role,
  type Status,
  TUNNEL_PATH,
  type TunnelFact,
  type TunnelPathFact,
} from "@otb/plugin";
import { BoxTunnel } from "../ends/box.ts";
import { CloudTunnel } from "../ends/cloud.ts";
import { type Config, config } from "../config.ts";
import { Prover } from "../handshake/cookies.ts";
import { encodeHello, PROOF_AT } from "../handshake/greeting.ts";
import { Identity } from "../handshake/identity.ts";
import { COOKIE, DATA, INITIATION, PROLOGUE, RESPONSE } from "../wire.ts";
import { PluginFacts } from "../../../core/contract/plugin_facts.ts";
import manifest from "../deno.json" with { type: "json" };

type Bytes = Uint8Array<ArrayBuffer>;

const native = openNative();
export const PORT = 8443;
export const base64 = (bytes: Bytes) => btoa(String.fromCharCode(...bytes));

/**
 * The library with a device that carries nothing. A real one is looked for by name where the thread is at the moment, and both ends live
 * on this one; device_test has the real one.
 */
const withoutDevice: Native = Object.assign(openNative(), {
  tun(): Tun {
    const fd = native.udpOpen({ host: "127.0.0.1", port: 0 });
    return {
      fd,
      isThere: true,
      receive: () => -Errno.EAGAIN,
      send: (_bytes: Bytes, _spans: Uint32Array, count: number) => count,
      close: () => native.close(fd),
    } as unknown as Tun;
  },
});

/** A view that tests set. */
class Settable<T> {
  readonly #followers = new Set<(value: T) => void>();
  constructor(public current: T) {}

  subscribe = (follow: (value: T) => void) => {
    this.#followers.add(follow);
    return () => this.#followers.delete(follow);
  };

  set(value: T): void {
    this.current = value;
    for (const follow of this.#followers) follow(value);
  }
}

/** What the core is to a plugin. */
class Core {
  readonly secrets: { [name: string]: string };
  readonly stored = new Map<string, Json>();
  /** What the plugin tells, by id. */
  readonly facts = new Map<string, unknown>();
  readonly conditions = new Map<string, HealthCondition>();
  status: Status = {};
  /** What is wanted of the kernel. */
  claimed: Resource[] = [];
  readonly #facts = new PluginFacts({
    ...{ name: "udp-tunnel", ...manifest.otb },
    send: (id, value) => void (value === null ? this.facts.delete(id) : this.facts.set(id, value)),
  });
  readonly #releases: (() => void | Promise<void>)[] = [];
  readonly #stop = new AbortController();

  constructor(secrets: { [name: string]: string }) {
    this.secrets = secrets;
  }

  /** A fact of another plugin or of the core. */
  tell(id: string, value: Json): void {
    this.#facts.take(id, value);
  }

  context(role: Role, network: Network, links: object[]): Context<Config> {
    const settings = config.parse({}) as Config;
    return {
      name: "udp-tunnel",
      role,
      config: settings,
      signal: this.#stop.signal,
      log: { debug() {}, info() {}, warn() {}, error() {} },
      clock: { now: () => Date.now(), monotonicMs: () => performance.now() },
      store: {
        get: (key: string) => Promise.resolve(this.stored.get(key)),
        set: (key: string, value: Json) => Promise.resolve(void this.stored.set(key, value)),
        keep: (key: string, value: Json) => Promise.resolve(void this.stored.set(key, value)),
        delete: (key: string) => Promise.resolve(void this.stored.delete(key)),
      },
      facts: this.#facts,
      links: new Settable(links),
      network: new Settable(network),
      directory: "/nonexistent",
      secret: (name: string) => {
        const value = this.secrets[name];
        if (value === undefined) throw new OtbError("secret-missing", `no ${name}`);
        return value;
      },
      defer: (release: () => void | Promise<void>) => void this.#releases.push(release),
      claim: (_: string, resources: Resource[]) => Promise.resolve(void (this.claimed = resources)),
      publishStatus: (status: Status) => void (this.status = status),
      health: {
        raise: (condition: HealthCondition) => void this.conditions.set(condition.code, condition),
        clear: (code: string) => void this.conditions.delete(code),
      },
    } as unknown as Context<Config>;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    for (const release of this.#releases.reverse()) await release();
  }
}

/** A peer that reads its boxes from the secret of that name. */
export class PeerEnd {
  readonly core: Core;
  readonly tunnel: CloudTunnel;
  #revision = 0;

  private constructor(boxes: BoxKey[], readonly keys = native.noiseKeyPair()) {
    this.core = new Core({ "tunnel-key": base64(this.keys.privateKey), boxes: JSON.stringify(boxes) });
    const self = { name: "cloud", address: "203.0.113.1", port: PORT };
    this.tunnel = new CloudTunnel(
      this.core.context("cloud", { role: "cloud", peers: [self] }, []),
      withoutDevice,
    );
  }

  static async start(space: Namespace, boxes: BoxKey[], keys?: PeerEnd["keys"]): Promise<PeerEnd> {
    const end = new PeerEnd(boxes, keys);
    await space.during(() => end.tunnel.start());
    return end;
  }

  /** The core takes other boxes. */
  belong(boxes: BoxKey[]): void {
    this.core.secrets.boxes = JSON.stringify(boxes);
    this.core.tell("boxes", { revision: `${++this.#revision}`, names: boxes.map(({ name }) => name) });
  }

  get paths(): TunnelPathFact[] {
    const facts = [...this.core.facts].filter(([id]) => id.startsWith(`${TUNNEL_PATH.key}/`));
    return facts.map(([, fact]) => fact as TunnelPathFact);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.core.stop();
  }
}

/** A box with one link. */
export class BoxEnd {
  readonly core: Core;
  readonly tunnel: BoxTunnel;

  private constructor(address: string, source: string, psk: Bytes, peerKey: Bytes) {
    this.core = new Core({ "tunnel-key": base64(native.noiseKeyPair().privateKey), psk: base64(psk) });
    const peer = { name: "cloud", address, port: PORT, tunnelKey: base64(peerKey) };
    const link = {
      name: "wan1",
      interface: "otbwire",
      found: false,
      tier: "primary",
      observed: { state: "up" },
    };
    const network: Network = { role: "box", peers: [peer] };
    this.tunnel = new BoxTunnel(this.core.context("box", network, [link]), withoutDevice);
    this.core.tell("link-way/wan1", { link: "wan1", interface: "otbwire", source, table: 1, mark: 256 });
  }

  static async start(
    space: Namespace,
    { address, source, psk, peerKey }: { address: string; source: string; psk: Bytes; peerKey: Bytes },
  ): Promise<BoxEnd> {
    const end = new BoxEnd(address, source, psk, peerKey);
    await space.during(() => end.tunnel.start());
    return end;
  }

  get fact(): TunnelFact | undefined {
    return this.core.facts.get("tunnel") as TunnelFact | undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.core.stop();
  }
}

/** A box made by hand, without the library's handshake and sealing: it may say anything. */
export class HandMade {
  readonly fd: number;
  readonly #own = native.noiseKeyPair().privateKey;
  readonly #identity: Identity;
  readonly #prover: Prover;
  readonly #to: Bytes;
  #counter = 1n;
  #keys: { key: Bytes; index: number } | undefined;

  constructor(space: Namespace, address: string, psk: Bytes, private readonly peerKey: Bytes) {
    this.#identity = new Identity(native, psk);
    this.#prover = new Prover(native, peerKey);
    this.#to = encodeAddress({ host: address, port: PORT });
    this.fd = space.inside(() => native.udpOpen({ host: "0.0.0.0", port: 0 }));
  }

  /** Asks until it is answered. @returns the question that was */
  async handshake(): Promise<Bytes> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const noise = independentInitiator(this.#own, this.peerKey, this.#identity.psk, PROLOGUE);
      const question = new Uint8Array(200);
      question[0] = INITIATION;
      const sessionId = new Uint8Array(8).fill(5);
      const hello = encodeHello({ sessionId, counter: this.#counter++, boxId: this.#identity.id });
      const own = native.noisePublicKey(this.#own);
      hello.set(
        this.#identity.proof(question.slice(0, 8), noise.ephemeralKey, own, hello),
        PROOF_AT,
      );
      question.set(noise.first(hello), 8);
      this.#prover.prove(question, 0);
      this.send(question);
      const answer = await this.receive();
      if (answer[0] === COOKIE) {
        this.#prover.take(answer, 0);
        continue;
      }
      if (answer[0] !== RESPONSE) throw new Error(`the answer is of type ${answer[0]}`);
      noise.second(answer.slice(12));
      this.#keys = { key: noise.split()[0], index: new DataView(answer.buffer).getUint32(4, true) };
      return question;
    }
    throw new Error("there was no answer");
  }

  /** Sends padding under the number `counter`, from another socket if one is given. */
  data(path: number, counter: bigint, fd = this.fd): void {
    const head = new Uint8Array(16), nonce = new Uint8Array(12), plain = new Uint8Array(20);
    const view = new DataView(head.buffer);
    head[0] = DATA;
    head[1] = nonce[0] = path;
    view.setUint32(4, this.#keys!.index, true);
    view.setBigUint64(8, counter, true);
    nonce.set(head.subarray(8), 4);
    plain[14] = 4;
    const cipher = createCipheriv("aes-256-gcm", this.#keys!.key, nonce).setAAD(head);
    const packet = new Uint8Array(
      Buffer.concat([head, cipher.update(plain), cipher.final(), cipher.getAuthTag()]),
    );
    this.send(packet, fd);
  }

  send(bytes: Bytes, fd = this.fd): void {
    native.udpSend(fd, this.#to, bytes, 0, bytes.length, 0);
  }

  /** The next datagram. */
  async receive(): Promise<Bytes> {
    const buffer = new Uint8Array(2_048), meta = new Uint8Array(32);
    for (let round = 0; round < 250; round++) {
      if (native.udpReceive(this.fd, buffer, meta) === 1) {
        return buffer.slice(0, new DataView(meta.buffer).getUint32(4, true));
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error("nothing came within five seconds");
  }

  [Symbol.dispose](): void {
    native.close(this.fd);
  }
}

/** A home and a cloud, joined by a wire; what comes to the home unasked is dropped, as NAT does. */
export function twoPlaces(): { home: Namespace; cloud: Namespace } & Disposable {
  const home = new Namespace(), cloud = new Namespace();
  for (const space of [home, cloud]) space.sysctl("ipv6.conf.default.accept_dad", "0");
  home.link(cloud, "otbwire", "10.9.0.1/24", "10.9.0.2/24");
  home.ip("addr add 2001:db8:1::1/64 dev otbwire nodad");
  cloud.ip("addr add 2001:db8:1::2/64 dev otbwire nodad");
  home.ip("route add default via 10.9.0.2");
  home.ip("route add default via 2001:db8:1::2");
  home.nft(`table inet home {
    chain input {
      type filter hook input priority 0
      meta l4proto udp ct state != { established, related } drop
    }
  }`);
  return {
    home,
    cloud,
    [Symbol.dispose]() {
      home[Symbol.dispose]();
      cloud[Symbol.dispose]();
    },
  };
}
