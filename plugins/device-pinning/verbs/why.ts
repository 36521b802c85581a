// `otb why`: which way a connection or a device takes, and why.
import * as z from "zod/mini";
import { action, type Block, field, type Json } from "@otb/plugin";

/** Who can say why. */
interface Explainer {
  why(of: string): Promise<Json>;
}

export const why = action({
  title: "Why",
  summary: "Say which way a connection or a device takes, which rule says so, and what if the link died.",
  verb: "why",
  example: "sudo otb why '192.168.100.20 -> 203.0.113.5:443/tcp'",
  args: z.strictObject({
    of: field(z.string().check(z.maxLength(400)), {
      positional: true,
      metavar: "FLOW|DEVICE",
      description:
        "A device by MAC address, name or IP address; or a flow like 'DEVICE -> TARGET:PORT/tcp', the target by address or name.",
    }),
  }),
  run: (explainer: Explainer, { of }) => explainer.why(of),
  show: ({ sentences }: { sentences: string[] }): Block[] =>
    sentences.map((text) => ({ kind: "notice", text })),
});
