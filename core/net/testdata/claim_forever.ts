// Claims and releases resources of every kind in a namespace until somebody kills it: `claim_forever.ts NAMESPACE DATABASE`.
import { DatabaseSync } from "node:sqlite";
import { Journal } from "../journal.ts";
import { Net } from "../net.ts";
import { OsLinux } from "../os_linux.ts";
import { EVERYTHING, silent } from "../testing/namespace.ts";

const [namespace, path = ":memory:"] = Deno.args;
const net = new Net(new OsLinux({ namespace }), new Journal(new DatabaseSync(path)), silent);
console.log("ready");
while (true) {
  await net.claim("test", "all", EVERYTHING);
  await net.claim("test", "all", EVERYTHING.filter((_, i) => i % 3 > 0));
  await net.release("test");
}
