import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { fakeTransport, file, rest } from "./browser.js";
import { UploadError } from "../src/errors.js";
import { FileUpload, isSame } from "../src/file.js";
import { connections } from "../src/queue.js";
import { transport } from "../src/transport.js";

let fake;
beforeEach(() => (fake = fakeTransport(transport)));

const request = { token: "T", method: "PUT", url: "/store", headers: {} };
const made = (chosen = file("a", 100)) => {
  const states = [];
  const aborted = [];
  const upload = new FileUpload(chosen, {
    ask: async (path, { token }) => aborted.push(`${path} ${token}`),
    changed: ({ state }) => states.push(state),
    place: () => ["/form/", "docs"],
  });
  /** Resolves when the upload waits no more. */
  const run = async (answer, again = assert.fail) => {
    upload.start(async (description) => (await description) && answer, again);
    while (upload.active) await rest();
  };
  return { upload, states, aborted, run };
};

test("an upload goes from queued over uploading to done, and then has its token", async () => {
  const { upload, states, run } = made();
  const running = run(request);
  assert.equal(upload.active, true);
  await fake.finish();
  await running;
  assert.deepEqual(states, ["queued", "uploading", "done"]);
  assert.deepEqual([upload.token, upload.loaded, upload.active], ["T", 100, false]);
});

test("a refusal by the server is final", async () => {
  const { upload, run } = made();
  await run({ error: "Too large." });
  assert.deepEqual([upload.state, upload.error.message, upload.startable], ["refused", "Too large.", false]);
});

test("a failure can be tried again, and the old error and what the server had granted are gone", async () => {
  const { upload, run, aborted } = made();
  const running = run(request);
  await rest();
  fake.sending.pop().reject(new UploadError("Broken.", { status: 400 }));
  await running;
  assert.deepEqual([upload.state, upload.error.message, upload.startable], ["failed", "Broken.", true]);
  assert.deepEqual(aborted, ["abort/ T"]);
  const second = run({ ...request, token: "T2" });
  assert.equal(upload.error, null);
  await fake.finish();
  await second;
  assert.deepEqual([upload.state, upload.token], ["done", "T2"]);
  assert.deepEqual(aborted, ["abort/ T"]);
});

test("an error that nobody has foreseen is a failure in words", async () => {
  const { upload, run } = made();
  await run(Promise.reject(new TypeError("x is undefined")));
  assert.equal(upload.state, "failed");
  assert.doesNotMatch(upload.error.message, /undefined/);
});

test("a cancelled upload stays cancelled whenever the network answers, and nothing is left of it", async () => {
  const early = made();
  let answer;
  const running = early.run(new Promise((resolve) => (answer = resolve)));
  await rest();
  early.upload.stop("cancelled");
  await rest();
  assert.deepEqual(early.aborted, [], "there is nothing to give back yet");
  answer(request);
  await running;
  await rest();
  assert.equal(fake.sending.length, 0);
  assert.deepEqual(early.aborted, ["abort/ T"]);
  const late = made();
  void late.run(request);
  await rest();
  late.upload.stop("cancelled");
  await rest();
  assert.deepEqual([early.upload.state, late.upload.state], ["cancelled", "cancelled"]);
  assert.ok(fake.sending[0].signal.aborted);
  assert.deepEqual(late.aborted, ["abort/ T"]);
});

test("an upload that is done and removed is given back; one that went with a form is not", async () => {
  for (const [spend, expected] of [
    [false, ["abort/ T"]],
    [true, []],
  ]) {
    const { upload, run, aborted } = made();
    const running = run(request);
    await fake.finish();
    await running;
    if (spend) assert.equal(upload.spend(), "T");
    upload.stop("cancelled");
    await rest();
    assert.deepEqual(aborted, expected);
  }
});

test("a presigned request that has waited for half of its life is asked for again, and the old one given back", async (t) => {
  const { upload, run, aborted } = made();
  let now = 0;
  t.mock.method(Date, "now", () => now);
  const ends = [];
  const places = Array.from({ length: 6 }, () => connections.run(() => new Promise((resolve) => ends.push(resolve))));
  void run(request, async () => ({ ...request, token: "NEW" }));
  await rest();
  now = 31 * 60_000;
  ends.forEach((end) => end());
  await Promise.all(places);
  await fake.finish();
  assert.equal(upload.token, "NEW");
  assert.deepEqual(aborted, ["abort/ T"]);
});

test("a paused upload goes on with what the server has granted", async () => {
  const { upload, run, states, aborted } = made();
  void run(request);
  await rest();
  upload.stop("paused");
  assert.deepEqual([upload.state, upload.active, upload.startable, upload.open], ["paused", false, true, true]);
  await rest();
  assert.ok(fake.sending.pop().signal.aborted);
  void run(request);
  await fake.finish();
  assert.equal(states.at(-1), "done");
  assert.deepEqual([upload.token, aborted], ["T", []]);
});

test("files are the same by name, size and time", () => {
  assert.ok(isSame(file("a", 1), file("a", 1)));
  assert.ok(!isSame(file("a", 1), file("a", 2)));
  assert.ok(!isSame("a", file("a", 1)));
});
