// The ends of a session keep each other informed: what came over each path, how large and how fast it is, and whether it lives.
// From that follows what the scheduler knows of the paths.
import { Errno } from "../../../core/native/ffi.ts";
import { type Control, decodeControl, encodeControl, type PathEntry } from "./control.ts";
import { type Delivery, MAX_PATHS, type PathState } from "../schedule/delivery.ts";
import type { Epochs } from "./epochs.ts";
import type { TunnelPath } from "../paths/path.ts";
import type { PathReport } from "../paths/path_meter.ts";
import type { Shared } from "../ends/shared.ts";
import { TRAIN_BYTES } from "../paths/train.ts";
import { CLEAR_BYTES, CONTROL, CONTROL_TOS, PADDING, SEALED_BYTES, TAG_BYTES } from "../wire.ts";

/** While something is going on, and while nothing is: often enough for NAT to remember the path (RFC 4787 REQ-5 wants 2 min, many have 30 s). */
const BEAT_US = 100_000, IDLE_BEAT_US = 10_000_000;
/** Whose packets come is told that they do more often: it sees all the sooner when they do not. */
const ECHO_US = 50_000;
/** What was heard so long ago is told no more: a quarter of what the times on the wire can say. */
const ECHO_OLD_US = 2 ** 30;
/** What the far end says that goes on there is believed so long; and so long a new path keeps both ends busy. */
const ACTIVE_US = 2_000_000, BEGIN_US = 5_000_000;
/** A suspect path is asked this often, and one that was never confirmed. */
const ASK_US = 300_000, IDLE_ASK_US = 1_000_000;
/** How often paths are looked at while something is going on. */
export const WATCH_US = 20_000;
/** Kinds of padding, and the bytes that tell them: kind and round. */
const SIZE_PROBE = 1, TRAIN = 2, PADDING_HEAD_BYTES = 2;
const UNKNOWN: PathState = {
  tier: 2,
  isUsable: false,
  rateBitsPerSecond: 0,
  isStarting: true,
  owdUs: 0,
  lossRatio: 0,
};

/** What a beat needs of its session. */
interface Beating {
  /** The cloud follows the box's addresses and wishes. */
  readonly isCloud: boolean;
  readonly shared: Shared;
  readonly epochs: Epochs;
  readonly delivery: Delivery;
  /** By the number of the path. */
  readonly paths: (TunnelPath | undefined)[];
  readonly counts: { bad: number };
  isInUse(nowUs: number): boolean;
  /** Queues what the ends tell each other: `length` bytes at `offset`, a spare slot's. */
  tell(index: number, offset: number, length: number, content: number, tos: number, nowUs: number): void;
}

export class Beat {
  #beat = 0;
  #seenBeat = -1;
  #beatUs = -Infinity;
  #echoedUs = -Infinity;
  /** Packets came since the far end was told. */
  #hasNews = false;
  /** Something came that wants an answer. */
  #owes = false;
  /** When the far end last said that something is going on there, and a path last began. */
  #farActiveUs = -Infinity;
  #beganUs = -Infinity;
  readonly #states: PathState[] = new Array(MAX_PATHS).fill(UNKNOWN);
  /** The path that carries although it is suspect, as none is better; -1: none has to. */
  #lastResort = -1;
  /** Told when a path's state, size or address changed, for facts and claims. */
  onChange: () => void = () => {};

  constructor(private readonly session: Beating) {}

