import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { button, choose, fakeTransport, file, fileInput, inputHtml, rest, rows, show } from "./browser.js";
import { UploadError } from "../src/errors.js";
import { start } from "../src/page.js";
import { transport } from "../src/transport.js";

start();
let fake;
beforeEach(() => (fake = fakeTransport(transport)));
afterEach(async () => {
  document.body.replaceChildren();
  await rest();
});
const state = () => document.querySelector(".s3upload__file").dataset.state;
const bar = () => document.querySelector("progress");

test("a file shows its name, size and share while it uploads, then that it is uploaded", async () => {
  show();
  choose(fileInput(), file("a.pdf", 2048));
  assert.deepEqual(rows(), ["a.pdf2 kB · Waiting"]);
  await rest();
  fake.sending[0].onprogress(0.4);
  assert.deepEqual([rows()[0], bar().value, bar().hidden], ["a.pdf2 kB · 40%", 0.4, false]);
  await fake.finish();
  assert.deepEqual([rows()[0], state(), bar().hidden], ["a.pdf2 kB · Uploaded", "done", true]);
  assert.equal(document.querySelector(".s3upload__status").textContent, "a.pdf: Uploaded");
});

test("names are text, never HTML", () => {
  show();
  const name = `<img src=x onerror=alert(1)> 100% "q" 'q' \n 😀`;
  choose(fileInput(), file(name));
  assert.equal(document.querySelector(".s3upload img"), null);
  assert.ok(rows()[0].startsWith(name));
  assert.ok(button(`Cancel: ${name}`));
});

test("an error is an alert that the buttons refer to, and is gone when tried again", async () => {
  show();
  choose(fileInput(), file("a"));
  await rest();
  fake.sending.pop().reject(new UploadError("Broken (code {status}).", { status: 409 }));
  await rest();
  const alert = document.querySelector("[role=alert]");
  assert.equal(alert.textContent, "Broken (code 409).");
  assert.equal(button("Try again: a").getAttribute("aria-describedby"), alert.id);
  button("Try again: a").click();
  assert.equal(alert.textContent, "");
});

test("the focus moves to the next file, the one before, and at last to the input", async () => {
  show();
  choose(fileInput(), file("a"), file("b"), file("c"));
  await fake.finish();
  for (const [press, then] of [
    ["b", "c"],
    ["c", "a"],
  ]) {
    button(`Remove: ${press}`).focus();
    button(`Remove: ${press}`).click();
    assert.equal(document.activeElement.getAttribute("aria-label"), `Remove: ${then}`);
  }
  document.activeElement.click();
  assert.equal(document.activeElement, fileInput());
});

test("the list comes after a label that is around the input: a click on it opens no dialog", () => {
  show(`<label>File ${inputHtml()}</label>`);
  choose(fileInput(), file());
  assert.equal(document.querySelector("label .s3upload"), null);
  assert.ok(document.querySelector("label + .s3upload"));
});

test("no element has an inline style or handler", async () => {
  show();
  choose(fileInput(), file());
  await rest();
  for (const element of document.querySelectorAll("*"))
    for (const { name } of element.attributes) assert.doesNotMatch(name, /^(style|on)/);
});
