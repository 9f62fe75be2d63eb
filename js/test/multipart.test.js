import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { beInsecure, beSecure, hurry, rest, until, window } from "./browser.js";
import { Server, sha256 } from "./server.js";
import { ask } from "../src/endpoint.js";
import { sendParts } from "../src/multipart.js";

let server, bytes, shares;
before(async () => (server = await new Server().start()));
beforeEach(() => {
  beSecure();
  server.uploads.clear();
  Object.assign(server, { asked: [], abreast: 0, partSize: 10, checksum: "SHA-256", fault: () => undefined });
  shares = [];
});
after(() => server.stop());

/** Bytes that differ from part to part. */
const random = (size) => (bytes = Buffer.from(Array.from({ length: size }, (_, index) => (index * 7919) % 251)));

/** Begin an upload and send its parts. */
function sending(size, { begun = false, parts = {}, signal = new AbortController().signal } = {}) {
  const file = new window.File([random(size)], "a.bin");
  const upload = { size, parts: new Map(Object.entries(parts).map(([number, body]) => [Number(number), body])) };
  server.uploads.set("T", upload);
  const grant = { token: "T", method: "MULTIPART", part_size: server.partSize, checksum: server.checksum };
  return sendParts(file, grant, begun, {
    ask: (path, question, options) => ask(server.url, path, question, options),
    signal,
    order: 1,
    onprogress: (share) => shares.push(share),
    onwait() {},
  });
}
const arrived = () => Buffer.compare(server.object, bytes) === 0;
const slice = (number) => bytes.subarray((number - 1) * 10, number * 10);
const puts = () => server.asked.filter((what) => what.startsWith("PUT"));
const reset = ({ response }) => {
  response.destroy();
  return true;
};

for (const checksum of ["SHA-256", undefined])
  test(`a file arrives byte for byte, in parts, five at the same time; checksum: ${checksum}`, async () => {
    server.checksum = checksum;
    const held = [];
    server.fault = ({ what }) => {
      if (what.startsWith("PUT")) return new Promise((resolve) => held.push(resolve));
    };
    const all = sending(123);
    await until(() => held.length === 5);
    await rest();
    assert.equal(server.open, 5);
    while (server.count("complete/") === 0) {
      held.splice(0).forEach((go) => go());
      await rest();
    }
    await all;
    assert.ok(arrived());
    assert.equal(server.abreast, 5);
    assert.equal(puts().length, 13, "every part once");
    assert.equal(server.count("list/"), 0);
    assert.equal(shares.at(-1), 1);
    assert.ok(shares.every((share) => share >= 0 && share <= 1));
  });

test("one part for each connection is signed at once; the next are read meanwhile, and signed together", async () => {
  const held = [];
  server.fault = ({ what }) => (what.startsWith("PUT") ? new Promise((resolve) => held.push(resolve)) : undefined);
  const abort = new AbortController();
  const all = sending(300, { signal: abort.signal });
  await until(() => held.length === 5);
  await rest();
  assert.equal(server.count("parts/"), 1);
  const { length } = server.last.parts;
  assert.ok(length === 5 || length === 6, `${length} parts in the first request`);
  assert.deepEqual(server.last.checksums, server.last.parts.map((number) => sha256(slice(number))));

  // As soon as a connection has nothing to send, all that was read meanwhile goes into one request.
  held.splice(0, length - 4).forEach((go) => go());
  await until(() => server.count("parts/") === 2);
  await rest();
  const { length: signed } = server.last.parts;
  assert.ok(signed > 1 && signed <= 16, `${signed} parts in the second request`);
  const next = Array.from({ length: signed }, (_, index) => index + length + 1);
  assert.deepEqual(server.last.parts, next);
  assert.deepEqual(server.last.checksums, next.map((number) => sha256(slice(number))));
  abort.abort();
  await assert.rejects(all, { name: "AbortError" });
});

test("without checksums, sixteen addresses are asked for at once", async () => {
  server.checksum = undefined;
  server.fault = ({ what }) => what.startsWith("PUT") && new Promise(() => {});
  const abort = new AbortController();
  const all = sending(300, { signal: abort.signal });
  await until(() => puts().length === 5);
  await rest();
  assert.deepEqual(
    [server.last.parts, server.last.checksums, server.count("parts/")],
    [Array.from({ length: 16 }, (_, index) => index + 1), undefined, 1],
  );
  abort.abort();
  await assert.rejects(all);
});

