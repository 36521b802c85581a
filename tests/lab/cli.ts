// `otb lab`: labs by hand.
import { Lab, type LinkChange } from "./lab.ts";
import { parseLinks } from "./parse.ts";

const HELP = `Usage: sudo ./otb lab VERB ...

  up NAME [--links 100/20/10,30/10/25,...] [--devices N]   raise a lab; links are down/up Mbit/s / one-way delay ms [/ loss % [/ buffer ms]]
  down NAME                                               take it away
  list                                                    labs that are up
  set NAME LINK [--down MBPS] [--up MBPS] [--delay MS] [--jitter MS] [--loss PERCENT] [--queue BYTES]
  cut NAME LINK, restore NAME LINK                        drop everything silently, and stop doing so
  counters NAME                                           what each link carried and dropped
  shell NAME ROLE [-- COMMAND...]                         a shell in the namespace of box, site1, server, modem1, solo1, device1...

  --json prints one object where there is something to print
`;

const CHANGES: Record<string, keyof LinkChange> = {
  "--down": "downMbps",
  "--up": "upMbps",
  "--delay": "delayMs",
  "--jitter": "jitterMs",
  "--loss": "lossPercent",
  "--queue": "queueBytes",
};

/** Runs one verb; returns the exit status. */
export async function labCommand(args: string[]): Promise<number> {
  const separator = args.indexOf("--");
  const command = separator < 0 ? [] : args.slice(separator + 1);
  const words = separator < 0 ? args : args.slice(0, separator);
  if (words.length === 0 || words.includes("--help") || words.includes("-h")) {
    console.log(HELP);
    return words.length === 0 ? 2 : 0;
  }
  const { names: [verb, lab, third], options, flags } = split(words);
  const known = verb === "up" ? ["--links", "--devices"] : verb === "set" ? Object.keys(CHANGES) : [];
  const strange = [...options.keys()].find((option) => !known.includes(option));
  if (strange !== undefined) return usage(`the option is unknown here: current value is "${strange}"`);
  const print = (value: object, text: string) =>
    console.log(flags.has("--json") ? JSON.stringify(value) : text);
  switch (verb) {
    case "list":
      print({ labs: Lab.list() }, Lab.list().join("\n"));
      return 0;
    case "up": {
      if (!lab) return usage("a lab needs a name");
      if (!/^[1-9]\d?$/.test(options.get("--devices") ?? "1")) {
        return usage(`--devices must be 1 to 99: current value is "${options.get("--devices")}"`);
      }
      const { links } = await Lab.up(lab, {
        links: parseLinks(options.get("--links") ?? "100/20/10,30/10/25,20/5/40"),
        devices: Number(options.get("--devices") ?? 1),
      });
      print({ lab, links }, `${lab} is up: ${links.map(({ name }) => name).join(", ")}`);
      return 0;
    }
    case "down":
      if (!lab) return usage("a lab needs a name");
      await Lab.attach(lab).down();
      return 0;
    case "cut":
    case "restore":
      if (!lab || !third) return usage(`${verb} needs a lab and a link`);
      await Lab.attach(lab)[verb](third);
      return 0;
    case "set": {
      if (!lab || !third) return usage("set needs a lab and a link");
      const change: LinkChange = {};
      for (const [option, field] of Object.entries(CHANGES)) {
        const value = options.get(option);
        if (value === undefined) continue;
        if (!/^\d+(\.\d+)?$/.test(value)) {
          return usage(`${option} must be a number: current value is "${value}"`);
        }
        change[field] = Number(value);
      }
      await Lab.attach(lab).set(third, change);
      return 0;
    }
    case "counters": {
      if (!lab) return usage("a lab needs a name");
      const counters = await Lab.attach(lab).counters();
      print(
        { counters },
        counters.map(({ link, up, down }) =>
          `${link}: down ${down.bytes} B, up ${up.bytes} B, dropped ${
            down.droppedQueue + up.droppedQueue
          } by queues, ${down.droppedLoss + up.droppedLoss} by loss, ${
            down.droppedCut + up.droppedCut
          } by cuts`
        ).join("\n"),
      );
      return 0;
    }
    case "shell": {
      if (!lab || !third) return usage("shell needs a lab and a role");
      const child = Lab.attach(lab).spawn(
        third,
        command.length > 0 ? command : [Deno.env.get("SHELL") ?? "/bin/sh"],
        {
          stdin: "inherit",
          stdout: "inherit",
          stderr: "inherit",
        },
      );
      return (await child.status).code;
    }
    default:
      return usage(`the verb is unknown: current value is "${verb}"`);
  }
}

function split(
  words: string[],
): { names: (string | undefined)[]; options: Map<string, string>; flags: Set<string> } {
  const names: string[] = [];
  const options = new Map<string, string>();
  const flags = new Set<string>();
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (word === "--json") flags.add(word);
    else if (word.startsWith("--") && words[index + 1] !== undefined) options.set(word, words[++index]!);
    else names.push(word);
  }
  return { names, options, flags };
}

function usage(why: string): number {
  console.error(`otb: Cannot use the lab as ${why}\n  next: ./otb lab --help`);
  return 2;
}
