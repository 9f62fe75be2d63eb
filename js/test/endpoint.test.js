import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { file } from "./browser.js";
import { presign } from "../src/presign.js";

afterEach(() => mock.restoreAll());

const answer = (body, init) => mock.method(globalThis, "fetch", async () => new Response(body, init));
const ask = (...names) =>
  presign(
    "/__s3upload__/",
    "P",
    (names.length ? names : ["a"]).map((name) => file(name)),
    "de",
  );
const post = { token: "T", method: "POST", url: "/store", fields: {} };

test("asks once, as JSON, for name, size and type of every file", async () => {
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

test("an error of the server may pass", async () => {
  answer(JSON.stringify({ error: "Store away." }), { status: 503 });
  await assert.rejects(ask(), { message: "Store away.", refused: false });
});

for (const [what, body] of [
  ["HTML", "<h1>Server Error (500)</h1>"],
  ["nothing", ""],
  ["null", "null"],
  ["no list", "{}"],
  ["too few answers", JSON.stringify({ uploads: [] })],
  ["an answer without a token", JSON.stringify({ uploads: [{ ...post, token: undefined }] })],
  ["a method of a later version", JSON.stringify({ uploads: [{ ...post, method: "MULTIPART" }] })],
])
  test(`an answer with ${what} is an error, not a wait`, async () => {
    answer(body, { status: 200 });
    await assert.rejects(ask());
  });

test("a redirect, which leads to a login, is said as that", async () => {
  mock.method(globalThis, "fetch", async () => ({ type: "opaqueredirect", status: 0 }));
  await assert.rejects(ask(), /signed out/);
});

test("a server that cannot be reached is said as that", async () => {
  mock.method(globalThis, "fetch", async () => {
    throw new TypeError("Failed to fetch");
  });
  await assert.rejects(ask(), /connection failed/);
});
