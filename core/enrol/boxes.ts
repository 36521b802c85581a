// The boxes that belong to this peer: each has a name and a key of its own, and joins by a code that holds that key.
import { createHash } from "node:crypto";
import type { BoxReport } from "../client/types.ts";
import type { Secrets } from "../config/secrets.ts";
import {
  type BoxesFact,
  type BoxKey,
  type Network,
  OtbError,
  readBoxes,
  type Status,
} from "../contract/mod.ts";
import { encodeJoinCode } from "./join_code.ts";
import { ensureTunnelKey } from "./tunnel_key.ts";

/** Secrets of a peer: all its boxes, what every box knows of it besides, and the one key of before there were boxes. */
const BOXES = "boxes", PEER_KEY = "peer-key", FORMER_KEY = "psk";
const NAME = /^[a-z0-9][a-z0-9-]{0,30}$/;
/** The tunnel has no addresses for more. */
const MOST_BOXES = 250;

/** The boxes in the secrets of one state directory; every change is on disk when a method returns. */
export class Boxes {
  /** @param onChange told after every change */
  constructor(
    private readonly secrets: Secrets,
    private readonly network: () => Pick<Network, "role" | "peers">,
    private readonly onChange: () => void = () => {},
  ) {}

  /** @throws OtbError `not-a-cloud`, `secret-missing`, `secret-exposed` */
  all(): BoxKey[] {
    const { role } = this.network();
    if (role !== "cloud") {
      throw new OtbError(
        "not-a-cloud",
        `Cannot look for boxes as only a peer has them: current value is a ${role}`,
        "Run it on the peer.",
      );
    }
    return readBoxes((name) => {
      const value = this.secrets.get(name);
      if (value !== undefined) return value;
      throw new OtbError(
        "secret-missing",
        `Cannot use a secret as nobody set it: current value is "${name}"`,
      );
    });
  }

  /** What plugins are told, so that they read the keys again. */
  fact(): BoxesFact {
    const all = this.all();
    const revision = createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 16);
    return { revision, names: all.map(({ name }) => name) };
  }

  /** Makes a key for one more box; answers with its join code. @throws OtbError `box-name-invalid`, `box-exists`, `box-too-many` */
  add(name: string): string {
    const all = this.all();
    requireFree(name, all);
    if (all.length >= MOST_BOXES) {
      throw new OtbError(
        "box-too-many",
        `Cannot add a box as a peer has ${MOST_BOXES} at most: current value is "${all.length}"`,
        "otb peer box revoke NAME",
      );
    }
    if (this.secrets.get(PEER_KEY) === undefined) this.secrets.set(PEER_KEY, randomKey());
    this.#store([...all, { name, key: randomKey(), addedAtMs: Date.now() }]);
    return this.code(name);
  }

  /** The join code of one box; without a name that of the only one. @throws OtbError `box-unknown`, `box-ambiguous`, `box-key-former` */
  code(name?: string): string {
    const all = this.all();
    const own = all.filter(({ former }) => !former);
    if (name === undefined && own.length > 1) {
      throw new OtbError(
        "box-ambiguous",
        `Cannot print a join code as it must be said for which box: current value is one of ${
          own.map((box) => box.name).join(", ")
        }`,
        `otb peer box code ${own[0]!.name}`,
      );
    }
    const box = name === undefined ? own[0] ?? all[0] : find(name, all);
    const peerKey = this.secrets.get(PEER_KEY);
    if (!box || box.former || peerKey === undefined) {
      throw new OtbError(
        "box-key-former",
        box
          ? `Cannot print a join code for "${box.name}" as its key is the one of before each box had its own`
          : "Cannot print a join code as no box belongs to this peer",
        "Make one with a key of its own: sudo otb peer box add NAME",
      );
    }
    const { address, port } = this.network().peers[0]!;
    return encodeJoinCode({
      ...{ address, port, peerKey },
      psk: box.key,
      tunnelKey: ensureTunnelKey(this.secrets),
    });
  }

  /** Its key and connections stay. @throws OtbError `box-unknown`, `box-name-invalid`, `box-exists` */
  rename(name: string, to: string): void {
    const all = this.all();
    const box = find(name, all);
    requireFree(to, all);
    this.#store(all.map((other) => other === box ? { ...box, name: to } : other));
  }

  /** From now on its key opens nothing. @throws OtbError `box-unknown` */
  revoke(name: string): void {
    const all = this.all();
    const box = find(name, all);
    this.#store(all.filter((other) => other !== box));
    // Nobody must find the former key where an earlier otb looks for it.
    if (this.secrets.get(FORMER_KEY) === box.key) this.secrets.delete(FORMER_KEY);
  }

  #store(all: BoxKey[]): void {
    this.secrets.set(BOXES, JSON.stringify(all));
    this.onChange();
  }
}

/** Makes the first box of a new peer, and what every box must know of it. */
export function firstBox(secrets: Secrets, name: string): void {
  requireFree(name, []);
  secrets.set(PEER_KEY, randomKey());
  secrets.set(BOXES, JSON.stringify([{ name, key: randomKey(), addedAtMs: Date.now() } satisfies BoxKey]));
}

/** Boxes for a person: without their keys, with what running plugins tell of them in their status under `boxes`. */
export function boxReports(all: BoxKey[], statuses?: Status[]): BoxReport[] {
  return all.map(({ name, former = false, addedAtMs }) => {
    const told = (statuses ?? []).flatMap(({ boxes }) => {
      const box = (boxes as { [name: string]: BoxTold } | undefined)?.[name];
      return box ? [box] : [];
    });
    const lastSeenMs = Math.max(...told.map((box) => box.lastSeenMs ?? 0), 0) || undefined;
    const open = statuses && told.reduce((sum, box) => sum + (box.open ?? 0), 0);
    return { name, former, addedAtMs, lastSeenMs, open };
  });
}

/** What a plugin may tell of one box. */
interface BoxTold {
  open?: number;
  lastSeenMs?: number;
}

/** What `body` throws is thrown into the promise. */
export function later<T>(body: () => T): Promise<T> {
  return Promise.resolve().then(body);
}

function find(name: string, all: BoxKey[]): BoxKey {
  const box = all.find((other) => other.name === name);
  if (box) return box;
  throw new OtbError(
    "box-unknown",
    `Cannot find a box as it must be one of ${
      all.map((other) => other.name).join(", ") || "none"
    }: current value is "${name}"`,
    "otb peer box list",
  );
}

function requireFree(name: string, all: BoxKey[]): void {
  if (!NAME.test(name)) {
    throw new OtbError(
      "box-name-invalid",
      `Cannot name a box so as its name must have 1 to 31 small letters, digits and dashes: current value is "${name}"`,
    );
  }
  if (!all.some((other) => other.name === name)) return;
  throw new OtbError(
    "box-exists",
    `Cannot name a box so as another one has the name: current value is "${name}"`,
    "otb peer box list; otb peer box code prints the code of one that is there.",
  );
}

/** Base64 of 32 random bytes. */
function randomKey(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toBase64();
}
