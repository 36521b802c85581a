// `otb doctor`: whether this machine can do what otb needs, each in one line with what to do.
import type { Finding } from "../client/mod.ts";
import { shut } from "./shut.ts";
import { paint } from "./terminal.ts";
import { verb } from "./verb.ts";

/** `otb doctor`. */
export const doctorVerb = verb("doctor", {
  brief: "Check whether this machine has what otb needs.",
  example: "otb doctor",
  options: {},
  async run(_, { print, terminal, state }) {
    const findings = [
      ...[await mptcp(), ...["ip", "nft", "tc"].map(program), tun(), library(), root(), clock()],
      ...bridgeFilter(),
      ...await shut(state),
    ];
    const ok = findings.every(({ state }) => state !== "error");
    print({ ok, findings }, () =>
      findings.flatMap(({ name, state, message, next }) => [
        `${mark(state, terminal.colours)} ${name}: ${message}`,
        ...next ? [`        next: ${next}`] : [],
      ]));
    return ok ? 0 : 1;
  },
});

function mark(state: Finding["state"], colours: boolean): string {
  return paint(colours, ({ ok: "green", warning: "yellow", error: "red" } as const)[state], state.padEnd(7));
}

async function mptcp(): Promise<Finding> {
  const name = "Multipath TCP";
  try {
    const enabled = (await Deno.readTextFile("/proc/sys/net/mptcp/enabled")).trim() === "1";
    return enabled
      ? { name, state: "ok", message: `in the kernel (${Deno.osRelease()})` }
      : { name, state: "warning", message: "switched off here; otb up switches it on" };
  } catch {
    return {
      name,
      state: "error",
      message: `not in this kernel (${Deno.osRelease()}): otb was never tried without it`,
      next: "Use a kernel with CONFIG_MPTCP, such as Debian's own since 12.",
    };
  }
}

function program(name: string): Finding {
  for (const directory of (Deno.env.get("PATH") ?? "").split(":")) {
    try {
      if (Deno.statSync(`${directory}/${name}`).isFile) {
        return { name, state: "ok", message: `${directory}/${name}` };
      }
    } catch { /* not there */ }
  }
  const from = name === "nft" ? "nftables" : "iproute2";
  return { name, state: "error", message: "missing", next: `sudo apt-get install -y ${from}` };
}

/** The tunnel for what is not TCP needs it (Documentation/networking/tuntap in the kernel's source). */
function tun(): Finding {
  const name = "tunnel device", path = "/dev/net/tun";
  try {
    if (Deno.statSync(path).isCharDevice) return { name, state: "ok", message: path };
  } catch { /* not there */ }
  return {
    name,
    state: "error",
    message: `no ${path}: UDP and everything else that is not TCP cannot go through the peer`,
    next: "sudo modprobe tun; a container needs the device given to it, and the capability NET_ADMIN.",
  };
}

/**
 * With br_netfilter, frames between ports of a bridge pass the IP hooks as well (ebtables/br_fw_ia, kernel
 * Documentation/networking/ip-sysctl bridge-nf-call-iptables): a proxy's socket is lost on the way.
 */
export function bridgeFilter(directory = "/proc/sys/net/bridge"): Finding[] {
  const on = ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"].filter((name) => {
    try {
      return Deno.readTextFileSync(`${directory}/${name}`).trim() !== "0";
    } catch {
      return false;
    }
  });
  return on.length === 0 ? [] : [{
    name: "bridges",
    state: "warning",
    message: "what crosses a bridge passes the IP rules too (br_netfilter, which Docker switches on): " +
      "if the LAN's interface is a bridge, the TCP of its devices does not reach the proxy",
    next: `With such a LAN, and where no container needs it: sudo sysctl -w ${
      on.map((name) => `net.bridge.${name}=0`).join(" ")
    }`,
  }];
}

function library(): Finding {
  const name = "native library";
  for (const place of ["lib", "target/release"]) {
    const path = new URL(`../../${place}/libotb_native.so`, import.meta.url).pathname;
    try {
      Deno.statSync(path);
      return { name, state: "ok", message: path };
    } catch { /* not there */ }
  }
  return { name, state: "error", message: "not built", next: "./otb build" };
}

function root(): Finding {
  return Deno.uid() === 0 ? { name: "rights", state: "ok", message: "root" } : {
    name: "rights",
    state: "warning",
    message: "not root: otb up and most verbs need it",
    next: "sudo otb doctor",
  };
}

/** The keys of a connection hold for 30 s of clock difference (SIP022 3.1.3). */
function clock(): Finding {
  const name = "clock";
  const year = new Date().getFullYear();
  return year >= 2025
    ? { name, state: "ok", message: `${new Date().toISOString()}; box and peer may differ by 30 s` }
    : {
      name,
      state: "error",
      message: `stands at ${new Date().toISOString()}`,
      next: "Set the clock, for example with systemd-timesyncd.",
    };
}
