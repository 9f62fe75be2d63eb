import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { fileInput, inputHtml, keptHtml, show } from "./browser.js";
import { dropKept, keptFile, keptOf } from "../src/kept.js";

afterEach(() => document.body.replaceChildren());
const names = (input) => keptOf(input).map((hidden) => keptFile(hidden).file.name);

test("kept files belong to the input of their name in their own form", () => {
  const one = show(inputHtml("name=docs") + inputHtml("name=other") + keptHtml("a") + keptHtml("b", "other"));
  const two = show(inputHtml("name=docs") + keptHtml("c"));
  assert.deepEqual(names(fileInput(one)), ["a"]);
  assert.deepEqual(names(one.querySelector("[name=other]")), ["b"]);
  assert.deepEqual(names(fileInput(two)), ["c"]);
});

test("kept files follow the form attribute", () => {
  show("", "id=elsewhere");
  document.body.insertAdjacentHTML("beforeend", `${inputHtml("name=docs form=elsewhere")}${keptHtml("a")}`);
  document.querySelector("[data-s3upload-name]").setAttribute("form", "elsewhere");
  assert.deepEqual(names(fileInput()), ["a"]);
});

test("with the last kept file gone the input is required again, if it was", () => {
  const form = show(inputHtml("name=docs data-s3upload-required") + keptHtml("a") + keptHtml("b"));
  const input = fileInput(form);
  dropKept(input, keptOf(input)[0]);
  assert.equal(input.required, false);
  dropKept(input, keptOf(input)[0]);
  assert.equal(input.required, true);
  const optional = fileInput(show(inputHtml("name=docs") + keptHtml("a")));
  dropKept(optional, keptOf(optional)[0]);
  assert.equal(optional.required, false);
});
