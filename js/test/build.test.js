import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { bundle } from "../build.js";

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
