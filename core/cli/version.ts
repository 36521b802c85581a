// `otb version`.
import { VERSION } from "../client/mod.ts";
import { verb } from "./verb.ts";

/** `otb version`. */
export const versionVerb = verb("version", {
  brief: "Print the versions of otb and of what it stands on.",
  example: "otb version",
  options: {},
  run(_, { print }) {
    const versions = {
      otb: VERSION,
      deno: Deno.version.deno,
      linux: Deno.osRelease(),
      machine: Deno.build.arch,
    };
    print(
      versions,
      () => `otb ${versions.otb} (Deno ${versions.deno}, Linux ${versions.linux}, ${versions.machine})`,
    );
  },
});
