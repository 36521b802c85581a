// What help says of every verb, whoever declares it: the golden text is how people know it.
import { strict as assert } from "node:assert";
import type { Usage } from "@optique/core/usage";
import { everyVerb, main } from "./main.ts";

const GOLDEN = new URL("testdata/help.txt", import.meta.url);

/** Every command line that leads to a verb or a group of them. */
function paths(usage: Usage, before: string[] = []): string[][] {
  const own = usage.flatMap((term) => term.type === "command" ? [term.name] : []);
  const here = [...before, ...own];
  const branches = usage.flatMap((term): Usage[] => term.type === "exclusive" ? [...term.terms] : []);
  const below = branches.flatMap((branch) => paths(branch, here));
  return own.length > 0 ? [here, ...below] : below;
}

async function help(path: string[]): Promise<string> {
  let text = "";
  const take = (piece: string) => void (text += piece);
  const terminal = { tty: false, interactive: false, colours: false, width: 80, height: 24 };
  const status = await main([...path, "--help"], { ...terminal, out: take, err: take, control: take });
  assert.equal(status, 0, text);
  return `$ ${["otb", ...path, "--help"].join(" ")}\n${text.trimEnd()}\n`;
}

Deno.test("help says of every verb what it always said", async () => {
  const former = Deno.env.get("OTB_CALLED");
  Deno.env.delete("OTB_CALLED");
  try {
    const texts = [];
    for (const path of [[], ...everyVerb().flatMap(({ usage }) => paths(usage))]) {
      texts.push(await help(path));
    }
    const all = texts.join("\n");
    // What is meant to differ is looked at, and written down.
    if (Deno.env.get("OTB_GOLDEN") === "write") Deno.writeTextFileSync(GOLDEN, all);
    assert.equal(all, Deno.readTextFileSync(GOLDEN));
  } finally {
    if (former !== undefined) Deno.env.set("OTB_CALLED", former);
  }
});
