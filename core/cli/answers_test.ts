import { strict as assert } from "node:assert";
import { askClearly, askLine } from "./answers.ts";

/** Somebody who gives these answers, one after the other, then leaves; and what was asked. */
function person(answers: string[]) {
  const questions: string[] = [];
  return { questions, ask: (question: string) => (questions.push(question), answers.shift()) };
}

Deno.test("only a clear no is a no: anything unclear is asked again", () => {
  const says = (answers: string[], usual?: boolean) => {
    const { questions, ask } = person(answers);
    return { said: askClearly("Does it work?", usual, ask), questions };
  };
  for (const yes of ["y", "yes", "Yes", "o", "oui", " yes "]) assert.equal(says([yes]).said, true, yes);
  for (const no of ["n", "no", "NO", "non"]) assert.equal(says([no]).said, false, no);
  assert.equal(says([]).said, undefined, "the person leaves");
  for (const unclear of ["not yet", "I think so", "nope?", "maybe", "1", "yesterday", "dhcp"]) {
    const { said, questions } = says([unclear, "yes"]);
    assert.equal(said, true, unclear);
    assert.deepEqual(questions, [
      "Does it work? (yes, no)",
      "Please answer yes or no. Does it work? (yes, no)",
    ]);
  }
});

Deno.test("an empty answer is what was said to be usual, and unclear where nothing was", () => {
  for (const usual of [true, false]) {
    assert.equal(askClearly("Keep it?", usual, person([""]).ask), usual);
    assert.equal(askClearly("Keep it?", usual, person(["perhaps", ""]).ask), usual);
  }
  assert.equal(askClearly("Does it?", undefined, person(["", "no"]).ask), false);
});

Deno.test("what is usual is shown and not typed for a person: what one types stands alone", () => {
  const { questions, ask } = person(["wlan7", "", "  "]);
  assert.equal(askLine("Which one?", "eth0", ask), "wlan7");
  assert.equal(askLine("Which one?", "eth0", ask), "eth0");
  assert.equal(askLine("Which one?", undefined, ask), undefined);
  assert.equal(askLine("Which one?", "eth0", ask), undefined, "the person leaves");
  assert.deepEqual(questions, ["Which one? [eth0]", "Which one? [eth0]", "Which one?", "Which one? [eth0]"]);
});