  /** When `tick` has something to do next. */
  nextUs(nowUs: number): number {
    if (this.#isActive(nowUs)) return nowUs + WATCH_US;
    const asks = this.session.paths.some((path) => path?.isWished && path.liveness.state !== "up");
    const waits = this.session.paths.some((path) => path?.liveness.isWaiting);
    const beatUs = this.#beatUs + IDLE_BEAT_US;
    return waits ? nowUs + WATCH_US : asks ? Math.min(beatUs, nowUs + IDLE_ASK_US) : beatUs;
  }

  /** Judges the paths and tells the far end what is due. Sockets have been read before. */
  tick(nowUs: number): void {
    const { session } = this;
    if (!session.epochs.keys) return;
    let isChanged = false;
    for (const path of session.paths) {
      if (path?.liveness.look(path.roundTrip.timeoutUs(0), nowUs)) isChanged = true;
    }
    const isActive = this.#isActive(nowUs);
    // An answer wants none: two idle ends would keep each other awake.
    const isReply = !isActive && this.#owes, wantsAnswer = !isReply;
    if (isReply || nowUs - this.#beatUs >= (isActive ? BEAT_US : IDLE_BEAT_US)) {
      this.#beatUs = this.#echoedUs = nowUs;
      this.#beat = this.#beat + 1 >>> 0;
      this.#tellAll(nowUs, wantsAnswer, true);
    } else if (this.#hasNews && nowUs - this.#echoedUs >= ECHO_US) {
      this.#echoedUs = nowUs;
      this.#tellAll(nowUs, wantsAnswer, false);
    } else this.#ask(nowUs, isActive);
    for (const [index, path] of session.paths.entries()) {
      if (path && path.isWished && path.liveness.state === "up") this.#probe(index, path, isActive, nowUs);
    }
    if (isChanged) this.#changed(nowUs);
    session.epochs.tidy(nowUs);
  }

  /** The far end shall hear of it at once. */
  hurry(): void {
    this.#beatUs = -Infinity;
  }

  /** A path came: its size and speed are to be found. */
  begins(nowUs: number): void {
    this.#beganUs = nowUs;
    this.hurry();
  }

  /** The scheduler learns that paths came, went or changed. */
  changed(nowUs: number): void {
    this.#changed(nowUs);
  }

  /** Takes a message of the far end. */
  take(index: number, at: number, length: number, atUs: number): void {
    const { session } = this;
    const control = decodeControl(session.shared.in.bytes, at, length);
    const path = session.paths[index];
    if (!control || !path) {
      session.counts.bad++;
      return;
    }
    if (control.isActive) this.#farActiveUs = atUs;
    if (control.wantsAnswer) this.#owes = true;
    const isNew = this.#seenBeat < 0 || (control.beat - this.#seenBeat | 0) > 0;
    if (isNew) this.#seenBeat = control.beat;
    if (!path.observed || path.observed.some((byte, place) => byte !== control.observed[place])) {
      path.observed = control.observed;
      this.onChange();
    }
    let isChanged = false;
    for (const entry of control.entries) {
      const told = session.paths[entry.path];
      if (told && this.#takeEntry(told, entry, entry.path === index, isNew, atUs)) isChanged = true;
    }
    if (isNew || isChanged) this.#update(atUs);
    if (isChanged) this.onChange();
  }

  /** Takes padding: what it is good for is its size or its time. @param bytes as an IP packet */
  takePadding(path: TunnelPath, at: number, length: number, bytes: number, atUs: number): void {
    if (length < PADDING_HEAD_BYTES) return;
    const from = this.session.shared.in.bytes;
    const kind = from[at], round = from[at + 1]!;
    if (kind === SIZE_PROBE) path.sizes.probe(round, bytes, atUs);
    else if (kind === TRAIN) path.train.packet(round, atUs);
  }

  /** The kernel did not take some datagrams. @param answer what it took, or a negative errno */
  refused(path: TunnelPath, answer: number): void {
    if (answer === -Errno.EMSGSIZE) path.mtu.refused();
  }

  #isActive(nowUs: number): boolean {
    return this.#isBusy(nowUs) || nowUs - this.#farActiveUs < ACTIVE_US;
  }

  /** Something is going on at this end. No more than that is told: what came from the far end would go back to it for ever. */
  #isBusy(nowUs: number): boolean {
    return this.session.isInUse(nowUs) || nowUs - this.#beganUs < BEGIN_US;
  }

