// What both ends of the plugin start with.
import type { openNative } from "../../core/native/ffi.ts";
import { CONGESTION, type Context, OtbError, type Raised, readKey } from "@otb/plugin";
import type { Config } from "./config.ts";
import { connectionsWithin, ENOUGH_DESCRIPTORS } from "./relay/descriptors.ts";
import type { Reactor } from "./relay/reactor.ts";
import type { CongestionWish } from "./transport/striped/line.ts";
import type { Words } from "./texts/mod.ts";

/** Takes new settings: what is carried goes on. */
export type Take = (next: Config) => void | Promise<void>;

/** What an end is made of. */
export interface Parts {
  ctx: Context<Config, Words>;
  native: ReturnType<typeof openNative>;
  reactor: Reactor;
  now(): number;
}

/** The congestion control that a person wants of what is sent. */
export function congestionWish(ctx: Context<Config>): () => CongestionWish {
  const told = ctx.facts.watch(CONGESTION);
  return () => told.current?.wish ?? "auto";
}

/** The peer's identity key (SIP023); undefined where nobody set one, on a peer or box of before each box had a key. */
export function peerKeyOf({ secret }: Context<Config>): Uint8Array<ArrayBuffer> | undefined {
  try {
    return readKey(secret("peer-key"), "peer-key");
  } catch (error) {
    if (!(error instanceof OtbError) || error.code !== "secret-missing") throw error;
    return undefined;
  }
}

/** What fits into this process. */
export function mostConnections(native: Parts["native"]): number {
  return connectionsWithin(native.descriptors(ENOUGH_DESCRIPTORS));
}

/** Raises or clears one condition. */
export function raiseWhile(
  { health }: Context<Config, Words>,
  holds: boolean,
  ...raised: Raised<Words>
): void {
  if (holds) health.raise(...raised);
  else health.clear(raised[0]);
}
