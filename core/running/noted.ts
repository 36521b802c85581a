// Calls that change something, noted in the log with who asked.
import { CALLS } from "../client/calls.ts";
import type { Core } from "../client/types.ts";
import type { Json } from "../contract/mod.ts";

/** What is said of a call that was done, and what it was about: never an argument that may be a secret. Absent: nothing. */
type Sentence = (
  args: unknown[],
  result: never,
) => [message: string, about?: { [name: string]: Json }] | undefined;

const SENTENCES: { [name in (typeof CALLS)[number]]?: Sentence } = {
  propose: (_, { revision, differences }: Awaited<ReturnType<Core["propose"]>>) =>
    revision === undefined || differences.length === 0
      ? undefined
      : ["Settings were changed", { revision, paths: differences.map(({ path }) => path).join(", ") }],
  confirm: (
    _,
    { revision }: Awaited<ReturnType<Core["confirm"]>>,
  ) => ["A change of settings is kept", { revision }],
  revert: ([to], { revision }: Awaited<ReturnType<Core["revert"]>>) =>
    typeof to === "number"
      ? ["Settings are those of an earlier revision", { revision, to }]
      : ["A change of settings is taken back", { revision }],
  addBox: ([name]) => ["A box was added", { box: String(name) }],
  renameBox: ([name, to]) => ["A box was renamed", { box: String(name), to: String(to) }],
  revokeBox: ([name]) => ["A box was revoked", { box: String(name) }],
  join: () => ["The box has joined with another code"],
};

/**
 * A core with calls of one author.
 *
 * @param core who does all that is not in `own`
 * @param note told of what was done
 */
export function noted(
  core: Core,
  own: Pick<Core, "as" | "live" | "close" | "logs" | "watch"> & Partial<Core>,
  note: (message: string, about?: { [name: string]: Json }) => void,
): Core {
  const calls = CALLS.map((name) => {
    const call = (own[name] ?? core[name].bind(core)) as (...args: unknown[]) => Promise<unknown>;
    return [name, async (...args: unknown[]) => {
      const result = await call(...args);
      const said = SENTENCES[name]?.(args, result as never);
      if (said) note(...said);
      return result;
    }];
  });
  return { ...own, ...Object.fromEntries(calls) };
}
