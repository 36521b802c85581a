import { strict as assert } from "node:assert";
import type { Listener } from "@otb/plugin";
import { foresight } from "./foresight.ts";

Deno.test("before otb runs, doctor names what the network will no longer reach, and how to let it in; ssh and DHCP's client stay", () => {
  const listening = (...listeners: Listener[]) => foresight.foresee({ listeners, isRouter: false })[0]!;
  const ssh = { protocol: "tcp", port: 2222, program: "sshd", isSsh: true } as const;
  const client = { protocol: "udp", port: 68, program: "dhclient" } as const;
  assert.equal(listening(ssh, client).state, "ok");
  const { state, message, next } = listening(
    ssh,
    { protocol: "tcp", port: 443, program: "nginx" },
    { protocol: "udp", port: 51820 },
  );
  assert.equal(state, "warning");
  assert.match(message, /no longer: nginx \(tcp 443\), the kernel or a container \(udp 51820\)$/);
  assert.match(next!, /firewall\.allow='\["tcp 443 from link"\]'/);
});
