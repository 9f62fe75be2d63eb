import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePo } from "../po.js";

const HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n';

test("translations are read, over several lines and with escapes", () => {
  const po = `${HEADER}\n# why\n#: where\nmsgid "a"\nmsgstr ""\n"x \\"y\\"\\n"\n"z"\n`;
  assert.deepEqual([...parsePo(po)], [["a", 'x "y"\nz']]);
});

test("what is untranslated, fuzzy or obsolete is left out", () => {
  const po = `${HEADER}\nmsgid "a"\nmsgstr ""\n\n#, fuzzy\nmsgid "b"\nmsgstr "B"\n\n#~ msgid "c"\n#~ msgstr "C"\n`;
  assert.deepEqual([...parsePo(po)], []);
});

test("plurals and contexts are not passed over in silence", () => {
  assert.throws(() => parsePo('msgid "a"\nmsgid_plural "b"\nmsgstr[0] "c"\n'), /Not understood/);
});
