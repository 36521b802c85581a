// Asks whether the peer's port takes connections: one over every path at once, ended as soon as one is through.
import { type Native, PollEvents } from "../../../core/native/ffi.ts";
import type { Reactor } from "../relay/reactor.ts";
import type { Path, Transport } from "../transport/transport.ts";

/** Whether anything got through in time. */
export function probePeer(
  { native, reactor, transport }: { native: Native; reactor: Reactor; transport: Transport },
  paths: Path[],
  withinMs: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const open = new Map<number, number>();
    const end = (answered: boolean) => {
      clearTimeout(timer);
      for (const [fd, tag] of open) close(fd, tag);
      resolve(answered);
    };
    const close = (fd: number, tag: number) => {
      open.delete(fd);
      reactor.forget(tag);
      native.abort(fd);
    };
    const timer = setTimeout(() => end(false), withinMs);
    for (const path of paths) {
      let fd: number;
      try {
        fd = transport.connect(path);
      } catch {
        continue;
      }
      const tag: number = reactor.add(fd, PollEvents.out, () => {
        if (native.connectResult(fd) === 0) return end(true);
        close(fd, tag);
        if (open.size === 0) end(false);
      });
      open.set(fd, tag);
    }
    if (open.size === 0) end(false);
  });
}
