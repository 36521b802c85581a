import { strict as assert } from "node:assert";
import { Secrets } from "../config/secrets.ts";
import { ensureTunnelKey, publicKeyOf } from "./tunnel_key.ts";

const base64 = (hex: string) => btoa(String.fromCharCode(...Uint8Array.fromHex(hex)));

Deno.test("the public half is the one of RFC 7748 section 6.1", () => {
  const privateKey = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
  assert.equal(
    publicKeyOf(base64(privateKey)),
    base64("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
  );
});

Deno.test("a key is made once, kept, and another one each time", async () => {
  const folder = await Deno.makeTempDir({ prefix: "otb", dir: "/tmp" });
  try {
    const secrets = new Secrets(`${folder}/one`);
    const key = ensureTunnelKey(secrets);
    assert.equal(atob(key).length, 32);
    assert.equal(atob(secrets.get("tunnel-key")!).length, 32);
    assert.notEqual(secrets.get("tunnel-key"), key);
    assert.equal(ensureTunnelKey(secrets), key);
    assert.notEqual(ensureTunnelKey(new Secrets(`${folder}/two`)), key);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
