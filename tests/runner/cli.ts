// `otb lab|demo|bench|test|fuzz`: the verbs that build a world to look at, measure or test; a release does not carry them.
import { bench } from "../bench/cli.ts";
import { sweepBenches } from "../bench/hops.ts";
import { demo } from "../worlds/demo.ts";
import { fuzz } from "../fuzz/cli.ts";
import { labCommand } from "../lab/cli.ts";
import { sweepDeadLabs } from "../lab/lab.ts";
import { test } from "./test.ts";

const VERBS: Record<string, (args: string[]) => Promise<number>> = {
  bench,
  demo,
  fuzz,
  lab: labCommand,
  test,
};

async function main([verb = "", ...args]: string[]): Promise<number> {
  const run = VERBS[verb];
  if (!run) {
    console.error(
      `otb: Cannot run a verb as it must be one of ${
        Object.keys(VERBS).join(", ")
      }: current value is "${verb}"`,
    );
    return 2;
  }
  // Only what makes namespaces needs root.
  if (verb !== "fuzz" && Deno.uid() !== 0 && !args.includes("--help") && !args.includes("-h")) {
    console.error(
      `otb: Cannot make network namespaces as this must run as root: current value is "uid ${Deno.uid()}"\n  next: sudo ./otb ${verb} ${
        args.join(" ")
      }`,
    );
    return 1;
  }
  // The demo ends in order by itself; whatever else is interrupted leaves nothing behind either.
  if (verb === "bench") {
    const interrupt = async () => {
      await Promise.all([sweepBenches({ own: true }), sweepDeadLabs({ own: true })]);
      Deno.exit(130);
    };
    Deno.addSignalListener("SIGINT", interrupt);
    Deno.addSignalListener("SIGTERM", interrupt);
  }
  const status = await run(args);
  if (verb === "test") await sweepDeadLabs();
  return status;
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  const { code, message, next } = error as { code?: string; message?: string; next?: string };
  console.error(code ? `otb: ${message}${next ? `\n  next: ${next}` : ""}` : error);
  Deno.exit(1);
}
