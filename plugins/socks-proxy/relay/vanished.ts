// Tells who vanished: a device without power, a target whose line is dead. Neither says a word of it, so the kernel asks them
// while nothing is said, and what waits for an answer waits for some minutes only.
import type { Keepalive, TcpInfo } from "../../../core/native/ffi.ts";

/** How long devices and targets may say nothing. Less would end what a Wi-Fi that is away for a minute lets live. */
export const patience: Keepalive & { silentMs: number; roundSeconds: number } = {
  // While nothing waits the kernel asks: three minutes in all.
  idleSeconds: 120,
  intervalSeconds: 15,
  count: 4,
  // While something does it only sends that again, for a quarter of an hour: a look at all of them in so many seconds finds who
  // has confirmed nothing.
  silentMs: 180_000,
  roundSeconds: 15,
};

/** Times in a row that it was sent something again or asked in vain: one may be lost, and the next be under way. */
const UNANSWERED = 3;

/**
 * Whether whoever is at the other end of a connection is gone. TCP_USER_TIMEOUT (tcp(7)) would end those too who answer every
 * question but take nothing, as a film that pauses does. Pure.
 */
export function isVanished(
  { lastAckReceivedMs, unanswered }: Pick<TcpInfo, "lastAckReceivedMs" | "unanswered">,
): boolean {
  return unanswered >= UNANSWERED && lastAckReceivedMs >= patience.silentMs;
}

/** TCP's state of a socket that is over, by whatever ended it (linux/tcp_states.h). */
const CLOSED = 7;

/**
 * Whether a connection of a device or target came to its end without a word: it vanished, or it broke while nobody listened to it.
 * @param hasEnded both directions have ended in order, or the last is about to
 */
export function isLost(info: TcpInfo | undefined, hasEnded: boolean): boolean {
  return info !== undefined && (isVanished(info) || info.state === CLOSED && !hasEnded);
}
