// Which labs there are: what each was made of, whether it stands, and who takes away what a crashed one left.
import { OtbError } from "@otb/plugin";
import { startTicks } from "../../core/supervisor/process.ts";
import type { EmulationKind } from "./emulation.ts";
import type { CutDrops } from "./emulation_netem.ts";
import type { ModemSpec } from "./modem.ts";
import type { LinkSpec } from "./parse.ts";

/** Where each lab has a folder with its state. */
export const STATES = "/run/otb-lab";

/** What `up` builds. */
export interface LabSpec {
  links: LinkSpec[];
  devices?: number;
  /** The box's address on the LAN, a /24; default `192.168.100.1/24`. Devices have .10 and up, and it as their gateway. */
  lan?: string;
  /** The server, the sites, the box and its devices have IPv6 addresses too: ipv6.ts. */
  ipv6?: boolean;
  /** What is special of each link's modem, in the same order. */
  modems?: ModemSpec[];
  /** Ends with the process that made it: the next `sweepDeadLabs` takes it away. */
  owner?: boolean;
}

/** What is kept of a lab. */
export interface State {
  spec: LabSpec;
  emulation?: EmulationKind;
  /** Our own emulator's process. */
  emulator?: { pid: number; startTicks: string };
  /** What netem dropped by being cut. */
  cuts: { [device: string]: CutDrops };
  /** DHCP servers that run, by link. */
  servers?: { [link: string]: { pid: number; startTicks: string } };
  /** How often each modem's public address was changed. */
  addresses?: { [link: string]: number };
  owner?: { pid: number; startTicks: string };
}

/**
 * Has `sweepDeadLabs` take away the namespaces `otb-<name>-<role>`, and all that runs in them, when this process ends without
 * having done it; the returned function takes that back.
 */
export function endWithMe(name: string): () => void {
  requireLabName(name);
  const state: State = {
    spec: { links: [] },
    cuts: {},
    owner: { pid: Deno.pid, startTicks: startTicks(Deno.pid)! },
  };
  Deno.mkdirSync(`${STATES}/${name}`, { recursive: true, mode: 0o700 });
  Deno.writeTextFileSync(`${STATES}/${name}/lab.json`, JSON.stringify(state));
  return () => {
    try {
      Deno.removeSync(`${STATES}/${name}`, { recursive: true });
    } catch {
      // It is gone.
    }
  };
}

/** Names of the labs that left a trace, whether or not they are up. */
export function knownLabs(): string[] {
  try {
    return [...Deno.readDirSync(STATES)].map(({ name }) => name).sort();
  } catch {
    return [];
  }
}

/** Whether a lab is up: its maker lives where it ends with it, and so does what emulates its links. */
export function stands(name: string): boolean {
  const state = readState(name);
  if (!state) return false;
  if (state.owner) return alive(state.owner);
  return state.emulation === "netem" ? listNamespaces().includes(`otb-${name}-emu`) : alive(state.emulator);
}

/** The error of raising one that is up. */
export function labExists(name: string): OtbError {
  return new OtbError(
    "lab-exists",
    `Cannot raise a lab as one of that name is up: current value is "${name}"`,
    `otb lab down ${name}`,
  );
}

/** What is kept of a lab; undefined where there is none. */
export function readState(name: string): State | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(`${STATES}/${name}/lab.json`));
  } catch {
    return undefined;
  }
}

/** @throws OtbError `lab-name-invalid` */
export function requireLabName(name: string): void {
  if (/^[a-z][a-z0-9]{0,23}$/.test(name)) return;
  throw new OtbError(
    "lab-name-invalid",
    `Cannot use a lab's name as it must be 1 to 24 small letters and digits: current value is "${name}"`,
  );
}

/** Names of all network namespaces of this machine. */
export function listNamespaces(): string[] {
  try {
    return [...Deno.readDirSync("/run/netns")].map(({ name }) => name);
  } catch {
    return [];
  }
}

/** Whether it is still the process that it was. */
export function alive(process: { pid: number; startTicks: string } | undefined): boolean {
  return process !== undefined && startTicks(process.pid) === process.startTicks;
}