for (const [what, fault] of [
  ["reset", reset],
  ["a 503", async ({ whole, say }) => (await whole, say(503, "<Error><Code>SlowDown</Code></Error>"))],
  ["an answer that breaks off", async ({ whole, response }) => {
    await whole;
    response.writeHead(200, { "Content-Length": 100, "Access-Control-Allow-Origin": "*" }).write("half");
    setTimeout(() => response.destroy(), 20);
    return true;
  }],
])
  test(`of a part that fails with ${what}, that part alone is sent again`, async (t) => {
    hurry(t, 20);
    let failed = 0;
    server.fault = (one) => one.what === "PUT 4" && !failed++ && fault(one);
    await sending(123);
    assert.ok(arrived());
    assert.equal(server.count("PUT 4"), 2);
    assert.equal(puts().length, 14);
  });

test("the first part that fails for good ends the others, and nothing is under way then", async () => {
  server.fault = async ({ what, whole, say }) => {
    if (what === "PUT 2") return whole.then(() => say(403, "<Error><Code>AccessDenied</Code></Error>"));
    if (what.startsWith("PUT")) return new Promise(() => {});
  };
  await assert.rejects(sending(300), { status: 403 });
  await until(() => server.open === 0);
  assert.ok(puts().length <= 5);
  assert.equal(server.count("complete/"), 0);
});

test("what is there already is not sent again, except parts of another size", async () => {
  random(95);
  await sending(95, { begun: true, parts: { 1: slice(1), 2: slice(2).subarray(1), 7: slice(7), 10: slice(10) } });
  assert.ok(arrived());
  assert.deepEqual(
    puts()
      .map((put) => Number(put.slice(4)))
      .sort((a, b) => a - b),
    [2, 3, 4, 5, 6, 8, 9],
  );
  assert.ok(shares[2] > 0.2, "what is there counts from the beginning");
});

test("an upload that was completed needs no byte", async () => {
  random(20);
  const upload = sending(20, { begun: true, parts: { 1: slice(1), 2: slice(2) } });
  server.uploads.get("T").object = bytes;
  await upload;
  assert.deepEqual(server.asked, ["list/", "complete/"]);
});

test("an upload that is gone is told from other failures", async (t) => {
  hurry(t);
  const gone = sending(20, { begun: true });
  server.uploads.clear();
  await assert.rejects(gone, { gone: true });
  server.fault = ({ what, say }) => what === "complete/" && say(400, JSON.stringify({ error: "Gone." }));
  await assert.rejects(sending(20), { gone: false, status: 400 });
  server.fault = ({ say }) => say(503, "{}");
  await assert.rejects(sending(20, { begun: true }), { gone: false, status: 503 });
});

test("a store that hides ETags is asked for them through the server", async () => {
  server.fault = ({ what, response }) => {
    if (!what.startsWith("PUT")) return;
    const { writeHead } = response;
    response.writeHead = (status, headers) => writeHead.call(response, status, { ...headers, ETag: [] });
  };
  await sending(20);
  assert.deepEqual(server.asked.slice(-2), ["list/", "complete/"]);
  assert.ok(server.last.parts.every(({ etag }) => etag));
});

test("an upload that is stopped while its last answer is outstanding waits for it", async () => {
  let go;
  server.fault = ({ what }) => what === "complete/" && new Promise((resolve) => (go = resolve));
  const abort = new AbortController();
  let over = false;
  const all = sending(20, { signal: abort.signal }).catch(() => {}).finally(() => (over = true));
  await until(() => go);
  abort.abort();
  await rest();
  assert.equal(over, false);
  go();
  await all;
  assert.ok(arrived());
});

test("progress of a part that fails is taken back", async (t) => {
  hurry(t, 100);
  let failed = 0;
  server.fault = async (one) => {
    if (one.what === "PUT 1" && !failed++) return one.whole.then(() => reset(one));
    if (one.what === "PUT 1") return;
  };
  await sending(20);
  assert.ok(Math.max(...shares) <= 1);
  assert.equal(shares.at(-1), 1);
});

test("in a page that is not secure, parts go without checksums", async () => {
  beInsecure();
  server.checksum = undefined;
  await sending(45);
  assert.ok(arrived());
});
