import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import "./browser.js";
import { ask as askServer, presign } from "../src/endpoint.js";

afterEach(() => mock.restoreAll());

const answer = (body, init) => mock.method(globalThis, "fetch", async () => new Response(body, init));
const ask = (...names) =>
  presign(
    (path, question) => askServer("/__s3upload__/", path, question, { language: "de" }),
    "P",
    (names.length ? names : ["a"]).map((name) => ({ name, size: 3, type: "application/pdf" })),
  );
const post = { token: "T", method: "POST", url: "/store", fields: {} };

test("asks once, as JSON, about every file", async () => {
  const fetch = answer(JSON.stringify({ uploads: [post, { error: "No." }] }));
  assert.deepEqual(await ask("100%.pdf", 'a\n"b".pdf'), [post, { error: "No." }]);
  const [url, { body, headers, method }] = fetch.mock.calls[0].arguments;
  assert.deepEqual([url, method, headers.get("Content-Type")], ["/__s3upload__/presign/", "POST", "application/json"]);
  assert.equal(headers.get("Accept-Language"), "de");
  assert.deepEqual(JSON.parse(body), {
    policy: "P",
    files: [
      { name: "100%.pdf", size: 3, type: "application/pdf" },
      { name: 'a\n"b".pdf', size: 3, type: "application/pdf" },
    ],
  });
});

for (const status of [400, 413])
  test(`a refusal of all with ${status} is final and in the server's words`, async () => {
    answer(JSON.stringify({ error: "Abgelehnt." }), { status });
    await assert.rejects(ask(), { message: "Abgelehnt.", refused: true });
  });

test("what is not allowed now may be allowed after signing in", async () => {
  answer(JSON.stringify({ error: "Sign in." }), { status: 403 });
  await assert.rejects(ask(), { message: "Sign in.", refused: false });
});

/** Have no wait take long. */
const hurry = () => {
  const { setTimeout: wait } = globalThis;
  mock.method(globalThis, "setTimeout", (call, delay) => wait(call, delay / 1000));
};

for (const [what, body] of [
  ["its own words", JSON.stringify({ error: "Store away." })],
  ["the words of a server in between", "<h1>503</h1>"],
])
  test(`a server that is overloaded is asked again, and quoted in the end: ${what}`, async () => {
    hurry();
    const fetch = answer(body, { status: 503 });
    await assert.rejects(ask(), { refused: false, message: /Store away|no usable answer/ });
    assert.equal(fetch.mock.callCount(), 6);
  });

test("an answer that breaks off is asked for again", async () => {
  hurry();
  let count = 0;
  mock.method(globalThis, "fetch", async () => {
    count += 1;
    if (count > 1) return new Response(JSON.stringify({ uploads: [post] }));
    return new Response(new ReadableStream({ pull: (controller) => controller.error(new TypeError("network")) }));
  });
  assert.deepEqual(await ask(), [post]);
});

for (const [what, body] of [
  ["HTML", "<h1>Server Error (500)</h1>"],
  ["nothing", ""],
  ["null", "null"],
  ["no list", "{}"],
  ["too few answers", JSON.stringify({ uploads: [] })],
  ["an answer without a token", JSON.stringify({ uploads: [{ ...post, token: undefined }] })],
  ["a method of a later version", JSON.stringify({ uploads: [{ ...post, method: "PATCH" }] })],
  ["parts of no size", JSON.stringify({ uploads: [{ token: "T", method: "MULTIPART" }] })],
])
  test(`an answer with ${what} is an error, not a wait`, async () => {
    answer(body, { status: 200 });
    await assert.rejects(ask());
  });

test("a redirect, which leads to a login, is said as that", async () => {
  mock.method(globalThis, "fetch", async () => ({ type: "opaqueredirect", status: 0, text: async () => "" }));
  await assert.rejects(ask(), /sign in again/i);
});

test("a server that cannot be reached is said as that", async () => {
  hurry();
  mock.method(globalThis, "fetch", async () => {
    throw new TypeError("Failed to fetch");
  });
  await assert.rejects(ask(), /connection failed/);
});

test("what is to be given back is asked for also when the page is left", async () => {
  const fetch = answer("{}");
  for (const keepalive of [true, undefined]) await askServer("/__s3upload__/", "abort/", { token: "T" }, { keepalive });
  assert.deepEqual(
    fetch.mock.calls.map(({ arguments: [, options] }) => options.keepalive),
    [true, undefined],
  );
});
