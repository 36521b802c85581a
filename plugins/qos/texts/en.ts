// What qos says to people, in English.
import { texts } from "@otb/plugin";

export const en = texts({
  conditions: {
    "caps-refused": { text: "The kernel refused the caps that keep queues short: {reason}" },
    "classes-refused": { text: "The kernel refused the classes that keep queues short: {reason}" },
    "links-refused": { text: "The kernel refused the links that keep queues short: {reason}" },
    "uplink-refused": { text: "The kernel refused to hold what goes to boxes: {reason}" },
  },
});
