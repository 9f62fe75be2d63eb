import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { fakeTransport, file, rest } from "./browser.js";
import { UploadError } from "../src/errors.js";
import { FileUpload, isSame } from "../src/file.js";
import { transport } from "../src/transport.js";

let fake;
beforeEach(() => (fake = fakeTransport(transport)));

const request = { token: "T", method: "PUT", url: "/store", headers: {} };
const made = (chosen = file("a", 100)) => {
  const states = [];
  const upload = new FileUpload(chosen, ({ state }) => states.push(state));
  return { upload, states };
};

test("an upload goes from queued over uploading to done, and then has its token", async () => {
  const { upload, states } = made();
  const run = upload.run(Promise.resolve(request), assert.fail);
  assert.equal(upload.active, true);
  await fake.finish();
  await run;
  assert.deepEqual(states, ["queued", "uploading", "done"]);
  assert.deepEqual([upload.token, upload.loaded, upload.active], ["T", 100, false]);
});

test("a refusal by the server is final", async () => {
  const { upload } = made();
  await upload.run(Promise.resolve({ error: "Too large." }), assert.fail);
  assert.deepEqual([upload.state, upload.error.message, upload.startable], ["refused", "Too large.", false]);
});

test("a failure can be tried again, and the old error is gone", async () => {
  const { upload } = made();
  await upload.run(Promise.reject(new UploadError("Broken.")), assert.fail);
  assert.deepEqual([upload.state, upload.error.message, upload.startable], ["failed", "Broken.", true]);
  void upload.run(Promise.resolve(request), assert.fail);
  assert.equal(upload.error, null);
  await fake.finish();
  assert.equal(upload.state, "done");
});

test("an error that nobody has foreseen is a failure in words", async () => {
  const { upload } = made();
  await upload.run(Promise.reject(new TypeError("x is undefined")), assert.fail);
  assert.equal(upload.state, "failed");
  assert.doesNotMatch(upload.error.message, /undefined/);
});

test("a cancelled upload stays cancelled, whenever the network answers", async () => {
  const early = made();
  let answer;
  const run = early.upload.run(new Promise((resolve) => (answer = resolve)), assert.fail);
  early.upload.stop("cancelled");
  answer(request);
  await run;
  assert.equal(fake.sending.length, 0);
  const late = made();
  void late.upload.run(Promise.resolve(request), assert.fail);
  await rest();
  late.upload.stop("cancelled");
  await rest();
  assert.deepEqual([early.upload.state, late.upload.state], ["cancelled", "cancelled"]);
  assert.ok(fake.sending[0].signal.aborted);
});

test("a presigned request that has waited long is asked for again", async () => {
  const { upload } = made();
  const now = mock.method(Date, "now", () => 0);
  void upload.run(Promise.resolve(request), async () => ({ ...request, token: "NEW" }));
  now.mock.mockImplementation(() => 11 * 60_000);
  await fake.finish();
  now.mock.restore();
  assert.equal(upload.token, "NEW");
});

test("files are the same by name, size and time", () => {
  assert.ok(isSame(file("a", 1), file("a", 1)));
  assert.ok(!isSame(file("a", 1), file("a", 2)));
  assert.ok(!isSame("a", file("a", 1)));
});
