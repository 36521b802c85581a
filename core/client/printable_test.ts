import { strict as assert } from "node:assert";
import fc from "fast-check";
import { harmless, jsonText, printable, spelled } from "./printable.ts";

Deno.test("what steers, turns round or hides is shown as a question mark; letters and pictures of all kinds stay", () => {
  assert.equal(printable("a\x1b[2Jb\nc\u202e"), "a?[2Jb c?");
  assert.equal(printable("x\x9b31m\u200b\ufeff\u2066\u{e0041}\u00ad\u3164"), "x?31m? ????");
  const kept = ["é ü ß Ω ж 東京 नमस्ते", "🏠", "👩‍👩‍👧", "✌🏽", "❤️", "1️⃣", "🇫🇷", "e\u0301"];
  for (const text of kept) {
    assert.equal(printable(text), text);
    assert.equal(harmless(text), text);
  }
  assert.equal(printable("a\u200db"), "a?b", "such a joiner between letters only hides");
  assert.equal(spelled("a\x1b[2J\u202e\n"), "a\\x1b[2J\\u{202e}\\x0a");
  assert.equal(harmless("a\tb\n  c\x1b\r\n"), "a b\n  c??\n");
});

Deno.test("JSON is as harmless, and says the same", () => {
  assert.equal(jsonText({ a: "\x1b\x9b\u202e\u{e0041}é" }), '{"a":"\\u001b\\u009b\\u202e\\udb40\\udc41é"}');
  fc.assert(fc.property(fc.jsonValue({ stringUnit: "binary" }), fc.constantFrom(0, 2), (value, indent) => {
    const text = jsonText(value, indent);
    assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
    assert.ok(!/[\p{Cc}\p{Cf}]/u.test(text.replaceAll("\n", "")));
  }));
});

Deno.test("any text: one line without controls, of at most as many characters", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    for (const line of [printable(text), spelled(text), harmless(text).replaceAll("\n", "")]) {
      assert.ok(!/\p{Cc}/u.test(line));
    }
    assert.ok([...printable(text)].length <= [...text].length);
  }));
});
