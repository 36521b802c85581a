// A modem's LAN side in the lab: its address, where its cable goes, and the DHCP server that it runs. Pure.

/** Server programs by turns: dnsmasq, busybox's udhcpd, ISC dhcpd. */
export const SERVERS = ["dnsmasq", "udhcpd", "isc"] as const;
export type ServerKind = (typeof SERVERS)[number];

/** What may be said of a modem beside its link. */
export interface ModemSpec {
  /** `port`: a port of the box for it alone (the default); `lan`: the segment of the LAN. */
  cable?: "port" | "lan";
  /** Its address, CIDR; default `192.168.(10+i).1/24`. */
  address?: string;
  /** Its Ethernet address on that side. */
  mac?: string;
  /** The server that it runs from the start; none when absent. */
  dhcp?: ServerKind;
  /** First and last address that the server gives; default .100 to .150. */
  pool?: [first: string, last: string];
  /** Lease time, default 120; isc and udhcpd take it as it is, dnsmasq at least 120. */
  leaseSeconds?: number;
  /** The netmask that the server tells, where it is not the subnet's. */
  toldMask?: string;
  /** The server tells no router: one of a LAN without a way out. */
  noRouter?: boolean;
  /** Starts with its cable out. */
  unplugged?: boolean;
}

/** The modem's address of the i-th link where nobody says another. */
export function addressOf(spec: ModemSpec | undefined, index: number): string {
  return spec?.address ?? `192.168.${10 + index}.1/24`;
}

/** The configuration file of one server; `folder` takes its leases. */
export function serverConfig(kind: ServerKind, spec: ModemSpec, address: string, folder: string): string {
  const [router = "", length] = address.split("/");
  const base = router.split(".").slice(0, 3).join(".");
  const [first, last] = spec.pool ?? [`${base}.100`, `${base}.150`];
  const lease = Math.max(spec.leaseSeconds ?? 120, kind === "dnsmasq" ? 120 : 0);
  const mask = spec.toldMask ?? maskOf(Number(length));
  switch (kind) {
    case "dnsmasq":
      return [
        "port=0\ninterface=lan\nbind-interfaces\nuser=root\nno-ping\ndhcp-authoritative\nno-resolv\nno-hosts",
        `dhcp-leasefile=${folder}/leases\npid-file=`,
        `dhcp-range=${first},${last},${maskOf(Number(length))},${lease}`,
        spec.noRouter ? "dhcp-option=option:router" : `dhcp-option=option:router,${router}`,
        `dhcp-option=option:dns-server,${router}`,
        ...(spec.toldMask ? [`dhcp-option-force=option:netmask,${spec.toldMask}`] : []),
      ].join("\n") + "\n";
    case "udhcpd":
      return [
        `start ${first}\nend ${last}\ninterface lan\nlease_file ${folder}/leases\npidfile ${folder}/pid`,
        `option subnet ${mask}\n${
          spec.noRouter ? "" : `option router ${router}`
        }\noption dns ${router}\noption lease ${lease}`,
        `min_lease ${Math.min(60, lease)}\nauto_time 0`,
      ].join("\n") + "\n";
    case "isc":
      return [
        `authoritative;\nping-check false;\ndefault-lease-time ${lease};\nmax-lease-time ${lease};`,
        `subnet ${networkOf(address)} netmask ${maskOf(Number(length))} {`,
        `  range ${first} ${last};\n  ${
          spec.noRouter ? "" : `option routers ${router};`
        }\n  option domain-name-servers ${router};`,
        ...(spec.toldMask ? [`  option subnet-mask ${spec.toldMask};`] : []),
        "}",
      ].join("\n") + "\n";
  }
}

/** The command of a server that stays in the foreground; its configuration and leases are in `folder`. */
export function serverCommand(kind: ServerKind, folder: string): string[] {
  const config = `${folder}/config`;
  return {
    dnsmasq: ["dnsmasq", "--keep-in-foreground", `--conf-file=${config}`],
    udhcpd: ["busybox", "udhcpd", "-f", config],
    isc: ["dhcpd", "-4", "-f", "-q", "-cf", config, "-lf", `${folder}/leases`, "--no-pid", "lan"],
  }[kind];
}

function maskOf(length: number): string {
  const value = 2 ** 32 - 2 ** (32 - length);
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

function networkOf(cidr: string): string {
  const [address = "", length = "24"] = cidr.split("/");
  const size = 2 ** (32 - Number(length));
  const value = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const start = Math.floor(value / size) * size;
  return [24, 16, 8, 0].map((shift) => Math.floor(start / 2 ** shift) % 256).join(".");
}
