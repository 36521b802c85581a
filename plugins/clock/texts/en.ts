// What clock says to people, in English.
import { texts } from "@otb/plugin";

export const en = texts({
  conditions: {
    "clock-unknown": {
      text: "Nobody confirms the clock, which the peer needs to be right to 30 s: {doubt}",
      next: "Compare it (date), or name time servers that answer: {@servers}.",
    },
    "clock-wrong": { text: "The clock is wrong{how}", next: "{advice}" },
  },
  phrases: {
    "past": ": it says {time}, which has long passed{why}",
    "off": " by {seconds} s, and the peer refuses more than 30 s",
    "why": " ({doubt})",
    "set-by-hand": "Set it by hand (date -s), or name time servers that answer: {@servers}.",
    "no-link": "no link is up",
    "silent": "no time server answers",
    "refused": "what the servers say is refused: {why}",
    "one-server": "only one server answers",
    "differ": "the servers tell different times",
    "links-differ": "what servers say differs from link to link",
    "before": "it would be before {time}, which has passed",
    "one-link-jumps": "one link alone asks for a jump of a clock that was right",
    "let-otb": "Set it, or let otb keep it: {@correct}.",
  },
});
