// What the core says to people, in English.
import { texts } from "../contract/text.ts";

export const en = texts({
  conditions: {
    "core-uncaught": {
      text: "Something failed in the core that should not; the rest goes on: {reason}",
      next: "Look into the log for where ({@logs}), and report it.",
    },
    "kernel-undone": {
      text: "Another program keeps undoing what otb puts back ever less often: {what}{more}",
      next: "Find it (NetworkManager, firewalld, a script) and let it leave these alone.",
    },
    "lan-address-useless": { text: "{problem}", next: "{@set}" },
    "lan-interface-missing": { text: "{problem}", next: "{@set}" },
    "lan-interface-useless": { text: "{problem}", next: "{@set}" },
    "link-down": { text: 'Link "{link}" is not usable: {reason}' },
    "link-missing": { text: 'Link "{link}" is not usable: {reason}' },
    "plugin-crash-loop": {
      text: 'Plugin "{plugin}" ends again and again: {reason}',
      next: 'Look at "{@logs}"; it is tried again in 5 minutes.',
    },
    "plugin-restarting": { text: 'Plugin "{plugin}" ended and is started again: {reason}' },
    "plugin-uncaught": {
      text: "Something failed in here that should not; the rest goes on: {reason}",
      next: "Look into the log for where, and tell who makes the plugin.",
    },
    "plugins-changed": {
      text: "The folder of plugins is not as it was when otb started: {came}{and}{went}",
      next: "Start otb anew: {@down}, then {@up}; or systemctl restart otb.",
    },
    "state-not-written": {
      text:
        "The disk of {directory} {matter}: traffic goes on, but no change of settings can be kept, and no log.",
      next: "{advice}",
    },
  },
  phrases: {
    "no-link": 'No link yet: add one with "otb link add"',
    "not-fully": "Not working fully: {which}",
    "plugin-is": "{plugin} is {state}",
    "state-failed": "failed",
    "state-starting": "starting",
    "state-stopped": "stopped",
    "state-waiting-to-restart": "waiting to restart",
    "links-up": "{up} of {count} links up",
    serving: "Serving",
    connections: "{count} {count:connection|connections}",
    rates: "{down} Mbit/s down, {up} Mbit/s up",
    problems: "{count} {count:problem|problems}",
    "and-more": " and {count} more",
    undone: "{resource} ({count} {count:time|times})",
    came: "{plugins} came",
    went: "{plugins} went",
    "disk-full": "is full",
    "disk-read-only": "can only be read",
    "disk-broken": "does not take what is written",
    "free-room":
      "Free some room (du -xh {directory}; journalctl --vacuum-size=50M); all is written by itself then.",
    "check-disk": "Look into dmesg for why; check the file system (fsck), and start the machine anew.",
    "replace-disk": "Look into dmesg; save the state directory (tar), and replace the disk.",
  },
});
