// What one packet costs in the modules of the fast path: `deno bench -A plugins/udp-tunnel/schedule/schedule_bench.ts`; n
// is packets, so the time per iteration divides by PACKETS.
import { Classifier } from "./classify.ts";
import { Delivery, DROPPED } from "./delivery.ts";
import { PathMeter } from "../paths/path_meter.ts";
import { Reorder, Room } from "./reorder.ts";
import { write } from "../testing/packets.ts";

const PACKETS = 1000, FLOWS = 64, MANY_FLOWS = 10_000, SLOT_BYTES = 64;
const arena = new Uint8Array(MANY_FLOWS * SLOT_BYTES + 2048);
for (let flow = 0; flow < MANY_FLOWS; flow++) {
  write(arena, flow * SLOT_BYTES, { source: flow, length: 40, payload: [64] });
}

const classifier = new Classifier(7), delivery = new Delivery(), reorder = new Reorder(4096, new Room(3072));
const meters = [new PathMeter(), new PathMeter(), new PathMeter()];
const paths = [400, 300, 200].map((mbps, index) => ({
  tier: 0 as const,
  isUsable: true,
  isStarting: false,
  rateBitsPerSecond: mbps * 1e6,
  owdUs: 10_000 + 5_000 * index,
  lossRatio: 0,
}));
delivery.update(paths, 0);
let nowUs = 0, global = 0;
const perPath = [0, 0, 0];

/** As many packets as one iteration has, 10 us apart, each classified with the length of a full one. */
function classify(): void {
  for (let packet = 0; packet < PACKETS; packet++) {
    nowUs += 10;
    classifier.classify(arena, (packet & FLOWS - 1) * SLOT_BYTES, 1280, nowUs);
  }
}

let many = 0;
function classifyMany(): void {
  for (let packet = 0; packet < PACKETS; packet++) {
    nowUs += 10;
    many = (many + 7919) % MANY_FLOWS;
    classifier.classify(arena, many * SLOT_BYTES, 1280, nowUs);
  }
}

/** Blocks of 16 packets of one path overtake the 16 before them. */
const held = new Reorder(4096, new Room(3072));
let heldOrder = 0;
function hold(): void {
  held.heard(1, 0, 60_000);
  for (let packet = 0; packet < PACKETS; packet++) {
    nowUs += 10;
    const number = heldOrder++ ^ 16;
    held.accept(packet & 2047, 2048, number & 0xffff, 0, number, number >> 4 & 1, 3, 10_000, nowUs);
    if ((packet & 31) === 31) {
      held.release(nowUs);
      held.readyCount = 0;
    }
  }
}

function choose(): void {
  for (let packet = 0; packet < PACKETS; packet++) {
    nowUs += 10;
    delivery.choose(1280, 2, 2048 + (packet & 63), packet & 63, 15_000_000, false, nowUs);
  }
}

/** Everything that both ends do, each packet arriving at once with its path's delay noted. */
function all(): void {
  for (let packet = 0; packet < PACKETS; packet++) {
    nowUs += 10;
    classifier.classify(arena, (packet & FLOWS - 1) * SLOT_BYTES, 1280, nowUs);
    const { kind, stream, flow, rateBitsPerSecond, key } = classifier;
    const path = delivery.choose(1360, kind, stream, flow, rateBitsPerSecond, key.ecn !== 0, nowUs);
    if (path === DROPPED) continue;
    const delayUs = paths[path]!.owdUs;
    meters[path]!.packet(1360, perPath[path]!++, delayUs, delivery.queued, nowUs);
    reorder.accept(
      packet & 2047,
      delivery.stream,
      delivery.order,
      delivery.age,
      global++,
      path,
      delivery.paths,
      delayUs,
      nowUs,
    );
    if ((packet & 31) === 31) {
      reorder.release(nowUs);
      reorder.readyCount = 0;
    }
  }
}

Deno.bench("classify 1000 packets of 64 flows", classify);
Deno.bench("classify 1000 packets of 10,000 flows", classifyMany);
Deno.bench("reorder 1000 packets, half of them held", hold);
Deno.bench("choose paths for 1000 packets, 3 paths", choose);
Deno.bench("classify, choose, meter and reorder 1000 packets", all);
