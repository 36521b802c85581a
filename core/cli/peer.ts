// `otb peer`: on a peer the boxes that belong to it, on a box which peer it belongs to.
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { type BoxReport, OtbError } from "../client/mod.ts";
import { askClearly } from "./answers.ts";
import { duration, plural } from "./format.ts";
import { JOIN_WORD, joinDescription, readJoinCode } from "./join_word.ts";
import { table } from "./table.ts";
import { group, verb } from "./verb.ts";

const boxName = argument(string({ metavar: "NAME" }), {
  description: message`The box's name on this peer: small letters, digits and dashes.`,
});

const list = verb("list", {
  brief: "List the boxes that belong to this peer.",
  example: "sudo otb peer box list",
  options: {},
  run: (_, { print, withCore, terminal }) =>
    withCore(async (core) => {
      const boxes = await core.boxes();
      print({ boxes }, () => lines(boxes, terminal.width));
    }),
});

const add = verb("add", {
  brief: "Give one more box a key of its own, and print the code with which it joins.",
  example: "sudo otb peer box add cabin",
  options: { name: boxName },
  run: ({ name }, { print, withCore }) =>
    withCore(async (core) => {
      const joinCode = await core.addBox(name);
      print({ name, joinCode }, () => [
        joinCode,
        "",
        `This code holds the key of "${name}": give it to that box over a safe way, and to nobody else.`,
        "  on a new box:  sudo otb setup      (asks for the code; or: sudo otb init box --join -)",
        "  on one that has its settings: sudo otb peer join -",
        `  once more:     sudo otb peer box code ${name}`,
      ]);
    }),
});

const code = verb("code", {
  brief: "Print the join code of a box once more.",
  example: "sudo otb peer box code cabin",
  options: { name: optional(boxName) },
  run: ({ name }, { print, withCore }) =>
    withCore(async (core) => {
      const joinCode = await core.boxCode(name);
      print({ joinCode }, () => joinCode);
    }),
});

const rename = verb("rename", {
  brief: "Call a box by another name; its key and connections stay.",
  example: "sudo otb peer box rename box cabin",
  options: { name: boxName, to: argument(string({ metavar: "NEW-NAME" })) },
  run: ({ name, to }, { print, withCore }) =>
    withCore(async (core) => {
      await core.renameBox(name, to);
      print({ name: to }, () => `Box "${name}" is now called "${to}".`);
    }),
});

const revoke = verb("revoke", {
  brief: "Take a box's key away: what it has open ends at once, and its code opens nothing any more.",
  example: "sudo otb peer box revoke cabin",
  options: { name: boxName, yes: option("--yes", "-y", { description: message`Do it without asking.` }) },
  run: ({ name, yes }, { print, withCore, terminal, json }) =>
    withCore(async (core) => {
      const boxes = await core.boxes();
      const box = boxes.find((other) => other.name === name);
      if (box && !yes) {
        if (json || !terminal.interactive) {
          throw new OtbError(
            "confirmation-missing",
            `Cannot revoke a box as it must be confirmed: current value is "${name}"`,
            `otb peer box revoke ${name} --yes`,
          );
        }
        const who = box.former ? "every box that joined before each had a key of its own" : "this box";
        const open = box.open
          ? ` ${plural(box.open, "connection")} of it ${box.open === 1 ? "ends" : "end"} now.`
          : "";
        terminal.out(`${capital(who)} loses this peer until it joins with another code.${open}\n`);
        if (!askClearly(`Revoke "${name}"?`, false)) {
          terminal.out("Nothing was changed.\n");
          return 1;
        }
      }
      await core.revokeBox(name);
      print({ revoked: name }, () =>
        core.live
          ? `Box "${name}" is revoked: its connections are ended, and its key opens nothing any more.`
          : `Box "${name}" is revoked: its key opens nothing with the next otb up.`);
    }),
});

const join = verb("join", {
  brief: "Have this box join with another code; all other settings stay.",
  example: "sudo otb peer join -",
  options: { code: argument(string({ metavar: JOIN_WORD }), { description: joinDescription }) },
  async run({ code }, { print, withCore, terminal }) {
    const joinCode = await readJoinCode(code, terminal, (word) => `otb peer join ${word}`);
    await withCore(async (core) => {
      const { address, port } = await core.join(joinCode);
      print(
        { peer: { address, port } },
        () =>
          core.live
            ? `This box uses the peer ${address} port ${port} with the new key now.`
            : `This box will use the peer ${address} port ${port} with the new key.`,
      );
    });
  },
});

const box = group(
  "box",
  "The boxes that belong to this peer.",
  [list, add, code, rename, revoke],
  "sudo otb peer box list",
);

/** `otb peer`. */
export const peerVerbs = group(
  "peer",
  "On a peer its boxes; on a box the peer that it joined.",
  [box, join],
  "sudo otb peer box add cabin",
);

/** A table, and what is to be done about a key that several boxes share. Pure but for the time. */
function lines(boxes: BoxReport[], width: number): string[] {
  if (boxes.length === 0) return ["No box belongs to this peer. Add one: sudo otb peer box add NAME"];
  const when = (ms: number | undefined) =>
    ms === undefined ? "not known" : `${duration(Date.now() - ms)} ago`;
  const former = boxes.find((box) => box.former);
  return [
    ...table(
      [
        { title: "BOX" },
        { title: "KEY" },
        { title: "ADDED" },
        { title: "LAST SEEN" },
        { title: "CONNECTIONS", align: "right" },
      ],
      boxes.map((box) => [
        box.name,
        box.former ? "former, shared" : "its own",
        when(box.addedAtMs),
        when(box.lastSeenMs),
        box.open === undefined ? "-" : String(box.open),
      ]),
      width,
    ),
    ...former
      ? [
        "",
        `"${former.name}" is every box that joined before each had a key of its own. To give them theirs:`,
        "  sudo otb peer box add NAME           here, once for each box",
        "  sudo otb peer join -                 on that box, with the code that was printed",
        `  sudo otb peer box revoke ${former.name}         here, once all have theirs`,
      ]
      : [],
  ];
}

function capital(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}
