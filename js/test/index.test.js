import assert from "node:assert/strict";
import { test } from "node:test";
import { choose, fakeTransport, file, fileInput, rest, show, window } from "./browser.js";
import { transport } from "../src/transport.js";

// Runs first: the script is evaluated once.
test("an element with the script's name is not taken for the script", async () => {
  document.body.innerHTML = "<div id=s3upload></div>";
  assert.equal(window.s3upload, document.body.firstChild, "the window has elements by their ids");
  globalThis.s3upload = window.s3upload;
  const { finished } = await import("../src/index.js");
  assert.equal(typeof finished, "function");
  assert.equal(globalThis.s3upload.finished, finished);
});

test("a script of the page can upload a file that is in no form", async () => {
  const { upload } = await import("../src/index.js");
  assert.equal(globalThis.s3upload.upload, upload);
  await assert.rejects(upload(), { name: "TypeError" });
});

test("the script that is loaded twice, under two addresses, works once", async () => {
  const fake = fakeTransport(transport);
  const first = await import("../src/index.js");
  const second = await import("../src/index.js?hash");
  assert.equal(second.finished, first.finished);
  assert.equal(globalThis.s3upload.finished, first.finished);
  show();
  choose(fileInput(), file());
  await rest();
  assert.equal(fake.asked.length, 1);
});
