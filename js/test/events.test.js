import assert from "node:assert/strict";
import { test } from "node:test";
import { file, fileInput, show } from "./browser.js";
import { dispatch, progressOf } from "../src/events.js";

test("events bubble, and only the start can be prevented", () => {
  show();
  const seen = [];
  for (const name of ["start", "complete"])
    document.addEventListener(`s3upload:${name}`, (event) => {
      seen.push(name);
      event.preventDefault();
    });
  assert.equal(dispatch(fileInput(), "start", {}), false);
  assert.equal(dispatch(fileInput(), "complete", {}), true);
  assert.deepEqual(seen, ["start", "complete"]);
});

test("the progress of empty files is that of the current one", () => {
  const upload = { file: file("a", 0), loaded: 0, share: 1 };
  assert.equal(progressOf(upload, [upload]).progress, 1);
});
