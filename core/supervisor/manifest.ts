// What a plugin says of itself without running any of its code: the `otb` part of its deno.json.
import * as z from "zod";
import { CONTRACT_VERSION, OtbError, type Role } from "../contract/mod.ts";

const claimKinds = z.enum([
  "address",
  "neighbour",
  "route",
  "rule",
  "mptcpEndpoint",
  "mptcpLimits",
  "sysctl",
  "nftTable",
  "qdisc",
  "interface",
  "interfaceState",
]);

const factKey = z.string().regex(
  /^[a-z][a-z0-9-]*$/,
  'must be the exact key of a fact such as "link-health"',
);
/** When a plugin runs: who is not there always is given its process when it is wanted, and costs nothing meanwhile. */
const runs = z.union([
  z.enum(["always", "on-call"]),
  z.strictObject({ whileFact: factKey }),
  z.strictObject({ everyMinutes: z.int().min(1).max(10_080) }),
]);

const manifestSchema = z.object({
  name: z.string().regex(/^@[a-z0-9-]+\/[a-z][a-z0-9-]{0,31}$/),
  version: z.string().regex(/^\d+\.\d+\.\d+/),
  exports: z.literal("./mod.ts"),
  otb: z.strictObject({
    contract: z.string().regex(
      /^\^\d+(\.\d+){0,2}$/,
      'must be a range of the contract\'s versions such as "^2"',
    ),
    summary: z.string().min(1),
    roles: z.array(z.enum(["box", "cloud"])).min(1),
    runs: runs.default("always"),
    tier: z.enum(["sandboxed", "trusted"]).default("sandboxed"),
    native: z.boolean().default(false),
    permissions: z.strictObject({
      net: z.array(z.string()).default([]),
      read: z.array(z.string()).default([]),
      write: z.array(z.string()).default([]),
      run: z.array(z.string()).default([]),
      sys: z.array(z.string()).default([]),
    }).prefault({}),
    // Read by the launcher, too, which installs what is missing: both names are such as a shell takes them.
    programs: z.array(z.strictObject({
      name: z.string().regex(/^[a-z][a-z0-9-]*$/),
      debian: z.string().regex(/^[a-z0-9][a-z0-9.+-]*$/),
    })).default([]),
    claims: z.array(claimKinds).default([]),
    reads: z.array(factKey).default([]),
    publishes: z.array(factKey).default([]),
    secrets: z.array(z.string()).default([]),
    memoryLimitMb: z.number().int().min(32).max(4096).default(256),
    stopSeconds: z.number().int().min(1).max(30).default(5),
  }),
});

/** A checked manifest; `directory` is absolute. */
export type Manifest = z.infer<typeof manifestSchema>["otb"] & {
  name: string;
  version: string;
  directory: string;
};

/**
 * Checks the text of a plugin's deno.json.
 *
 * @throws OtbError `manifest-invalid`, `contract-unknown`, `tier-too-low` (native code or programs need `trusted`)
 */
export function parseManifest(text: string, directory: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new OtbError(
      "manifest-invalid",
      `Cannot read the manifest in ${directory} as it must be JSON: ${error}`,
    );
  }
  const result = manifestSchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    throw new OtbError(
      "manifest-invalid",
      `Cannot use the manifest in ${directory} as ${issue.path.join(".")} is wrong: ${issue.message}`,
      "plugins/README.md lists the fields.",
    );
  }
  const { name, version, otb } = result.data;
  if (!holds(otb.contract)) {
    throw new OtbError(
      "contract-unknown",
      `Cannot use the plugin in ${directory} as this core speaks contract ${CONTRACT_VERSION}: current value is "${otb.contract}"`,
    );
  }
  const runs = otb.permissions.run.length + otb.programs.length > 0;
  if (otb.tier === "sandboxed" && (otb.native || runs)) {
    throw new OtbError(
      "tier-too-low",
      `Cannot use the plugin in ${directory} as native code and running programs need the tier "trusted": current value is "sandboxed"`,
    );
  }
  return { ...otb, name: name.slice(name.indexOf("/") + 1), version, directory };
}

/** Whether this core's contract is within a range `^major.minor.patch`: the same major version, and no older (semver.org, section 11). */
function holds(range: string): boolean {
  const [major, ...rest] = range.slice(1).split(".").map(Number);
  const [own, ...ownRest] = CONTRACT_VERSION.split(".").map(Number);
  if (major !== own) return false;
  const differs = [0, 1].find((index) => (rest[index] ?? 0) !== ownRest[index]);
  return differs === undefined || (rest[differs] ?? 0) < ownRest[differs]!;
}

/** Paths of the folders in a directory of plugins, those left out whose names start with `_` or `.`; none where there is no directory. */
export function foldersIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].filter(({ name, isDirectory }) =>
      isDirectory && !/^[_.]/.test(name)
    )
      .map(({ name }) => `${directory}/${name}`).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * Finds the plugins for a role: every folder of these directories with a manifest.
 *
 * A broken manifest does not hide the others: it comes back in `problems`. So does one whose name is that of an earlier one.
 */
export function findPlugins(
  directories: string[],
  role: Role,
): { manifests: Manifest[]; problems: OtbError[] } {
  const manifests: Manifest[] = [];
  const problems: OtbError[] = [];
  for (const folder of directories.flatMap(foldersIn)) {
    try {
      const manifest = parseManifest(Deno.readTextFileSync(`${folder}/deno.json`), folder);
      const former = manifests.find(({ name }) => name === manifest.name);
      if (former) {
        throw new OtbError(
          "plugin-name-taken",
          `Cannot use the plugin in ${folder} as ${former.directory} has its name: current value is "${manifest.name}"`,
        );
      }
      if (manifest.roles.includes(role)) manifests.push(manifest);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue;
      if (!(error instanceof OtbError)) throw error;
      problems.push(error);
    }
  }
  return { manifests, problems };
}
