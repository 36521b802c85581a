// The refusal of a name that nothing has.
import { OtbError } from "./errors.ts";

/** More are told by the verb that lists them. */
const TOLD = 8;

/** That nothing has this name. @param known the names that there are */
export function unknown(
  thing: string,
  name: string,
  known: string[],
  must = "one of",
): OtbError {
  const more = known.length > TOLD ? ` and ${known.length - TOLD} more` : "";
  return new OtbError(
    `${thing}-unknown`,
    known.length === 0 && must === "one of"
      ? `Cannot find ${thing} "${name}" as there is no ${thing} yet: current value is "${name}"`
      : `Cannot find ${thing} "${name}" as it must be ${must} ${
        known.length === 0 ? `the ${thing}s, of which none is known` : known.slice(0, TOLD).join(", ") + more
      }: current value is "${name}"`,
    `otb ${thing} list`,
  );
}
