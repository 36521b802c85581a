// What unbound(8) is told at the peer (unbound.conf(5)). Pure.
import type { Config } from "./config.ts";
import { parseUpstream } from "./upstream.ts";

/** The root's keys (https://data.iana.org/root-anchors/): of 2017, and of 2024, which signs from 2026 on. */
const ROOT_KEYS = [
  ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
  ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
];
/** The whole configuration; bounded memory of about 60 MB. */
export function unboundConfig({ port, forwardTo, validate }: Config): string {
  const lines = [
    "server:",
    `interface: 127.0.0.1@${port}`,
    "access-control: 127.0.0.0/8 allow",
    'username: "unbound"',
    'chroot: ""',
    'directory: ""',
    'pidfile: ""',
    "do-daemonize: no",
    "use-syslog: no",
    "verbosity: 1",
    "num-threads: 1",
    "# One connection a box, with many questions under way on each.",
    "incoming-num-tcp: 256",
    "tcp-idle-timeout: 60000",
    "edns-buffer-size: 1232",
    "msg-cache-size: 16m",
    "rrset-cache-size: 32m",
    "key-cache-size: 4m",
    "neg-cache-size: 2m",
    "prefetch: yes",
    "prefetch-key: yes",
    "# What was true within a day, when nobody answers (RFC 8767).",
    "serve-expired: yes",
    "serve-expired-ttl: 86400",
    "serve-expired-client-timeout: 1800",
    "hide-identity: yes",
    "hide-version: yes",
    "harden-algo-downgrade: yes",
    `module-config: "${validate ? "validator " : ""}iterator"`,
    ...(validate ? ROOT_KEYS.map((key) => `trust-anchor: "${key}"`) : []),
    'tls-cert-bundle: "/etc/ssl/certs/ca-certificates.crt"',
    "remote-control:",
    "control-enable: no",
  ];
  const upstreams = forwardTo.flatMap((text) => parseUpstream(text) ?? []);
  if (upstreams.length > 0) {
    lines.push("forward-zone:", 'name: "."', `forward-tls-upstream: ${tls(upstreams) ? "yes" : "no"}`);
    for (const { address, port, tlsName } of upstreams) {
      lines.push(`forward-addr: ${address}@${port}${tlsName ? `#${tlsName}` : ""}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Unbound asks all of a zone by TLS, or none. */
function tls(upstreams: { tlsName?: string }[]): boolean {
  return upstreams.every(({ tlsName }) => tlsName !== undefined);
}
