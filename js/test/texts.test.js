import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, test } from "node:test";
import { show, window } from "./browser.js";
import { readCatalog } from "../build.js";
import { fileSize, gettextFor, percent } from "../src/texts.js";

afterEach(() => {
  delete globalThis.django;
});

/** An element in a part of the page in some language. */
function within(lang) {
  document.body.innerHTML = `<div lang="${lang}"><b></b></div>`;
  return document.querySelector("b");
}

test("the closest language decides, also of a region", () => {
  assert.equal(gettextFor(within("de-AT"))("Cancel"), "Abbrechen");
  assert.equal(gettextFor(within("FR"))("Cancel"), "Annuler");
});

for (const lang of ["en", "ja", "", "no language!", "__proto__"])
  test(`texts are English in "${lang}"`, () => {
    assert.equal(gettextFor(within(lang))("Cancel"), "Cancel");
    assert.match(fileSize(within(lang), 2048), /^2\s?\p{L}+$/u);
  });

test("a translation of the page's own catalog wins, what it does not translate is ours", () => {
  globalThis.django = { gettext: (msgid) => (msgid === "Cancel" ? "Stopp" : msgid) };
  assert.equal(gettextFor(within("de"))("Cancel"), "Stopp");
  assert.equal(gettextFor(within("de"))("Remove"), "Entfernen");
});

test("an element named like the page's own catalog is none", () => {
  const element = within("de");
  show("<input name=gettext>", "id=django");
  globalThis.django = window.django;
  assert.equal(globalThis.django.gettext.name, "gettext");
  assert.equal(gettextFor(element)("Cancel"), "Abbrechen");
});

test("numbers are written as in the language", () => {
  assert.equal(fileSize(within("de"), 1.25 * 1024 ** 2), "1,3 MB");
  assert.equal(fileSize(within("fr"), 3 * 1024 ** 3).replace(/\s/, " "), "3 Go");
  assert.equal(fileSize(within("en"), 1024 ** 2 - 1), "1 MB");
  assert.equal(fileSize(within("en"), 0), "0 bytes");
  assert.equal(percent(within("en"), 0.999), "99%", "not all until it is all");
});

test("every text in the source is translated, and nothing else", () => {
  const sources = new URL("../src/", import.meta.url);
  const used = readdirSync(sources)
    .filter((name) => name.endsWith(".js"))
    .flatMap((name) => [
      ...readFileSync(new URL(name, sources), "utf8").matchAll(/\b(?:_|gettext_noop)\(\s*"([^"]+)"/g),
    ])
    .map(([, msgid]) => msgid);
  const { en, ...translations } = readCatalog();
  assert.deepEqual(en, [...new Set(used)].sort());
  assert.deepEqual(Object.keys(translations), ["de", "es", "fr"]);
  for (const [language, texts] of Object.entries(translations))
    en.forEach((msgid, index) => {
      assert.ok(texts[index], `"${msgid}" is not translated to "${language}"`);
      assert.equal(texts[index].includes("{status}"), msgid.includes("{status}"), msgid);
    });
});
