// The boxes that belong to this peer, found by the id that they send, and each one's share of what all of them use.
import type { Native } from "../../../core/native/ffi.ts";
import { type BoxKey, readKey } from "@otb/plugin";
import { Flood } from "./cookies.ts";
import { NewestQuestions } from "./replay.ts";
import { hexOf, Identity } from "./identity.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Machines at once that have one box's key: a box that is set up anew, or was cloned, comes with another static key; of boxes that
 * joined before each had a key of its own there are several.
 */
const MOST_OWN = 4, MOST_FORMER = 16;
/** Questions of one box that are answered in a second, and at once after a pause; a box asks twice a second at most. */
const QUESTIONS_PER_SECOND = 10, FORMER_QUESTIONS_PER_SECOND = 50;

/** One box: one entry of the secret `boxes`. */
export class KnownBox {
  readonly identity: Identity;
  readonly id: string;
  readonly newest: NewestQuestions;
  readonly flood: Flood;
  /** Sessions and addresses that it may have. */
  readonly most: number;

  constructor(native: Native, public name: string, psk: Bytes, readonly isFormer: boolean) {
    this.identity = new Identity(native, psk);
    this.id = hexOf(this.identity.id);
    this.flood = new Flood(isFormer ? FORMER_QUESTIONS_PER_SECOND : QUESTIONS_PER_SECOND);
    this.newest = new NewestQuestions(isFormer ? MOST_FORMER : MOST_OWN);
    this.most = isFormer ? MOST_FORMER : 1;
  }

  /** Who holds session and address: the box, or where several have its key each by its static key. */
  holder(staticKey: string): string {
    return this.isFormer ? staticKey : this.id;
  }
}

export class Boxes {
  #byId = new Map<string, KnownBox>();

  constructor(private readonly native: Native) {}

  /**
   * Takes the boxes as they are now; what is known of those that stay is kept.
   * @param refuse told of a box whose key is none
   * @returns the boxes that are gone
   */
  update(all: BoxKey[], refuse: (name: string, error: Error) => void): KnownBox[] {
    const next = new Map<string, KnownBox>();
    for (const { name, key, former = false } of all) {
      try {
        const box = new KnownBox(this.native, name, readKey(key, `the key of box "${name}"`), former);
        const known = this.#byId.get(box.id);
        const stays = known?.isFormer === former ? known : box;
        stays.name = name;
        next.set(box.id, stays);
      } catch (error) {
        refuse(name, error as Error);
      }
    }
    const gone = [...this.#byId.values()].filter((box) => next.get(box.id) !== box);
    this.#byId = next;
    return gone;
  }

  /** What is known of their questions may be older than it seems. */
  forget(): void {
    for (const { newest } of this.#byId.values()) newest.clear();
  }

  of(id: Bytes): KnownBox | undefined {
    return this.#byId.get(hexOf(id));
  }
}
