// What delay and loss do to a call, as ITU-T G.107 (the E-model) says it: a rating R, and the mean opinion score. Pure.

/** A codec's own impairment and how it stands losses at random (ITU-T G.113 appendix I), and its delay on both ends. */
export interface Codec {
  name: string;
  /** Equipment impairment factor without loss. */
  ie: number;
  /** Packet-loss robustness factor. */
  bpl: number;
  /** Packetisation and look-ahead, milliseconds. */
  codecMs: number;
  bytes: number;
  packetsPerSecond: number;
}

/** RTP header (RFC 3550 section 5.1). */
const RTP_BYTES = 12;
/** G.711 with loss concealment, 20 ms packets. */
export const G711: Codec = {
  name: "G.711",
  ie: 0,
  bpl: 25.1,
  codecMs: 20,
  bytes: 160 + RTP_BYTES,
  packetsPerSecond: 50,
};
/** Opus at about 32 kbit/s: G.113 has no figures, those are of the nearest, AMR-WB at 23 kbit/s on the narrowband scale, with FEC. */
export const OPUS: Codec = {
  name: "Opus",
  ie: 1,
  bpl: 20,
  codecMs: 26.5,
  bytes: 80 + RTP_BYTES,
  packetsPerSecond: 50,
};

/** All of the basic ratio without any impairment (G.107, default values). */
const R0 = 93.2;
/** The playout buffer adds what the receiver waits for late packets: from the least to the 95 % delay. */
export interface Heard {
  /** One way through the network, median or playout point, milliseconds. */
  networkMs: number;
  /** 0 to 1; what comes after the playout point counts as lost. */
  lossShare: number;
}

/** The rating factor R, 0 to 93.2. */
export function rating({ networkMs, lossShare }: Heard, { ie, bpl, codecMs }: Codec): number {
  const delay = delayImpairment(networkMs + codecMs);
  const percent = 100 * lossShare;
  const equipment = ie + (95 - ie) * percent / (percent + bpl);
  return Math.max(0, R0 - delay - equipment);
}

/** Idd of G.107 (section 7.4) for one-way absolute delay; echo is perfect. */
function delayImpairment(ms: number): number {
  if (ms <= 100) return 0;
  const x = Math.log2(ms / 100);
  return 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2);
}

/** Mean opinion score, 1 to 4.5 (G.107 annex B). */
export function meanOpinionScore(r: number): number {
  if (r <= 0) return 1;
  if (r >= 100) return 4.5;
  return Math.max(1, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6);
}
