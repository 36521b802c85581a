// Conditions that a person should know of.

/** A condition a person should know of. One per code; raising it again replaces it. */
export interface HealthCondition {
  code: string;
  severity: "info" | "warning" | "error";
  /** One sentence: what is the matter. */
  message: string;
  /** What a person can do about it. */
  next?: string;
}
