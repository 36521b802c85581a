// What is told to a person when something cannot be done, or must not be set.

/**
 * An error meant for a person: what failed and why, a stable code, and what to do next.
 *
 * Messages read `Cannot <verb> <thing> as <rule>: current value is "x"`.
 */
export class OtbError extends Error {
  override name = "OtbError";
  constructor(readonly code: string, message: string, readonly next?: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** One thing wrong with a proposed configuration; `path` is dotted, relative to the plugin's own settings. */
export interface Problem {
  code: string;
  path: string;
  message: string;
  next?: string;
}
