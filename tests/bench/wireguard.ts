// One wireguard-go as `otb bench tunnel` runs it: keys made here, told over its control socket, so that no tool of WireGuard's is needed.
import { Buffer } from "node:buffer";
import { generateKeyPairSync, type KeyObject } from "node:crypto";

/** A pair of keys as the control socket takes them: 32 bytes of X25519 (RFC 7748), hex. */
export interface WireguardKeys {
  secret: string;
  known: string;
}

/** A fresh pair. */
export function wireguardKeys(): WireguardKeys {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  const hex = (key: KeyObject, part: "d" | "x") =>
    Buffer.from(key.export({ format: "jwk" })[part]!, "base64url").toString("hex");
  return { secret: hex(privateKey, "d"), known: hex(publicKey, "x") };
}

/** What one end is told: own key and port, the other end's key and, where it is known, its `address:port`. */
export interface WireguardEnd {
  secret: string;
  port: number;
  other: string;
  endpoint?: string;
}

/**
 * Sets up the device of a running wireguard-go; everything may travel inside.
 * @throws Error when the process does not listen (yet), or refuses
 * @see https://www.wireguard.com/xplatform/ (the configuration protocol)
 */
export async function configureWireguard(device: string, end: WireguardEnd): Promise<void> {
  using socket = await Deno.connect({ transport: "unix", path: `/var/run/wireguard/${device}.sock` });
  const lines = [
    "set=1",
    `private_key=${end.secret}`,
    `listen_port=${end.port}`,
    `public_key=${end.other}`,
    "replace_allowed_ips=true",
    ...(end.endpoint ? [`endpoint=${end.endpoint}`] : []),
    "allowed_ip=0.0.0.0/0",
  ];
  const writer = socket.writable.getWriter();
  await writer.write(new TextEncoder().encode(lines.join("\n") + "\n\n"));
  let answer = "";
  for await (const text of socket.readable.pipeThrough(new TextDecoderStream())) {
    if ((answer += text).endsWith("\n\n")) break;
  }
  if (answer !== "errno=0\n\n") throw new Error(`wireguard-go of ${device} answered "${answer.trim()}"`);
}
