// What resolver says to people, in English.
import { texts } from "@otb/plugin";

export const en = texts({
  conditions: {
    "resolver-down": {
      text: "No resolver answers, so names are not found: {reason}",
      next: "Look whether the peer can be reached ({@links}).",
    },
    "resolver-ended": {
      text: "The resolver for boxes ended and is started again: {reason}",
      next: "Look into the log ({@logs}); the port may be taken.",
    },
    "resolver-second-way": {
      text: "The peer's resolver does not answer, and another one is asked: {reason}",
      next: "Look whether the peer runs, and its plugin resolver ({@status} there).",
    },
  },
  phrases: {
    "peer-gone": "the peer is gone",
    "nobody": "nobody can be reached",
  },
});
