import assert from "node:assert/strict";
import { ADDRESS_BYTES, decodeAddress, Errno, openNative, PollEvents } from "../../../core/native/ffi.ts";
import { Reactor } from "./reactor.ts";

Deno.test("a listener that cannot accept for want of descriptors does not spin, and accepts when it can again", async () => {
  const native = openNative();
  const reactor = new Reactor(native);
  const { fd } = native.listen({ host: "127.0.0.1", port: 0 });
  const own = new Uint8Array(ADDRESS_BYTES);
  native.localAddress(fd, own);
  let asked = 0, isExhausted = true;
  const accepted = Promise.withResolvers<number>();
  const tag = reactor.add(fd, PollEvents.in, () => {
    asked++;
    // The kernel would say so with the limit reached, and leave the connection waiting.
    const answer = isExhausted ? -Errno.EMFILE : native.accept(fd, new Uint8Array(ADDRESS_BYTES), null);
    if (answer < 0) reactor.refused(fd, tag, answer);
    else accepted.resolve(answer);
  });
  const running = reactor.run();
  const client = native.connect(decodeAddress(own)).fd;
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.ok(asked >= 1 && asked <= 20, `asked ${asked} times in a second`);
  isExhausted = false;
  native.close(await accepted.promise);
  reactor.forget(tag);
  reactor.stop();
  await running;
  for (const one of [fd, client]) native.close(one);
});
