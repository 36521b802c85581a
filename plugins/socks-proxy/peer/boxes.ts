// The boxes that this peer serves: which key opens a request, what each box has open, and that none takes what others need.
import { type AeadSession, type Native, SALT_BYTES } from "../../../core/native/ffi.ts";
import { type BoxKey, readKey } from "@otb/plugin";
import { JOINED_SHARE } from "../relay/descriptors.ts";
import type { Counted } from "../relay/reactor.ts";
import { METHOD, openRequestHead, type Refusal, requestHead } from "../wire/sip022.ts";
import { IDENTITY_BYTES, identityOf } from "../wire/sip023.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Targets that a box may have dialled at once: a target that never answers costs ten seconds. */
const MOST_DIALS = 1_024;

/** Something that a box has here, until it is left. */
export class Place {
  #isDialling = true;
  /** Ends what is here; replaced as it becomes something else. */
  end: () => void = () => {};

  constructor(private readonly box: Box, private readonly all: { open: number }) {
    box.places.add(this);
    box.dialling++;
    all.open++;
  }

  /** The target is there. */
  dialled(): void {
    if (this.#isDialling) this.box.dialling--;
    this.#isDialling = false;
  }

  leave(): void {
    this.dialled();
    if (this.box.places.delete(this)) this.all.open--;
  }
}

/** One box, as long as its key is one. */
export class Box {
  readonly places = new Set<Place>();
  /** Further connections of what is here already. */
  joined = 0;
  dialling = 0;
  lookups = 0;
  total = 0;
  /** Connections beyond what it may have at once, and when the last was. */
  refused = 0;
  refusedMs = -Infinity;
  /** Seconds since the epoch; 0 for never. */
  lastSeen = 0;
  /** Its key is none any more. */
  isGone = false;

  constructor(public name: string, readonly key: Bytes, readonly isFormer: boolean) {}
}

/** A request whose sender has shown a key. */
export interface Shown {
  box: Box;
  opener: AeadSession;
  /** Where the variable header begins, and its length. */
  headEnd: number;
  bodyLength: number;
}

/** All boxes of this peer. */
export class Boxes {
  /** What all have open together. */
  open = 0;
  /** Their further connections. */
  joined = 0;
  /** By their identity as a text of 16 characters. */
  readonly #named = new Map<string, Box>();
  #former: Box[] = [];
  #peerKey: Bytes | undefined;
  readonly #identity = new Uint8Array(IDENTITY_BYTES);

  /** @param most connections of all boxes together, at once */
  constructor(private readonly native: Native, private readonly most = Infinity) {}

  get all(): Box[] {
    return [...this.#named.values(), ...this.#former];
  }

  find(name: string): Box | undefined {
    return this.all.find((box) => box.name === name);
  }

  /** What the box's key is called on the wire, hexadecimal: no secret, and the same after a restart. */
  identity(box: Box): string {
    return identityOf(this.native, box.key).toHex();
  }

  /**
   * Serves these from now on; what others have here ends at once.
   *
   * @param peerKey the identity key (SIP023); absent while there are only boxes of before each had a key
   * @throws OtbError `key-invalid`; then nothing has changed
   */
  set(keys: BoxKey[], peerKey?: Bytes): void {
    const before = this.all;
    const next = keys.map(({ name, key, former = false }) => {
      const bytes = readKey(key, `the key of box "${name}"`);
      const same = before.find((box) => box.isFormer === former && this.native.equal(box.key, bytes));
      if (same) same.name = name;
      return same ?? new Box(name, bytes, former);
    });
    this.#peerKey = peerKey;
    this.#former = next.filter(({ isFormer }) => isFormer);
    this.#named.clear();
    for (const box of next) if (!box.isFormer) this.#named.set(text(identityOf(this.native, box.key)), box);
    for (const box of before) {
      if (next.includes(box)) continue;
      box.isGone = true;
      for (const { end } of [...box.places]) end();
    }
  }

  /** Opens the fixed header of a request, by SIP023 or, with a former key, by SIP022; or answers why not. */
  openRequest(input: Bytes, length: number, nowSeconds: number, plain: Bytes): Shown | Refusal {
    const named = this.#name(input, length);
    if (named) return this.#try(named, input, SALT_BYTES + IDENTITY_BYTES, nowSeconds, plain);
    let refusal: Refusal = "forged";
    for (const box of this.#former) {
      const shown = this.#try(box, input, SALT_BYTES, nowSeconds, plain);
      if (typeof shown === "object") return shown;
      refusal = shown;
    }
    return refusal;
  }

  /** Room for one more of a box; undefined when it has too many, or all have. */
  enter(box: Box, nowMs: number): Place | undefined {
    box.total++;
    if (
      !box.isGone && this.#hasRoom && box.places.size < this.#share && box.dialling < MOST_DIALS
    ) {
      return new Place(box, this);
    }
    box.refused++;
    box.refusedMs = nowMs;
    return undefined;
  }

  /** Room for one more connection of something that a box has here, until it is left; undefined when there is none. */
  join(box: Box): Counted | undefined {
    const isFull = this.joined >= this.most * JOINED_SHARE || box.joined >= this.#share * JOINED_SHARE;
    if (box.isGone || isFull || !this.#hasRoom) return undefined;
    box.joined++;
    this.joined++;
    return {
      left: () => {
        box.joined--;
        this.joined--;
      },
    };
  }

  /** What joins takes half a place, having one descriptor. */
  get #hasRoom(): boolean {
    return this.open + this.joined / 2 < this.most;
  }

  /** What one box may have: one alone all there is, as nobody else needs it. */
  get #share(): number {
    return this.#named.size + this.#former.length > 1 ? this.most / 2 : this.most;
  }

  #name(input: Bytes, length: number): Box | undefined {
    if (!this.#peerKey || length < requestHead(SALT_BYTES + IDENTITY_BYTES)) return undefined;
    this.#identity.set(input.subarray(SALT_BYTES, SALT_BYTES + IDENTITY_BYTES));
    this.native.identity(this.#peerKey, input, this.#identity, "open");
    return this.#named.get(text(this.#identity));
  }

  #try(box: Box, input: Bytes, at: number, nowSeconds: number, plain: Bytes): Shown | Refusal {
    const opener = this.native.aead(METHOD, box.key, input.subarray(0, SALT_BYTES));
    const body = openRequestHead(opener, input, at, nowSeconds, plain);
    if (typeof body === "number") {
      box.lastSeen = nowSeconds;
      return { box, opener, headEnd: requestHead(at), bodyLength: body };
    }
    opener.free();
    return body;
  }
}

function text(identity: Bytes): string {
  return String.fromCharCode(...identity);
}
