// What `otb doctor` finds.

/** What was looked at, and what came of it. */
export interface Finding {
  name: string;
  state: "ok" | "warning" | "error";
  message: string;
  next?: string;
}
