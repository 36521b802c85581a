// The text of otb's systemd unit (systemd.service(5), systemd.exec(5)). Pure.

/** What of root's rights otb needs, and what for; nothing that it starts has another one. Shown to be enough by tests/system. */
export const CAPABILITIES: { [name: string]: string } = {
  CAP_NET_ADMIN: "addresses, routes, nftables, TUN, transparent sockets",
  CAP_NET_RAW: "DHCP and ARP on links, sockets bound to a link",
  CAP_NET_BIND_SERVICE: "DNS and DHCP for the LAN",
  CAP_SYS_TIME: "the clock, which keys depend on",
  CAP_SYS_PTRACE: "whose sockets are open: sshd's port is left open by its program's name",
  CAP_SETUID: "dnsmasq and unbound become users of their own",
  CAP_SETGID: "the same for their groups",
  CAP_SETPCAP: "they and igmpproxy are given fewer rights than these",
  CAP_CHOWN: "their files are theirs",
  CAP_FOWNER: "modes of files that are theirs",
  CAP_DAC_OVERRIDE: "their files are read, and logs kept",
  CAP_KILL: "they are ended",
};

/** What confines the service, and why it can still work; `state` is where settings lie. */
function confinement(state: string, tree: string): [reason: string, ...lines: string[]][] {
  const isHome = /^\/(home|root|run\/user)(\/|$)/.test(state);
  return [
    [
      "All of the file system is read-only but the settings and the cache of compiled code.",
      "ProtectSystem=strict",
      `ReadWritePaths=${path(state)} ${path(`${tree}/.cache`)}`,
    ],
    [
      "But for sockets and records of processes, in memory: they outlive the core, as plugins do, and not the machine.",
      "RuntimeDirectory=otb",
      "RuntimeDirectoryMode=0700",
      "RuntimeDirectoryPreserve=yes",
    ],
    isHome
      ? ["Settings lie in a home directory, so homes can be read.", "ProtectHome=read-only"]
      : ["Nothing of otb lies in anybody's home.", "ProtectHome=yes"],
    /^(\/var)?\/tmp(\/|$)/.test(state)
      ? ["Settings lie in /tmp, so that is everybody's (no PrivateTmp)."]
      : ["What it puts into /tmp is its own.", "PrivateTmp=yes"],
    [
      "Devices: the TUN device, and /dev/null and the like.",
      "DevicePolicy=closed",
      "DeviceAllow=/dev/net/tun rw",
    ],
    [
      Object.entries(CAPABILITIES).map(([name, reason]) => `${name}: ${reason}`).join("\n# "),
      `CapabilityBoundingSet=${Object.keys(CAPABILITIES).join(" ")}`,
    ],
    [
      "It starts programs that need fewer rights than itself, never more.",
      "NoNewPrivileges=yes",
      "RestrictSUIDSGID=yes",
    ],
    [
      "Core and plugins, TCP and UDP, the kernel's network settings, DHCP and ARP.",
      "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET",
    ],
    [
      "Kernel settings under net are its work (no ProtectKernelTunables), and so is the clock (no ProtectClock); these are not.",
      "ProtectKernelModules=yes",
      "ProtectKernelLogs=yes",
      "ProtectControlGroups=yes",
      "ProtectHostname=yes",
    ],
    [
      "Nothing of it makes namespaces, runs in real time or for another machine; keys of the kernel are not shared with it.",
      "RestrictNamespaces=yes",
      "RestrictRealtime=yes",
      "LockPersonality=yes",
      "SystemCallArchitectures=native",
      "KeyringMode=private",
    ],
    [
      "Mounting, loading code into the kernel, ports of hardware, swapping and restarting are never its work.",
      "SystemCallFilter=~@mount @module @raw-io @swap @reboot @obsolete @cpu-emulation",
      "SystemCallErrorNumber=EPERM",
    ],
    ["What it writes is for root alone.", "UMask=0077"],
    ["V8 compiles while it runs, which MemoryDenyWriteExecute would forbid: it is not set."],
  ];
}

/** The unit that runs the tree `tree` on `state`; both absolute. */
export function serviceUnit(tree: string, state: string): string {
  const otb = (verb: string) => `${word(`${tree}/otb`)} ${verb} --state ${word(state)}`;
  // KillMode=process: a core that dies leaves its plugins at work, and the next one takes them over; ExecStop ends all.
  return `[Unit]
Description=Over The Box: several Internet links as one
After=network-pre.target
Wants=network-pre.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${otb("up")}
ExecStop=${otb("down")}
Restart=always
RestartSec=1
KillMode=process
TimeoutStartSec=15min
TimeoutStopSec=60
LimitNOFILE=1048576
# Programs of the system alone: /usr/local may belong to others than root.
Environment=PATH=/usr/sbin:/usr/bin:/sbin:/bin

${confinement(state, tree).map(([reason, ...lines]) => [`# ${reason}`, ...lines, ""].join("\n")).join("\n")}
[Install]
WantedBy=multi-user.target
`;
}

/** One word of a command line: quoted, with specifiers and variables taken literally. */
function word(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%").replaceAll("$", "$$$$")}"`;
}

/** One path of a list: quoted, with specifiers taken literally. */
function path(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%")}"`;
}
