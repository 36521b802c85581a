// What `--only` chooses of a benchmark's cases.
import { OtbError } from "@otb/plugin";

/** Those whose name contains the text; all without one. @throws OtbError `case-unknown` */
export function chosen<Name extends string>(names: Name[], only = ""): Name[] {
  const found = names.filter((name) => name.includes(only));
  if (found.length > 0) return found;
  throw new OtbError(
    "case-unknown",
    `Cannot run a benchmark as --only must be in the name of a case: current value is "${only}"`,
    `One of: ${names.join("; ")}`,
  );
}
