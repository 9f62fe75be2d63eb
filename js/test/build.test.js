import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { bundle, INTERNAL, SERVED } from "../build.js";

const STATIC = new URL("../../s3upload/static/s3upload/", import.meta.url);

for (const [name, { entry, texts: needed }] of Object.entries(SERVED))
  test(`${name} is what the sources give, every time`, async () => {
    const text = await bundle(entry, needed);
    assert.equal(readFileSync(new URL(name, STATIC), "utf8") === text, true, "stale: run `npm run build` in js/ and commit it");
    assert.equal((await bundle(entry, needed)) === text, true);
  });

test("what is for FilePond and Uppy takes the script from beside itself, and has but the texts that it needs", async () => {
  for (const name of ["filepond.js", "uppy.js"]) {
    const text = readFileSync(new URL(name, STATIC), "utf8");
    assert.deepEqual([...text.matchAll(/from"([^"]*)"/g)].map(([, from]) => from), ["./s3upload.js"]);
    assert.match(text, /Das Formular wird nach dem Hochladen gesendet\./);
    assert.doesNotMatch(text, /Abbrechen|XMLHttpRequest|presign|\beval\(|new Function|innerHTML|["'`(]data:|\.style\b|<style/);
  }
});

test("a text that no catalog has is not bundled", async () => {
  await assert.rejects(bundle("filepond.js", ["No such text."]), /No catalog has the text "No such text\."/);
});

test("the bundle holds style and translations, and nothing that a strict Content-Security-Policy forbids", async () => {
  const text = await bundle();
  assert.match(text, /\.s3upload__file/);
  assert.match(text, /Abbrechen/);
  assert.doesNotMatch(text, /\beval\(|new Function|innerHTML|data:|\.style\b|<style/);
});

/** The texts of all files below a folder whose names end so. */
const texts = (folder, ending) =>
  readdirSync(new URL(folder, import.meta.url), { recursive: true })
    .filter((name) => ending.test(name))
    .map((name) => readFileSync(new URL(name, new URL(folder, import.meta.url)), "utf8"))
    .join("\n");

test("what gets a short name is used, and known to nobody else", async () => {
  const code = await bundle();
  const sources = texts("../src/", /\.js$/);
  const platform = texts("../node_modules/typescript/lib/", /^lib\.(dom|es).*\.d\.ts$/);
  const server = texts("../../s3upload/", /^((views|presign)|backends\/.*)\.py$/);
  // What follows on its states is no property of a script's.
  const [docs] = texts("../../docs/", /^javascript\.rst$/).split("``data-state``");
  for (const name of INTERNAL) {
    assert.match(sources, new RegExp(`[.{] ?${name}\\b|\\b${name}[:(]`), `"${name}" is in no source`);
    assert.doesNotMatch(code, new RegExp(`\\.${name}\\b|[{,]${name}:`), `"${name}" keeps its name`);
    assert.doesNotMatch(platform, new RegExp(`^ +(readonly )?${name}[?:(<]`, "m"), `the platform has "${name}"`);
    assert.doesNotMatch(server, new RegExp(`["']${name}["']`), `the server has "${name}"`);
    assert.doesNotMatch(docs, new RegExp(`\`\`${name}\\b|\\.${name}\\(`), `the documentation has "${name}"`);
  }
});
