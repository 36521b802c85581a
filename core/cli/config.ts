// `otb config`: settings by path, their history, and a change that waits to be confirmed.
import { message } from "@optique/core/message";
import { multiple, optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import { type ConfigSnapshot, difference, getPath, type Json, OtbError } from "../client/mod.ts";
import { change, differenceLines, shownPath, shownValue } from "./change.ts";
import { parseAssignments } from "./assignments.ts";
import { plural, printable } from "./format.ts";
import { yes } from "./options.ts";
import { table } from "./table.ts";
import { paint } from "./terminal.ts";
import { group, verb } from "./verb.ts";

const revisionArgument = (metavar: "REV" | "FROM" | "TO") =>
  optional(
    argument(integer({ min: 1, metavar }), { description: message`A revision of otb config history.` }),
  );

const get = verb("get", {
  brief: "Show the settings in force, or the one at PATH; what was never set is marked as default.",
  example: "otb config get network.lan.address",
  options: {
    path: optional(argument(string({ metavar: "PATH" }), {
      description: message`Section (network, or a plugin's name) and names, with dots between.`,
    })),
  },
  run: ({ path }, { print, withCore, terminal: { colours } }) =>
    withCore(async (core) => {
      const snapshot = await core.config();
      if (path === undefined) print(snapshot, () => everything(snapshot, colours));
      else {
        const value = at(snapshot.effective, path);
        if (value === undefined) {
          throw new OtbError(
            "setting-unknown",
            `Cannot find a setting as there is none at this path: current value is "${path}"`,
            "otb config get lists them; otb config schema describes them.",
          );
        }
        const set = at(snapshot.document, path);
        print({ path, value, default: set === undefined }, () => leaves(set, value, colours, path));
      }
    }),
});

const set = verb("set", {
  brief: "Change settings; null takes one back to its default.",
  example: "sudo otb config set network.lan.address=192.168.5.1/24",
  options: {
    assignments: multiple(
      argument(string({ metavar: "PATH=VALUE" }), {
        description: message`VALUE is JSON, or text as it stands.`,
      }),
      { min: 1 },
    ),
    comment: optional(option("--comment", string({ metavar: "TEXT" }), {
      description: message`Kept in the history.`,
    })),
    dryRun: option("--dry-run", {
      description: message`Check and show what would change, and change nothing.`,
    }),
    yes,
  },
  run({ assignments, comment, dryRun, yes }, cli) {
    const patch = parseAssignments(assignments);
    return cli.withCore((core) => change(core, cli, { done: "Changed", patch, yes, dryRun, comment }));
  },
});

const diff = verb("diff", {
  brief: "Show what differs between two revisions; without any, what the newest one changed.",
  example: "otb config diff 3 5",
  options: { from: revisionArgument("FROM"), to: revisionArgument("TO") },
  run: ({ from, to }, { print, withCore, terminal: { colours } }) =>
    withCore(async (core) => {
      const differences = await core.diff(from, to);
      print({ differences }, () =>
        differences.length === 0 ? "No difference." : differenceLines(differences, colours));
    }),
});

const confirm = verb("confirm", {
  brief: "Keep the change that waits.",
  example: "sudo otb config confirm",
  options: {},
  run: (_, { print, withCore }) =>
    withCore(async (core) => {
      const revision = await core.confirm();
      print(revision, () => `Revision ${revision.revision} is kept.`);
    }),
});

const revert = verb("revert", {
  brief: "Take back the change that waits, or go back to revision REV as a new one.",
  example: "sudo otb config revert 4",
  options: { revision: revisionArgument("REV") },
  run: ({ revision: to }, { print, withCore }) =>
    withCore(async (core) => {
      const revision = await core.revert(to);
      print(
        revision,
        () =>
          to === undefined
            ? `Revision ${revision.revision} is taken back.`
            : `Settings are those of revision ${to} again.`,
      );
    }),
});

const history = verb("history", {
  brief: "List the revisions, newest first.",
  example: "otb config history --limit 5",
  options: {
    limit: optional(option("--limit", integer({ min: 1, metavar: "N" }), {
      description: message`At most this many (default 20).`,
    })),
  },
  run: ({ limit = 20 }, { print, withCore, terminal }) =>
    withCore(async (core) => {
      const revisions = await core.history(limit);
      print({ revisions }, () =>
        table(
          [
            { title: "REV", align: "right" },
            { title: "WHEN" },
            { title: "STATE" },
            { title: "WHO", shrink: true },
            { title: "WHAT", shrink: true },
          ],
          revisions.map(({ revision, createdAtMs, state, author, via, comment }) => [
            String(revision),
            localTime(createdAtMs),
            state,
            // Who was at this machine needs no more words.
            via === undefined || via === "cli" ? author : `${author} (${via})`,
            comment,
          ]),
          terminal.width,
        ));
    }),
});

const schema = verb("schema", {
  brief: "Print the JSON schema of every section, or of one.",
  example: "otb config schema network",
  options: { section: optional(argument(string({ metavar: "SECTION" }))) },
  run: ({ section }, { print, withCore }) =>
    withCore(async (core) => {
      const schemas = await core.schemas();
      if (section !== undefined && !Object.hasOwn(schemas, section)) {
        throw new OtbError(
          "section-unknown",
          `Cannot describe a section as it must be one of ${
            Object.keys(schemas).join(", ")
          }: current value is "${section}"`,
        );
      }
      const wanted = section === undefined ? schemas : schemas[section] as object;
      print(wanted, () => JSON.stringify(wanted, null, 2));
    }),
});

/** `otb config`. */
export const configVerbs = group(
  "config",
  "Settings and their history.",
  [get, set, diff, confirm, revert, history, schema],
  "otb config get",
);

function at({ network, plugins }: ConfigSnapshot["document"], path: string): Json | undefined {
  return getPath({ ...plugins, network } as Json, path.replace(/^plugins\./, ""));
}

/** A line for every setting at `path` and below, a setting itself without its path; `set` is what of it a person said. */
function leaves(set: Json | undefined, value: Json, colours: boolean, path = ""): string[] {
  const said = new Set(difference(undefined, set, path).map(({ path }) => path));
  return difference(undefined, value, path).map(({ path: found, after }) => {
    const isSet = said.has(found);
    const shown = found !== path
      ? `${shownPath(found)} = ${shownValue(after!)}`
      : typeof after === "string"
      ? printable(after)
      : shownValue(after!);
    return paint(colours && !isSet, "dim", `${shown}${isSet ? "" : "  # default"}`);
  });
}

function everything({ revision, document, effective, pending }: ConfigSnapshot, colours: boolean): string[] {
  const all = leaves(document as unknown as Json, effective as unknown as Json, colours);
  const waits = pending ? `, ${plural(1, "change")} waits (revision ${pending.revision})` : "";
  return [paint(colours, "dim", `# revision ${revision}${waits}`), ...all];
}

function localTime(ms: number): string {
  const date = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 16).replace("T", " ");
}
