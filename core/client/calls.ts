// What both ends of the core's socket call by name.

/** Calls that only pass their arguments on. */
export const CALLS = [
  "status",
  "config",
  "propose",
  "confirm",
  "revert",
  "history",
  "diff",
  "schemas",
  "plugins",
  "act",
  "boxes",
  "addBox",
  "boxCode",
  "renameBox",
  "revokeBox",
  "join",
  "stop",
  "remains",
] as const;
