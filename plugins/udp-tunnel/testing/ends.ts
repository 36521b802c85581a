// For tests only: a peer and boxes in network namespaces, on the real kernel, with a core that only remembers what it is told.
import { createCipheriv } from "node:crypto";
import { encodeAddress, Errno, type Native, openNative, type Tun } from "../../../core/native/ffi.ts";
import { Namespace } from "../../../core/native/testing/namespace.ts";
import { independentInitiator } from "../../../core/native/testing/noise.ts";
import {
  BOXES,
  type BoxKey,
  type Link,
  LINK_WAY,
  type Network,
  type Role,
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
import { FakeContext } from "@otb/plugin/testing";
import deno from "../deno.json" with { type: "json" };
import { words } from "../texts/mod.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const native = openNative();
const { otb: manifest } = deno;
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

/** The core of one end, which runs by the real clock, as its sockets do. */
function core(
  role: Role,
  secrets: { [name: string]: string },
  network: Partial<Network>,
  links: Link[] = [],
) {
  return new FakeContext({ config, words }, { manifest, role, secrets, network, links, isRunning: true });
}

/** A peer that reads its boxes from the secret of that name. */
export class PeerEnd {
  readonly core: FakeContext<Config>;
  readonly tunnel: CloudTunnel;
  #revision = 0;

  private constructor(boxes: BoxKey[], readonly keys = native.noiseKeyPair()) {
    const secrets = { "tunnel-key": base64(this.keys.privateKey), boxes: JSON.stringify(boxes) };
    this.core = core("cloud", secrets, { peers: [{ name: "cloud", address: "203.0.113.1", port: PORT }] });
    this.tunnel = new CloudTunnel(this.core, withoutDevice);
  }

  static async start(space: Namespace, boxes: BoxKey[], keys?: PeerEnd["keys"]): Promise<PeerEnd> {
    const end = new PeerEnd(boxes, keys);
    await space.during(() => end.tunnel.start());
    return end;
  }

  /** The core takes other boxes. */
  belong(boxes: BoxKey[]): void {
    this.core.secrets.boxes = JSON.stringify(boxes);
    this.core.tell(BOXES, { revision: `${++this.#revision}`, names: boxes.map(({ name }) => name) });
  }

  get paths(): TunnelPathFact[] {
    const facts = [...this.core.published].filter(([id]) => id.startsWith(`${TUNNEL_PATH.key}/`));
    return facts.map(([, fact]) => fact as unknown as TunnelPathFact);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.core.stop();
  }
}

/** A box with one link. */
export class BoxEnd {
  readonly core: FakeContext<Config>;
  readonly tunnel: BoxTunnel;

  private constructor(address: string, source: string, psk: Bytes, peerKey: Bytes) {
    const secrets = { "tunnel-key": base64(native.noiseKeyPair().privateKey), psk: base64(psk) };
    const peer = { name: "cloud", address, port: PORT, tunnelKey: base64(peerKey) };
    const link: Link = {
      name: "wan1",
      interface: "otbwire",
      found: false,
      tier: "primary",
      observed: { state: "up" },
    };
    this.core = core("box", secrets, { peers: [peer] }, [link]);
    this.tunnel = new BoxTunnel(this.core, withoutDevice);
    this.core.tell(LINK_WAY, "wan1", { link: "wan1", interface: "otbwire", source, table: 1, mark: 256 });
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
    return this.core.published.get("tunnel") as TunnelFact | undefined;
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
