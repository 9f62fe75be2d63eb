import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { bundle, INTERNAL } from "../build.js";

const BUNDLE = new URL("../../s3upload/static/s3upload/s3upload.js", import.meta.url);

test("the bundle is what the sources give, every time", async () => {
  const text = await bundle();
  assert.equal(readFileSync(BUNDLE, "utf8") === text, true, "stale: run `npm run build` in js/ and commit it");
  assert.equal((await bundle()) === text, true);
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
