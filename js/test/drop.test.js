import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { choose, fakeTransport, file, fileInput, inputHtml, rest, rows, show, window } from "./browser.js";
import { start } from "../src/page.js";
import { transport } from "../src/transport.js";

start();
beforeEach(() => fakeTransport(transport));
afterEach(async () => {
  document.body.replaceChildren();
  await rest();
});

/** Drag files over an element, or drop them. Returns whether the page took them. */
function drag(type, target, ...files) {
  const event = new window.Event(type, { bubbles: true, cancelable: true });
  const items = files.map((one) => ({ kind: "file", getAsFile: () => one, ...one.item }));
  event.dataTransfer = { types: ["Files"], items };
  target.dispatchEvent(event);
  return event.defaultPrevented;
}
const names = () => fileInput().files.map(({ name }) => name);

test("files dropped on the input, its label or its list are chosen", () => {
  const form = show(`<label for=docs>Files</label>${inputHtml("name=docs id=docs multiple")}`);
  drag("drop", form.querySelector("input"), file("a"));
  drag("drop", form.querySelector("label"), file("b"));
  drag("drop", form.querySelector(".s3upload__list"), file("c"));
  assert.deepEqual(names(), ["a", "b", "c"]);
  assert.equal(rows().length, 3);
});

test("one file is taken where one is allowed, in the place of the old", () => {
  show(inputHtml("name=docs"));
  choose(fileInput(), file("a"));
  drag("drop", fileInput(), file("b"), file("c"));
  assert.deepEqual(names(), ["b"]);
});

test("a folder is no file", () => {
  show();
  drag(
    "drop",
    fileInput(),
    Object.assign(file("folder"), { item: { webkitGetAsEntry: () => ({ isDirectory: true }) } }),
  );
  assert.deepEqual(names(), []);
});

test("a disabled input takes nothing, and neither does the rest of the page", () => {
  const form = show(inputHtml("name=docs disabled"));
  assert.equal(drag("drop", fileInput(), file("a")), false);
  assert.equal(drag("dragover", form, file("a")), false);
  assert.deepEqual(names(), []);
});

test("the field is marked while files are over it", () => {
  const form = show();
  assert.equal(drag("dragover", fileInput(), file()), true);
  assert.ok(fileInput().classList.contains("s3upload--drop"));
  drag("dragover", form, file());
  assert.ok(!fileInput().classList.contains("s3upload--drop"));
});
