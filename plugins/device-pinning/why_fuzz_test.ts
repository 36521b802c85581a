import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz, swift } from "../../tests/fuzz/property.ts";
import { hostileText } from "../../tests/fuzz/inputs.ts";
import { parseEnded, parseTracked } from "./flows/kernel.ts";
import { parseFlow } from "./why.ts";

const flows = fc.constantFrom(
  "phone -> example.com:443/tcp",
  "02:00:00:00:00:01 -> [2001:db8::1]:53/udp",
  "192.168.1.5->203.0.113.7",
  "a   ->   b",
);

fuzz("a flow is read with its parts in bounds, or is none, in no time", hostileText(flows, 4_096), (text) => {
  const flow = swift(() => parseFlow(text));
  if (!flow) return;
  assert.ok(flow.source.length <= 64 && flow.target.length <= 253 && !/\s/.test(flow.target));
  assert.ok(flow.port === undefined || flow.port >= 0 && flow.port <= 65_535);
  assert.match(flow.protocol, /^[a-z0-9]{1,10}$/);
});

const tracked = fc.constantFrom(
  "tcp      6 431999 ESTABLISHED src=192.168.1.5 dst=203.0.113.7 sport=4000 dport=443 src=203.0.113.7 dst=100.64.0.2 sport=443 dport=4000 [ASSURED] mark=65793 use=1\n",
  "udp      17 29 src=192.168.1.5 dst=203.0.113.7 sport=4000 dport=53 [UNREPLIED] src=203.0.113.7 dst=100.64.0.2 sport=53 dport=4000 mark=0 use=1\n",
  "tcp      6 10 TIME_WAIT src=2001:db8::1 dst=2001:db8::2 sport=1 dport=2 src=2001:db8::2 dst=2001:db8::1 sport=2 dport=1 mark=1 use=1\n",
);
const tables = fc.array(tracked, { maxLength: 8 }).map((lines) => lines.join(""));

fuzz("what conntrack prints is read line by line, in no time", hostileText(tables, 16_384), (text) => {
  for (const { source, target, sourcePort, targetPort } of swift(() => parseEnded(text))) {
    assert.ok(!/\s/.test(source + target) && Number.isInteger(sourcePort) && Number.isInteger(targetPort));
  }
  const one = swift(() => parseTracked(text));
  if (one) assert.ok(Number.isInteger(one.mark) && !/\s/.test(one.leavesAs));
});
