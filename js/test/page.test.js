import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import {
  choose,
  fakeTransport,
  file,
  fileInput,
  inputHtml,
  keptHtml,
  posted,
  rest,
  rows,
  show,
  window,
} from "./browser.js";
import { start } from "../src/page.js";
import { transport } from "../src/transport.js";

let fake = fakeTransport(transport);
const early = show();
fileInput().files = [file("early")];
start();
beforeEach(() => (fake = fakeTransport(transport)));
afterEach(async () => {
  document.body.replaceChildren();
  await rest();
});

test("files that were chosen before the script was there are uploaded", () => {
  assert.match(rows(early)[0], /^early/);
});

test("files that the browser restores when the page is shown are uploaded", async () => {
  show();
  fileInput().files = [file("restored")];
  window.dispatchEvent(new window.Event("pageshow"));
  await fake.finish();
  assert.deepEqual(fake.asked[0].names, ["restored"]);
});

test("kept files of a form that is inserted later are shown with their input", async () => {
  show(inputHtml() + keptHtml("a.pdf") + keptHtml("b.pdf"));
  await rest();
  assert.deepEqual(rows(), ["a.pdf2 kB · Uploaded", "b.pdf2 kB · Uploaded"]);
});

test("each of two inputs of one name shows its own kept files", async () => {
  const form = show(`<p>${inputHtml()}${keptHtml("a.pdf")}</p><p>${inputHtml()}${keptHtml("b.pdf")}</p>`);
  await rest();
  const [one, two] = form.querySelectorAll("p");
  assert.deepEqual([rows(one), rows(two)], [["a.pdf2 kB · Uploaded"], ["b.pdf2 kB · Uploaded"]]);
});

test("a copy of the list that a formset script has cloned is removed", async () => {
  const form = show(`<p>${inputHtml()}</p>`);
  choose(fileInput(), file("a"));
  await fake.finish();
  const copy = form.querySelector("p").cloneNode(true);
  copy.querySelector("input").name = "other";
  form.append(copy);
  await rest();
  assert.equal(copy.querySelector(".s3upload"), null);
  choose(fileInput(copy), file("b"));
  await fake.finish();
  assert.equal(copy.querySelectorAll(".s3upload").length, 1);
  assert.deepEqual(posted(form), ["docs-s3upload=token of a", "other-s3upload=token of b"]);
});

test("inputs of others are left alone", () => {
  show("<input type=file name=theirs>");
  choose(fileInput(), file("a"));
  assert.equal(document.querySelector(".s3upload"), null);
});