  #takeEntry(path: TunnelPath, entry: PathEntry, isSamePath: boolean, isNew: boolean, atUs: number): boolean {
    let isChanged = false;
    if (entry.isHeard) {
      const ageUs = (atUs >>> 0) - entry.echoUs >>> 0;
      // What would be older than the numbers' range is nonsense.
      if (ageUs < 2 ** 31) {
        if (isSamePath) path.roundTrip.sample(Math.max(1, ageUs - entry.heldUs));
        // Whole microseconds: told twice it must be the same moment, and count once.
        if (path.liveness.confirmed(Math.floor(atUs) - ageUs, atUs)) isChanged = true;
      }
    }
    if (path.mtu.seen(entry.mtuRound, entry.mtuBytes, atUs)) isChanged = true;
    path.takeTrain(entry.trainRound, entry.trainKbps);
    if (this.session.isCloud && isNew) {
      if (entry.tier !== path.tier) {
        path.tier = entry.tier;
        isChanged = true;
      }
      path.cap(entry.capKbps * 1000);
    }
    if (isNew) {
      path.farQueueUs = entry.queueUs;
      path.farRateBitsPerSecond = entry.rateKbps * 1_000;
      path.isFarStarting = entry.isStarting;
    }
    if (!entry.report || !isNew) return isChanged;
    const { report } = entry;
    if (report.receivedPackets > 0) path.probe.report(report, path.roundTrip.smoothedUs || 100_000, atUs);
    else path.probe.unused();
    if (!path.isOwdKnown) isChanged = true;
    path.isOwdKnown = true;
    path.owdUs = report.baseUs + path.probe.foreignUs;
    path.report = report;
    return isChanged;
  }

  #changed(nowUs: number): void {
    this.#update(nowUs);
    this.onChange();
  }

  #update(nowUs: number): void {
    const { paths } = this.session;
    const isUp = (path: TunnelPath | undefined) => path?.isWished && path.liveness.state === "up";
    this.#lastResort = -1;
    if (!paths.some(isUp)) {
      let heardUs = -Infinity;
      for (const [index, path] of paths.entries()) {
        // Where something comes from, something may go to.
        const knownUs = path ? Math.max(path.liveness.heardUs, path.echoAtUs) : -Infinity;
        if (!path?.isWished || knownUs <= heardUs) continue;
        heardUs = knownUs;
        this.#lastResort = index;
      }
    }
    for (const [index, path] of paths.entries()) {
      this.#states[index] = path
        ? {
          tier: Math.min(path.tier, 2) as 0 | 1 | 2,
          isUsable: path.isWished && (path.liveness.state === "up" || index === this.#lastResort),
          rateBitsPerSecond: path.probe.rateBitsPerSecond,
          isStarting: path.probe.isStarting,
          owdUs: path.owdUs,
          lossRatio: path.probe.lossRatio,
        }
        : UNKNOWN;
    }
    this.session.delivery.update(this.#states, nowUs);
  }

  /** A packet of the far end's devices came. */
  came(): void {
    this.#hasNews = true;
  }

  /** Everything to everybody: reports count once, whichever way they come. */
  #tellAll(nowUs: number, wantsAnswer: boolean, withReports: boolean): void {
    const { session } = this;
    this.#hasNews = this.#owes = false;
    const entries = session.paths.flatMap((path, index) =>
      path ? [this.#entry(path, index, nowUs, withReports ? this.#measure(path, nowUs) : undefined)] : []
    );
    for (const [index, path] of session.paths.entries()) {
      if (path && (session.isCloud || path.isWished)) this.#tell(index, path, entries, nowUs, wantsAnswer);
    }
  }

  /** Paths that owe an answer are asked in between, without new reports. */
  #ask(nowUs: number, isActive: boolean): void {
    const { session } = this;
    const everyUs = isActive ? ASK_US : IDLE_ASK_US;
    for (const [index, path] of session.paths.entries()) {
      if (!path?.isWished || path.liveness.state === "up" || nowUs - path.sentControlUs < everyUs) continue;
      this.#tell(index, path, [], nowUs, true);
    }
  }

  #tell(index: number, path: TunnelPath, entries: PathEntry[], nowUs: number, wantsAnswer: boolean): void {
    const { session } = this;
    const offset = session.shared.spare();
    const message: Control = {
      beat: this.#beat,
      isActive: this.#isBusy(nowUs),
      wantsAnswer,
      observed: path.remote,
      entries,
    };
    const length = encodeControl(message, session.shared.out.bytes, offset);
    path.sentControlUs = nowUs;
    session.tell(index, offset, length, CONTROL, CONTROL_TOS, nowUs);
    if (wantsAnswer) path.owedUs = nowUs;
  }

  /** What came over a path since the last report. */
  #measure(path: TunnelPath, nowUs: number): PathReport | undefined {
    const { meter, told } = path;
    const measured = meter.report(nowUs);
    if (measured) {
      path.farLoss = measured.lostPackets / Math.max(1, measured.lostPackets + measured.receivedPackets);
    }
    path.queueUs = told.isKnown ? Math.max(0, (told.mostUs || told.baseUs) - told.baseUs) : 0;
    const base = !told.isKnown
      ? meter.delay.baseUs
      : !meter.delay.isKnown
      ? told.baseUs
      : Math.min(told.baseUs, meter.delay.baseUs);
    const { leastUs, mostUs, smoothedUs } = told;
    const isKnown = told.isKnown || meter.delay.isKnown;
    told.beat(nowUs);
    if (measured || !isKnown) return measured;
    // A path that carried nothing is known by what the ends told each other over it.
    return {
      receivedBytes: 0,
      receivedPackets: 0,
      lostPackets: 0,
      receivedSpanUs: 0,
      sentSpanUs: 0,
      excessUs: Math.round(leastUs || base),
      peakUs: Math.round(mostUs || base),
      baseUs: Math.round(base),
      delayUs: Math.round(smoothedUs),
    };
  }

  #entry(path: TunnelPath, index: number, nowUs: number, report: PathReport | undefined): PathEntry {
    return {
      path: index,
      tier: path.tier,
      capKbps: path.capKbps,
      // An older one would look new again to the far end, whose times go round.
      isHeard: nowUs - path.echoAtUs < ECHO_OLD_US,
      echoUs: path.echoUs,
      heldUs: nowUs - path.echoAtUs < ECHO_OLD_US ? Math.max(0, Math.round(nowUs - path.echoAtUs)) : 0,
      mtuRound: path.sizes.round,
      mtuBytes: path.sizes.bytes,
      trainRound: path.train.round,
      trainKbps: path.train.kbps,
      queueUs: Math.min(2 ** 31, path.queueUs),
      rateKbps: Math.min(2 ** 31, Math.round(path.probe.rateBitsPerSecond / 1_000)),
      isStarting: path.probe.isStarting,
      report,
    };
  }

  /** Probes of a path's size and speed that are due. */
  #probe(index: number, path: TunnelPath, isActive: boolean, nowUs: number): void {
    for (const size of path.mtu.due(nowUs, isActive)) {
      this.#pad(index, path, SIZE_PROBE, path.mtu.round, size, nowUs);
    }
    if (!path.isTrainDue(nowUs)) return;
    const { round, packets } = path.beginTrain(nowUs);
    for (let count = 0; count < packets; count++) this.#pad(index, path, TRAIN, round, TRAIN_BYTES, nowUs);
  }

  /** Sends padding that makes an IP packet of `size` bytes. */
  #pad(index: number, path: TunnelPath, kind: number, round: number, size: number, nowUs: number): void {
    const { session } = this;
    const offset = session.shared.spare();
    const length = size - path.ipUdpBytes - CLEAR_BYTES - SEALED_BYTES - TAG_BYTES;
    const { bytes } = session.shared.out;
    bytes.fill(0, offset, offset + length);
    bytes[offset] = kind;
    bytes[offset + 1] = round;
    session.tell(index, offset, length, PADDING, kind === TRAIN ? 0 : CONTROL_TOS, nowUs);
  }
}
