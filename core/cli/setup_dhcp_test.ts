import { strict as assert } from "node:assert";
import { askClearly } from "./setup_dhcp.ts";

Deno.test("only a clear no is a no: anything unclear is asked again", () => {
  const says = (answers: (string | undefined)[]) => {
    const questions: string[] = [];
    return {
      said: askClearly((question) => (questions.push(question), answers.shift()), "Does it?"),
      questions,
    };
  };
  for (const yes of ["y", "yes", "Yes", "o", "oui"]) assert.equal(says([yes]).said, true, yes);
  for (const no of ["n", "no", "NO", "non"]) assert.equal(says([no]).said, false, no);
  assert.equal(says([undefined]).said, undefined, "the person leaves");
  for (const unclear of ["not yet", "I think so", "nope?", "maybe", "1", "yesterday"]) {
    const { said, questions } = says([unclear, "yes"]);
    assert.equal(said, true, unclear);
    assert.deepEqual(questions, ["Does it?", "Please answer yes or no. Does it?"]);
  }
});
