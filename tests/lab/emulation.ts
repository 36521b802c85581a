// What stands between a modem and the Internet in a lab: rate, delay, queue, loss, jitter and cut, each direction apart.
// The kernel's netem does it where there is one, our own emulator otherwise.
import { OtbError } from "@otb/plugin";
import type { LinkSpec } from "./parse.ts";

/** Counters of one direction of a link since the lab was raised. */
export interface DirectionCounters {
  packets: number;
  bytes: number;
  droppedQueue: number;
  droppedLoss: number;
  droppedCut: number;
}

/** Counters of a link by its name. */
export interface LinkCounters {
  link: string;
  up: DirectionCounters;
  down: DirectionCounters;
}

/** One way to emulate links: number `index` lies between `mod<index + 1>` and `net<index + 1>` in the namespace `emu`. */
export interface Emulation {
  start(): Promise<void>;
  /** Makes both directions of a link what its settings say. */
  shape(index: number, link: LinkSpec): Promise<void>;
  /** Drops every packet silently, both ways; the interfaces keep their carrier. */
  cut(index: number): Promise<void>;
  restore(index: number): Promise<void>;
  counters(): Promise<LinkCounters[]>;
}

export type EmulationKind = "netem" | "own";

/** A queue holds a few packets, however slow the link. */
const LEAST_QUEUE = 6_000;

/** Bytes that wait at most in one direction: what the link's settings say, or 100 ms at its rate, at least 64 KiB. */
export function queueBytes(link: LinkSpec, mbps: number): number {
  if (link.queueMs !== undefined) {
    return Math.round(Math.max(LEAST_QUEUE, mbps * 1e6 / 8 * link.queueMs / 1000));
  }
  return Math.round(link.queueBytes ?? Math.max(65_536, mbps * 1e6 / 8 * 0.1));
}

/**
 * What `wanted` (OTB_LAB_EMULATION) asks for, or netem where the kernel has it.
 *
 * @param hasNetem asks the kernel
 * @throws OtbError `emulation-unknown`, `netem-missing`
 */
export async function chooseEmulation(
  wanted: string | undefined,
  hasNetem: () => Promise<boolean>,
): Promise<EmulationKind> {
  if (wanted === "own") return "own";
  if (wanted !== undefined && wanted !== "netem") {
    throw new OtbError(
      "emulation-unknown",
      `Cannot emulate links as OTB_LAB_EMULATION must be netem or own: current value is "${wanted}"`,
    );
  }
  if (await hasNetem()) return "netem";
  if (wanted === undefined) return "own";
  throw new OtbError(
    "netem-missing",
    'Cannot emulate links with netem as this kernel has none: current value is "netem"',
    "Leave OTB_LAB_EMULATION out: our own emulator does the same.",
  );
}
