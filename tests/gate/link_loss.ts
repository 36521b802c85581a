// How the loss of a link travels, as plugins/FACTS.md draws it. Each step by a fact is held against the manifests.
import type { Step } from "./facts.ts";

const SCHEDULER = "mptcp-scheduler", DISCOVERY = "wan-discovery", TUNNEL = "udp-tunnel";

export const LINK_LOSS: Step[] = [
  {
    ...{ from: "TCP of the kernel", by: "nothing acknowledged", to: SCHEDULER },
    does:
      "asks the peer over that link; without an answer the path is `suspect`, and nothing new starts on it",
  },
  {
    ...{ from: SCHEDULER, by: "first-path", to: "socks-proxy" },
    does: "starts new connections and the next bytes of streams on other links",
  },
  {
    ...{ from: SCHEDULER, by: "path", to: DISCOVERY },
    does:
      "asks the peer and others over that link, and judges it by who answers; a line that loses makes it `degraded`",
  },
  {
    ...{ from: DISCOVERY, by: "link-health", to: "core" },
    does: "shows it so, and hands the links to all plugins",
  },
  {
    ...{ from: "core", by: "ctx.links", to: SCHEDULER },
    does: "takes a link that is `down` out of use though the peer may answer over it, as behind a login page",
  },
  {
    ...{ from: SCHEDULER, by: "path", to: "device-pinning" },
    does: "after 2 s sends who is pinned to that link another way, or refuses it, as the rule says",
  },
  {
    ...{ from: "packets of the tunnel", by: "no answer", to: TUNNEL },
    does: "finds out by itself, within a few round trips, and sends nothing over that path until it answers",
  },
  {
    ...{ from: TUNNEL, by: "tunnel-path", to: DISCOVERY },
    does:
      "asks over that link at once and looks for a login page: only the tunnel proves that it is the peer that answers",
  },
  {
    ...{ from: DISCOVERY, by: "link", to: "core" },
    does: "shows a modem that is gone as `away`: the link keeps its place, and the kernel nothing of it",
  },
  {
    ...{ from: SCHEDULER, by: "link-way", to: TUNNEL },
    does: "closes the socket of a link that has no way any more",
  },
  {
    ...{ from: SCHEDULER, by: "peer", to: DISCOVERY },
    does: "asks over every link at once: it is the peer that is gone, or all of them",
  },
  {
    ...{ from: SCHEDULER, by: "peer", to: "socks-proxy" },
    does: "waits while nobody knows, and has the tunnel stand in where only the proxy is gone",
  },
  {
    ...{ from: SCHEDULER, by: "peer", to: "device-pinning" },
    does: "lets devices out past the peer or refuses them, as `whenPeerGone` says",
  },
];
