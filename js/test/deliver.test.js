import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { file, hurry, rest, until } from "./browser.js";
import { Server, sha256 } from "./server.js";
import { deliver } from "../src/deliver.js";
import { connections } from "../src/queue.js";

let server, signed;
before(async () => (server = await new Server().start()));
beforeEach(() => {
  server.fault = () => undefined;
  server.asked = [];
  server.expires = 3600;
  server.uploads.set("T", { size: 3, parts: new Map() });
  signed = [];
});
afterEach(() => server.uploads.clear());
after(() => server.stop());

const url = (sum = "") => `${server.url}store?token=T&X-Amz-Expires=${server.expires}&sum=${encodeURIComponent(sum)}`;
const put = (sum) => ({ method: "PUT", url: url(sum), headers: {} });
const parcel = (more = {}) => ({ blob: file("a", 3), request: put(), signed: Date.now(), ...more });
/** Deliver, and sign again with what `renewed` gives. */
const bring = (one, { renewed = () => put(), ...more } = {}) =>
  deliver(one, {
    signal: new AbortController().signal,
    order: 1,
    onprogress() {},
    sign: async (again, afresh) => {
      signed.push(afresh);
      Object.assign(again, { request: renewed(), signed: Date.now() });
    },
    ...more,
  });
/** Let some requests fail, one after the other. */
const fail = (...faults) => (server.fault = (one) => faults.shift()?.(one));
const error = (status, code) => async ({ whole, say }) => (await whole, say(status, `<Error><Code>${code}</Code></Error>`));
const reset = ({ response }) => {
  response.destroy();
  return true;
};

test("the ETag is what the store says", async () => {
  assert.equal(await bring(parcel()), `"${sha256(new Uint8Array(3))}"`);
});

test("a reset connection, SlowDown and a request that the store gave up are sent again", async (t) => {
  hurry(t);
  fail(reset, error(503, "SlowDown"), error(400, "RequestTimeout"));
  await bring(parcel());
  assert.equal(server.count("PUT"), 4);
  assert.deepEqual(signed, [], "with the request that is there");
});

test("a connection that stalls is replaced, also while it waits for the answer", async (t) => {
  hurry(t, 300); // 30 seconds are 100 milliseconds.
  let stalled = 0;
  server.fault = () => (stalled += 1) < 3 && new Promise(() => {});
  await bring(parcel());
  assert.equal(server.count("PUT"), 3);
});

test("what the store does not allow is said at once", async () => {
  fail(error(403, "AccessDenied"));
  await assert.rejects(bring(parcel()), { status: 403, refused: false, message: /store refused/ });
  assert.equal(server.count("PUT"), 1);
});

test("a store that is down is said in the end", async (t) => {
  hurry(t);
  server.fault = error(503, "SlowDown");
  await assert.rejects(bring(parcel()), { status: 503 });
  assert.equal(server.count("PUT"), 6);
});

test("a request that has expired is signed again without a word, whether its age or the store says so", async (t) => {
  fail(error(403, "AccessDenied</Code><Message>Request has expired</Message><Code>"));
  await bring(parcel());
  assert.deepEqual(signed, [false]);
  // The lid was closed while it was on its way.
  const now = t.mock.method(Date, "now", () => 1e12);
  fail((one) => {
    now.mock.mockImplementation(() => 1e12 + 3601_000);
    return error(403, "AccessDenied")(one);
  });
  await bring(parcel());
  assert.deepEqual(signed, [false, false]);
});

test("a request that was good for one use, and whose answer was lost, is signed again", async () => {
  fail(error(403, "UnauthorizedBlobOverwrite"));
  await bring(parcel());
  assert.deepEqual(signed, [false]);
  signed.length = 0;
  server.fault = error(403, "UnauthorizedBlobOverwrite");
  await assert.rejects(bring(parcel()), { status: 403 });
  assert.equal(signed.length, 2);
});

test("clocks that do not agree are an error in the end, not a circle", async () => {
  server.fault = error(403, "ExpiredToken");
  await assert.rejects(bring(parcel()), { status: 403 });
  assert.equal(signed.length, 2);
});

test("a request is signed again before its use when half of its life is over, also in the queue", async (t) => {
  let now = 1e12;
  t.mock.method(Date, "now", () => now);
  server.expires = 100;
  await bring(parcel({ signed: now - 51_000 }));
  await bring(parcel({ signed: now - 49_000 }));
  assert.equal(signed.length, 1);
  const ends = [];
  const places = Array.from({ length: 6 }, () => connections.run(() => new Promise((resolve) => ends.push(resolve))));
  const bringing = bring(parcel());
  await rest();
  now += 51_000;
  ends.forEach((end) => end());
  await Promise.all([...places, bringing]);
  assert.equal(signed.length, 2);
});

test("content that arrives damaged is read anew and sent once more; damaged again, it is refused", async () => {
  await bring(parcel({ request: put("wrong") }), { renewed: () => put(sha256(new Uint8Array(3))) });
  assert.deepEqual([signed, server.count("PUT")], [[true], 2]);
  for (const code of ["BadDigest", "XAmzContentChecksumMismatch", "InvalidDigest"]) {
    server.asked = [];
    server.fault = error(400, code);
    await assert.rejects(bring(parcel()), { refused: true, status: 400 });
    assert.equal(server.count("PUT"), 2);
  }
});

test("a file that has changed since it was chosen is refused, in words of its own", async () => {
  server.fault = reset;
  const blob = file("a", 3);
  const gone = Object.assign(file("a", 1), { arrayBuffer: () => Promise.reject(new Error("NotReadableError")) });
  blob.slice = () => gone;
  await assert.rejects(bring(parcel({ blob })), { refused: true, message: /has changed or was removed/ });
  assert.equal(server.count("PUT"), 1);
});

test("a place in the queue is not held while something waits to be tried again", async () => {
  server.fault = reset;
  const abort = new AbortController();
  const all = Array.from({ length: 6 }, () => bring(parcel(), { signal: abort.signal }));
  await until(() => server.count("PUT") === 6);
  await rest();
  assert.equal(await connections.run(() => "free"), "free");
  abort.abort();
  await Promise.allSettled(all);
});
