// Connections to a listener, whatever becomes of single ones.

const AGAIN_MS = 200;

/**
 * Who connects, until the listener is closed. Whom it cannot have is not the last: there were no descriptors, or the caller was
 * gone before it was taken (accept(2)), at which `for await` over the listener itself would end.
 */
export async function* accepted<C extends Deno.Conn>(
  listener: { accept(): Promise<C> },
): AsyncGenerator<C, void> {
  for (;;) {
    try {
      yield await listener.accept();
    } catch (error) {
      if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
      // The next one waits already.
      if (error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.ConnectionAborted) {
        continue;
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}
