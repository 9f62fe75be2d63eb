import assert from "node:assert/strict";
import { test } from "node:test";
import { window } from "./browser.js";
import { warnWhile } from "../src/leaving.js";

function warns() {
  const event = new window.Event("beforeunload", { cancelable: true });
  window.dispatchEvent(event);
  return event.defaultPrevented;
}

test("leaving is warned of while an upload is under way, and only then", () => {
  const [a, b] = [{}, {}];
  assert.equal(warns(), false);
  warnWhile(a, true);
  warnWhile(b, true);
  warnWhile(a, false);
  assert.equal(warns(), true);
  warnWhile(b, false);
  assert.equal(warns(), false);
});
