import { strict as assert } from "node:assert";
import type { Resource } from "../net/model.ts";
import { PluginClaims } from "./plugin_claims.ts";

const address = (cidr: string): Resource => ({ kind: "address", interface: "lan0", cidr });
const A = [address("192.0.2.1/24")], B = [address("192.0.2.2/24")];

/** Claims, and a core that answers when the test lets it. */
function recorded() {
  const asked: Resource[][] = [], answers: PromiseWithResolvers<void>[] = [];
  const claims = new PluginClaims((_, resources) => {
    asked.push(resources);
    const answer = Promise.withResolvers<void>();
    answers.push(answer);
    return answer.promise;
  });
  return { claims, asked, answers };
}

Deno.test("what is wanted already is asked for once, also while it is being applied; all who want it wait", async () => {
  const { claims, asked, answers } = recorded();
  let done = 0;
  const wanted = [claims.claim("a", A), claims.claim("a", [...A])].map((one) => one.then(() => done++));
  await Promise.resolve();
  assert.deepEqual([asked.length, done, claims.held], [1, 0, []]);
  answers[0]!.resolve();
  await Promise.all(wanted);
  await claims.claim("a", A);
  assert.deepEqual([asked, done, claims.held], [[A], 2, [["a", A]]]);
});

Deno.test("what changes is asked for, back and forth, and what nobody wanted yet is given back for an earlier run", async () => {
  const { claims, asked, answers } = recorded();
  for (const resources of [[], A, B, A, []]) {
    const applied = claims.claim("a", resources);
    answers.at(-1)!.resolve();
    await applied;
  }
  assert.deepEqual(asked, [[], A, B, A, []]);
  assert.deepEqual(claims.held, []);
});

Deno.test("what was refused is asked for again, and what was held before stays held", async () => {
  const { claims, asked, answers } = recorded();
  const first = claims.claim("a", A);
  answers[0]!.resolve();
  await first;
  const refused = claims.claim("a", B);
  answers[1]!.reject(new Error("it is somebody else's"));
  await assert.rejects(refused, /somebody else/);
  assert.deepEqual(claims.held, [["a", A]]);
  const again = claims.claim("a", B);
  answers[2]!.resolve();
  await again;
  assert.deepEqual([asked, claims.held], [[A, B, B], [["a", B]]]);
});
