// The README's way from nothing to devices on the bond and away again, command by command, as a person copies it.
import type { Verbs } from "./verbs.ts";
import { ROOT } from "./world.ts";

/** What is typed after `./otb`, in the README's order. */
export function readmeCommands(readme = Deno.readTextFileSync(`${ROOT}/README.md`)): string[] {
  const [, part = ""] = /^## Set up a real box and a real peer$([^]*?)^## Commands$/m.exec(readme) ?? [];
  return [...part.matchAll(/^```\n([^]*?)^```$/gm)].flatMap(([, block]) =>
    [...block!.matchAll(/^(?:sudo )?\.\/otb ([^#\n]*?)\s*(?:#.*)?$/gm)].map(([, command]) => command!)
  );
}

/** Where the README's commands are typed, and what is called otherwise there. */
export interface Walk {
  box: Verbs;
  peer: Verbs;
  /** Taken for the README's own names and addresses. */
  names: [readme: string, here: string][];
  /** For the first state of a box and of a peer, which those that run have already. */
  folder: string;
  /** The join code's file, as nobody pastes. */
  code: string;
  hasSystemd: boolean;
}

/** Types every command of `commands` on the machine that the README means, each to the end that it should have. */
export async function walk(
  commands: string[],
  { box, peer, names, folder, code, hasSystemd }: Walk,
): Promise<void> {
  for (const command of commands) {
    const line = names.reduce((line, [readme, here]) => line.replaceAll(readme, here), command);
    if (line.startsWith("service ")) {
      if (!hasSystemd) await box.refused(line, "no-systemd");
    } else if (line === "setup") await box.text(line, "✓ Join a peer ✓ LAN on … ✓ Start otb …", "any");
    else if (line.startsWith("init cloud")) {
      await peer.text(`${line} --state ${folder}/readme-peer`, "otb3-… …");
    } else if (line.startsWith("init box")) {
      await box.text(
        `${line.replace("--join -", `--join @${code}`)} --state ${folder}/readme-box`,
        "This box will use …",
      );
    } else if (line.startsWith("peer box revoke")) await peer.text(`${line} --yes`, "Box … is revoked: …");
    else if (line.startsWith("peer box")) await peer.text(line, "… …");
    else if (/^(lan|link) (set|add)/.test(line)) await box.text(`${line} --yes`, "… …");
    else if (line === "doctor") await box.text(line, "… …", "any");
    // Until Ctrl-C it would go on.
    else await box.text(line.replace(" --watch", ""), "… …");
  }
}
