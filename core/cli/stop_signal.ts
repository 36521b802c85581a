// The end that a person or the system asks for by a signal.

/**
 * Aborted by the first Ctrl-C (or SIGTERM, SIGHUP); the next one ends the process on the spot.
 *
 * @param holdBack asked at the first Ctrl-C alone: when it answers true, that one is passed over and the next one aborts
 */
export function stopSignal(holdBack?: () => Promise<boolean>): AbortSignal {
  const stopped = new AbortController();
  const stop = () => {
    if (stopped.signal.aborted) Deno.exit(130);
    stopped.abort();
  };
  let wasAsked = holdBack === undefined;
  const interrupt = () => {
    if (wasAsked) return stop();
    wasAsked = true;
    holdBack!().then((isHeld) => isHeld || stop(), stop);
  };
  Deno.addSignalListener("SIGINT", interrupt);
  for (const signal of ["SIGTERM", "SIGHUP"] as const) Deno.addSignalListener(signal, stop);
  return stopped.signal;
}
