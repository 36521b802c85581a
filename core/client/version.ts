// The version of this otb.

/** Semantic version; the same for core, launcher and image. */
export const VERSION = "0.1.0";
