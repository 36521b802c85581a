// What mptcp-scheduler says to people, in English.
import { texts } from "@otb/plugin";

export const en = texts({
  conditions: {
    "counters-refused": { text: "The kernel refused the counters for the links: {reason}" },
    "endpoints-refused": { text: "The kernel refused the endpoints for the links: {reason}" },
    "redirects-refused": { text: "The kernel refused the redirects for the links: {reason}" },
    "routes-refused": { text: "The kernel refused the routes for the links: {reason}" },
    "ways-refused": { text: "The kernel refused the ways for the links: {reason}" },
    "link-network-odd": {
      text:
        "An address of a link is in a network larger than any home's: {odd}. Only the gateway is reached in clear; everything else goes through the peer as always",
      next:
        "Give the address its network's real length, in the link's settings or where its interface gets it.",
    },
    "mptcp-stripped": {
      text: "Multipath TCP does not pass {links}: connections do not use it together with the others",
      next: "The modem or its operator removes it; another modem mode or operator may not.",
    },
    "mptcp-unavailable": {
      text: "Multipath TCP passes no link: each connection uses one link only",
      next: "Look whether the peer's kernel has MPTCP on (sysctl net.mptcp.enabled), and ask the operators.",
    },
    "peer-gone": {
      text: "The peer {address}:{port} is gone: {why}",
      next: "Look whether it runs ({@status} there) and whether a firewall lets its port through.",
    },
  },
  phrases: {
    "named": '"{name}"',
    "has": '"{name}" has {network}',
    "nobody-reached": "no link reaches anybody",
    "answers-again": "it answers again",
    "nothing-listens": "its address answers, but nothing listens on its port",
    "not-reached": "no link reaches it",
  },
});
