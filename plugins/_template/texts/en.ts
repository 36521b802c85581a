// What my-plugin says to people, in English.
import { texts } from "@otb/plugin";

export const en = texts({
  conditions: {
    "too-few-links": {
      text: "Only {up} of {count} links are up, and {atLeast} should be.",
      next: "Look at {@status}, or lower {@fewer}.",
    },
  },
});
