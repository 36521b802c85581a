// What socks-proxy says to people, in English.
import { texts } from "@otb/plugin";

export const en = texts({
  conditions: {
    "box-full": {
      text: "{boxes} had more connections at once than one box may have, and what was beyond was refused",
      next: "Look for a device there that opens connections without end ({@boxes}).",
    },
    "boxes-refused": { text: "The boxes of this peer stay as they were: {reason}" },
    "clock-skew": {
      text: "A box with the right key came with a clock that is more than 30 s off, and was refused",
      next: "Set the clock of the box, or of this peer.",
    },
    "device-connections": {
      text:
        "Refused what is too much of {devices}: a device has {most} TCP connections at most, and no more than others leave free",
      next: "Look what it does; if it needs more: {@more}",
    },
    "device-flows": {
      text:
        "Refused what is too much of {devices}: a device has {most} flows of all protocols at most, and 1,000 new ones a second",
      next: "Look what it does; if it needs more: {@more}",
    },
    "peer-rejects": { text: "{why}", next: "{advice}" },
    "peer-unreachable": {
      text: "The peer {address} port {port} can't be reached: {reason}",
      next: "Look whether the peer runs ({@status} there) and whether a link works at all ({@links}).",
    },
    "salts-not-kept": {
      text:
        "What was seen of boxes' requests cannot be written: after a restart one could be repeated for a minute",
      next: "Look whether the disk is full: df {directory}",
    },
    "sip004-box-missing": {
      text: 'Older Shadowsocks clients are not served, as no box is called "{box}"',
      next: "{@box}",
    },
    "striping-unknown": {
      text: "The peer does not know striped streams: connections go by Multipath TCP as long as it does not",
      next: "Update otb on the peer, or here: {@mptcp}",
    },
    "tunnel-carries-tcp": {
      text: "The peer's proxy does not answer: new TCP connections go through the tunnel until it does",
      next: "Look whether the plugin socks-proxy runs on the peer ({@status} there).",
    },
  },
  phrases: {
    "and-more": "{names} and {count} more",
    "named": '"{name}"',
    "rejected":
      "The peer takes connections but never answers them: this box's key is none there (any more), or a clock is more than 30 s off",
    "compare": "Compare the clocks (date); then on the peer {@boxes}, and {@code} or add; here {@join}",
    "clock-wrong": "The peer answers nothing as the clock of this box is wrong, and it allows 30 s",
    "set-clock": "Look what keeps the clock from being set ({@status}), or set it by hand (date -s).",
  },
});
