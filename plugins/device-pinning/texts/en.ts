// What device-pinning says to people, in English.
import { texts } from "@otb/plugin";

export const en = texts({
  conditions: {
    "past-the-peer": {
      text: "No peer answers{how}",
      next: "It ends by itself when a peer answers again: {@status}.",
    },
    "past-the-tunnel": {
      text: "The tunnel to the peer is down ({reason}): {how}",
      next: "It ends by itself when the tunnel is up again: {@status}.",
    },
    "rule-shadowed": {
      text: 'Rule "{rule}" can never match, as rule "{by}" before it takes all of it{more}.',
      next: "{@move}, or {@remove}.",
    },
  },
  phrases: {
    "kept-in": ", and the kill-switch keeps devices from leaving past it.",
    "let-out": ": devices leave by the best link alone, with its public address.",
    "refused": "UDP, ICMP and the like are refused.",
    "leaves": "UDP, ICMP and the like leave by the best link alone, with its public address.",
    "and-more": "; so it is with {count} more",
  },
});
