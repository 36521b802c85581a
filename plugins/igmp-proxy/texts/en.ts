// What igmp-proxy says to people, in English.
import { texts } from "@otb/plugin";

export const en = texts({
  conditions: {
    "igmpproxy-ended": {
      text: "Multicast is not fetched: igmpproxy ended and is started again: {reason}",
      next: "Another multicast router may run on this machine; look into the log ({@logs}).",
    },
    "multicast-links": {
      text:
        'Multicast is fetched over one link at a time: over "{link}", and not over {others}, to which other devices are pinned.',
      next: "Pin the devices that need multicast to one link ({@pin}).",
    },
  },
  phrases: {
    "named": '"{name}"',
  },
});
