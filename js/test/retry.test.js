import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { hurry, rest, setOnline } from "./browser.js";
import { connectionFailed, UploadError } from "../src/errors.js";
import { retry } from "../src/retry.js";

afterEach(() => setOnline(true));

/** Take down how long is waited, and do not wait. */
function timeless(t) {
  const delays = [];
  t.mock.method(globalThis, "setTimeout", (call, delay) => {
    delays.push(delay);
    queueMicrotask(call);
  });
  return delays;
}
const answered = (status, code) => new UploadError("Broken.", { status, code });
/** Work that fails with these errors, then succeeds. */
function failing(...errors) {
  const work = async () => {
    work.calls += 1;
    if (errors.length) throw errors.shift();
    return "done";
  };
  work.calls = 0;
  return work;
}
const times = (count, make) => Array.from({ length: count }, make);

test("what may pass is tried six times, with waits that double, and is said within 20 seconds", async (t) => {
  const delays = timeless(t);
  for (const random of [0, 0.999999]) {
    t.mock.method(Math, "random", () => random);
    const work = failing(...times(6, () => answered(503)));
    await assert.rejects(retry(work), { status: 503 });
    assert.equal(work.calls, 6);
  }
  const [least, most] = [delays.slice(0, 5), delays.slice(5)];
  assert.deepEqual(least, [250, 500, 1000, 2000, 4000]);
  assert.deepEqual(most.map(Math.ceil), [500, 1000, 2000, 4000, 8000]);
  assert.ok(most.reduce((sum, delay) => sum + delay) < 20_000);
});

for (const error of [connectionFailed(), answered(408), answered(429), answered(500), answered(400, "<Code>RequestTimeout")])
  test(`tried again: ${error.message} ${error.status} ${error.code}`, async (t) => {
    timeless(t);
    const work = failing(error);
    assert.equal(await retry(work), "done");
    assert.equal(work.calls, 2);
  });

for (const error of [answered(400), answered(403), answered(404), answered(412), new TypeError("x is undefined")])
  test(`not tried again: ${error.message} ${error.status ?? ""}`, async () => {
    const work = failing(error);
    await assert.rejects(retry(work), error);
    assert.equal(work.calls, 1);
  });

test("with progress elsewhere, the tries are counted anew, and the waits grow on", async (t) => {
  const delays = timeless(t);
  t.mock.method(Math, "random", () => 0.999999);
  let arrived = 0;
  const work = failing(...times(9, () => answered(503)));
  const counting = async () => {
    if (work.calls === 4) arrived += 1;
    return work();
  };
  assert.equal(await retry(counting, { arrived: () => arrived }), "done");
  assert.deepEqual(delays.map(Math.ceil).slice(3, 7), [4000, 8000, 15_000, 15_000]);
});

test("an error that has been tried often enough is not tried again by what it is a part of", async (t) => {
  timeless(t);
  const work = failing(...times(20, () => answered(503)));
  await assert.rejects(retry(() => retry(work)), { status: 503 });
  assert.equal(work.calls, 6);
});

test("what does not come right at once is waited for, and says so", async (t) => {
  timeless(t);
  let waits = 0;
  const onwait = () => (waits += 1);
  await retry(failing(answered(503)), { onwait });
  assert.equal(waits, 0);
  await retry(failing(...times(4, () => answered(503))), { onwait });
  assert.equal(waits, 3);
});

test("offline, a failure does not count, and the next try waits for 15 seconds", async (t) => {
  const delays = timeless(t);
  setOnline(false);
  let waits = 0;
  const work = failing(...times(20, connectionFailed));
  assert.equal(await retry(work, { onwait: () => (waits += 1) }), "done");
  assert.deepEqual(delays, times(20, () => 15_000));
  assert.equal(waits, 20);
});

test("offline, a first try is not held back", async () => {
  setOnline(false);
  assert.equal(await retry(failing()), "done");
});

test("back online, the next try is made at once", async () => {
  setOnline(false);
  const work = failing(connectionFailed());
  const trying = retry(work);
  await rest();
  assert.equal(work.calls, 1);
  setOnline(true);
  assert.equal(await trying, "done");
});

test("a signal ends the wait at once, and nothing is tried after it", async (t) => {
  hurry(t);
  const abort = new AbortController();
  setOnline(false);
  const work = failing(connectionFailed(), connectionFailed());
  const trying = retry(work, { signal: abort.signal });
  await rest();
  const { calls } = work;
  abort.abort();
  await assert.rejects(trying, { name: "AbortError" });
  assert.equal(work.calls, calls);
});
