// This machine's clock.

/** What is known of this machine's clock. Published as the fact `clock`. */
export interface ClockFact {
  /** `set`: servers agree with it to 10 s; `wrong`: they do not, or it is before this software was made. */
  state: "set" | "unknown" | "wrong";
  /** What must be added to it, in milliseconds, as last seen. */
  offsetMs?: number;
  /** Who said so, for a person. */
  source?: string;
}
