import assert from "node:assert/strict";
import { test } from "node:test";
import { choose, fakeTransport, file, fileInput, rest, show } from "./browser.js";
import { transport } from "../src/transport.js";

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
