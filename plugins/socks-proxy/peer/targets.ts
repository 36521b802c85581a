// Which targets the peer may dial for a box, by the rules that all plugins share, and what others of the peer offer to boxes.
import { decodeAddress } from "../../../core/native/ffi.ts";
import { targetFilter, targetRules } from "@otb/plugin";

const REMEMBERED = 10_000;

/** Decides per address; decisions are remembered. */
export class Targets {
  /** By IPv4 address as a number, or by the text of another one. */
  #decisions = new Map<number | string, boolean>();
  #isReachable: (address: string) => boolean;
  #own: string[] = [];
  /** What other plugins of the peer offer to boxes, as `host port`. */
  #offered = new Set<string>();

  /** @param allowed CIDRs that are let through although they are private */
  constructor(private allowed: string[]) {
    this.#isReachable = targetFilter(targetRules(allowed, []));
  }

  /** Lets other ranges through from now on; what is connected stays. */
  setAllowed(allowed: string[]): void {
    this.allowed = allowed;
    this.#judgeAnew();
  }

  /** Says by which addresses this machine is reached. */
  setOwn(addresses: string[]): void {
    const own = [...new Set(addresses)].sort();
    if (own.join() === this.#own.join()) return;
    this.#own = own;
    this.#judgeAnew();
  }

  #judgeAnew(): void {
    this.#isReachable = targetFilter(targetRules(this.allowed, this.#own));
    this.#decisions.clear();
  }

  /** Says which single ports of this machine are meant for boxes, however private their addresses. */
  setOffered(offered: { host: string; port: number }[]): void {
    this.#offered = new Set(offered.map(({ host, port }) => `${host} ${port}`));
  }

  /** Whether the address of a kernel address record may be dialled. */
  allows(record: Uint8Array<ArrayBuffer>): boolean {
    if (this.#offered.size > 0) {
      const { host, port } = decodeAddress(record);
      if (this.#offered.has(`${host} ${port}`)) return true;
    }
    const key = record[0] === 2
      ? ((record[4]! * 256 + record[5]!) * 256 + record[6]!) * 256 + record[7]!
      : decodeAddress(record).host;
    let decision = this.#decisions.get(key);
    if (decision === undefined) {
      if (this.#decisions.size >= REMEMBERED) this.#decisions.clear();
      decision = this.#isReachable(decodeAddress(record).host);
      this.#decisions.set(key, decision);
    }
    return decision;
  }
}
