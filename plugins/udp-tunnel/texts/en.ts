// What udp-tunnel says to people, in English.
import { texts } from "@otb/plugin";

export const en = texts({
  conditions: {
    "tunnel-box-older": {
      text: "A box runs an older otb, whose tunnel this peer no longer speaks",
      next: "Update otb on that box.",
    },
    "tunnel-device-lost": {
      text: "The tunnel's device {device} does not stay: {why}",
      next: 'Find who deletes or renames it ("ip monitor link" tells when), and let it leave {device} alone.',
    },
    "tunnel-flows-brief": {
      text:
        "Who registered a phone may not be called back after half a minute of silence, as the kernel refused to remember flows for longer: {reason}",
      next: "Use a kernel with CONFIG_NF_CONNTRACK_TIMEOUT, which Debian's has.",
    },
    "tunnel-key-missing": {
      text: "There is no tunnel, as this box does not know its peer's key for it: only TCP is carried",
      next: "Print the join code at the peer anew ({@code}), and set the box up with it.",
    },
    "tunnel-refused": { text: "The kernel refused what the tunnel needs: {reason}" },
  },
  phrases: {
    "cannot-be-made": "it cannot be made again: {reason}",
    "deleted": "somebody deletes it again and again",
  },
});
