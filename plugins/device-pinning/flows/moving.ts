// When flows that are not TCP move between the tunnel and the way past it, which gives them another address. Each moves with
// a packet of its own: a device that only listens, such as a phone that has registered, is not reached from when its flow is
// forgotten until it speaks again. Pure.

/** The tunnel is to be up for so long before anybody comes back, so that one which comes and goes moves nobody, in milliseconds. */
const BACK_AFTER_MS = 10_000;
/** So long silent flows are remembered (udp-tunnel): whoever has not moved by then has nothing any more that could. */
const OVER_AFTER_MS = 310_000;

/**
 * What is with flows that speak now. `doubted`: those in the tunnel are noted; `leaving`: they are moved past it. `soon`: those past
 * it are noted; `returning`: they are moved back.
 */
export type Moving = "doubted" | "leaving" | "soon" | "returning";

/** Where flows belong, and how long already. */
export class MoveWatch {
  #place: "in" | "past" | "doubted" | "wherever" | undefined;
  #sinceMs = 0;

  /** @param isDead nothing can go through the tunnel; @param isWished what is not TCP shall */
  look(
    { isDead, isWished, isUp }: { isDead: boolean; isWished: boolean; isUp: boolean },
    nowMs: number,
  ): Moving | undefined {
    const place = isDead ? "past" : !isWished ? "wherever" : isUp ? "in" : "doubted";
    if (place !== this.#place) {
      this.#place = place;
      this.#sinceMs = nowMs;
    }
    const forMs = nowMs - this.#sinceMs;
    switch (place) {
      case "wherever":
        return undefined;
      case "doubted":
        return "doubted";
      case "past":
        return forMs < OVER_AFTER_MS ? "leaving" : undefined;
      case "in":
        return forMs < BACK_AFTER_MS
          ? "soon"
          : forMs < BACK_AFTER_MS + OVER_AFTER_MS
          ? "returning"
          : undefined;
    }
  }
}
