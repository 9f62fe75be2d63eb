import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { file } from "./browser.js";
import { send } from "../src/send.js";

/** jsdom's XMLHttpRequest against a real server. */
let server, base, got, answer;
before(async () => {
  server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const headers = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Headers": "*",
        "Access-Control-Allow-Methods": "*",
      };
      if (request.method === "OPTIONS") return response.writeHead(204, headers).end();
      got = { method: request.method, headers: request.headers, body: Buffer.concat(chunks).toString("latin1") };
      answer(response, headers);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${server.address().port}/`;
});
after(() => server.closeAllConnections() ?? server.close());

const status = (code, body = "") => (answer = (response, headers) => response.writeHead(code, headers).end(body));
const post = () => ({ token: "T", method: "POST", url: base, fields: { key: "tmp/1", policy: "x" } });
const options = (more = {}) => ({ signal: new AbortController().signal, onprogress() {}, ...more });

test("a presigned POST sends all fields, and the file last under a name that every store can read", async () => {
  status(204);
  await send(post(), file('50% "é"\n😀.txt'), options());
  const parts = [...got.body.matchAll(/name="([^"]*)"(?:; filename="([^"]*)")?/g)].map(([, name, as]) => [name, as]);
  assert.deepEqual(parts, [
    ["key", undefined],
    ["policy", undefined],
    ["file", "file"],
  ]);
});

test("a presigned PUT sends the file with its headers", async () => {
  status(200);
  const headers = { "Content-Type": "application/pdf", "x-amz-meta-a": "b" };
  await send({ token: "T", method: "PUT", url: base, headers }, file("a", 5), options());
  assert.deepEqual([got.method, got.body.length, got.headers["x-amz-meta-a"]], ["PUT", 5, "b"]);
});

test("a store that says no is quoted with its number, not with its XML", async () => {
  status(403, "<Error><Code>AccessDenied</Code></Error>");
  await assert.rejects(send(post(), file(), options()), (error) => error.status === 403 && !/</.test(error.message));
});

test("a connection that breaks is an error", async () => {
  answer = (response) => response.destroy();
  await assert.rejects(send(post(), file(), options()), /connection failed/);
});

test("an abort ends it at once", async () => {
  answer = () => {};
  const abort = new AbortController();
  const sending = send(post(), file(), options({ signal: abort.signal }));
  abort.abort();
  await assert.rejects(sending, { name: "AbortError" });
  await assert.rejects(send(post(), file(), options({ signal: abort.signal })), { name: "AbortError" });
});

/** A request whose progress the test makes: a real one takes a minute to stall, and jsdom's knows no total. */
class FakeRequest {
  getAllResponseHeaders = () => "";
  static last;
  upload = {};
  aborted = false;
  open() {}
  send() {
    FakeRequest.last = this;
  }
  abort() {
    this.aborted = true;
  }
}

/** Send with the fake request, and the time in the test's hands. */
function sendFake(t, more) {
  const { XMLHttpRequest } = globalThis;
  globalThis.XMLHttpRequest = FakeRequest;
  t.after(() => (globalThis.XMLHttpRequest = XMLHttpRequest));
  let now = 0;
  let timer;
  t.mock.method(globalThis, "setTimeout", (call, delay) => (timer = { call, at: now + delay }));
  t.mock.method(globalThis, "clearTimeout", () => (timer = undefined));
  const tick = (time) => {
    now += time;
    if (timer?.at <= now) timer.call();
  };
  const sending = send(post(), file(), options(more));
  return { sending, tick, xhr: FakeRequest.last };
}

test("progress is told as a share", async (t) => {
  const shares = [];
  const { sending, xhr } = sendFake(t, { onprogress: (share) => shares.push(share) });
  for (const loaded of [0, 50, 200]) xhr.upload.onprogress({ loaded, total: 200 });
  xhr.status = 204;
  xhr.onload();
  await sending;
  assert.deepEqual(shares, [0, 0.25, 1]);
});

test("when nothing moves for half a minute it has failed, however long it took before", async (t) => {
  const { sending, tick, xhr } = sendFake(t);
  for (let minute = 0; minute < 5; minute += 1) {
    tick(29_000);
    xhr.upload.onprogress({ loaded: minute, total: 10 });
  }
  assert.equal(xhr.aborted, false);
  tick(30_000);
  await assert.rejects(sending, /connection failed/);
  assert.equal(xhr.aborted, true);
});

test("a whole file that has been sent to the last byte is waited for; a part, or half a file, is not", async (t) => {
  for (const [whole, sent, waits] of [
    [true, true, true],
    [true, false, false],
    [false, true, false],
  ]) {
    const abort = new AbortController();
    const { sending, xhr } = sendFake(t, { signal: abort.signal, whole });
    if (sent) xhr.upload.onload();
    abort.abort();
    assert.equal(xhr.aborted, !waits);
    xhr.status = 204;
    xhr.onload();
    if (waits) await sending;
    else await assert.rejects(sending, { name: "AbortError" });
  }
});

test("a second try is given twice the time of the first", async (t) => {
  for (const [failed, patience] of [
    [0, 30_000],
    [1, 60_000],
    [6, 60_000],
  ]) {
    const { sending, tick, xhr } = sendFake(t, { failed });
    tick(patience - 1);
    assert.equal(xhr.aborted, false);
    tick(1);
    await assert.rejects(sending, /connection failed/);
  }
});

test("when the network is back, a connection that moves nothing is soon given up", async (t) => {
  for (const moves of [true, false]) {
    const { sending, tick, xhr } = sendFake(t);
    tick(10_000);
    dispatchEvent(new Event("online"));
    tick(4_000);
    if (moves) xhr.upload.onprogress({ loaded: 1, total: 10 });
    tick(2_000);
    assert.equal(xhr.aborted, !moves);
    xhr.status = 204;
    xhr.onload();
    if (moves) await sending;
    else await assert.rejects(sending, /connection failed/);
  }
});
