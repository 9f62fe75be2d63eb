import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { beInsecure, beSecure, rest } from "./browser.js";
import { memoryOf, sweep } from "../src/resume.js";

let held;
beforeEach(() => {
  localStorage.clear();
  held = beSecure();
});

const grant = { token: "T", method: "MULTIPART", part_size: 10, checksum: "SHA-256" };
const DAY = 24 * 3600_000;

/** What a page finds that comes later. */
async function later(...identity) {
  const memory = await memoryOf(identity);
  const found = memory?.recall();
  memory?.release();
  await rest();
  return found;
}

test("an upload is found again by what it is, and by nothing else", async () => {
  const memory = await memoryOf(["/form/", "secret.pdf"]);
  assert.equal(memory.recall(), undefined);
  memory.keep(grant);
  memory.release();
  await rest();
  assert.deepEqual(await later("/form/", "secret.pdf"), grant);
  assert.equal(await later("/other/", "secret.pdf"), undefined);
  const [[key, value]] = Object.entries(localStorage);
  assert.doesNotMatch(key + value, /secret|form/);
  assert.deepEqual(Object.keys(JSON.parse(value)).sort(), ["checksum", "part_size", "time", "token"]);
  memory.forget();
  assert.equal(await later("/form/", "secret.pdf"), undefined);
});

test("two never work on one upload", async () => {
  const memory = await memoryOf(["a"]);
  assert.equal(held.size, 1);
  assert.equal(await memoryOf(["a"]), undefined);
  assert.ok(await memoryOf(["b"]));
  memory.release();
  await rest();
  assert.ok(await memoryOf(["a"]));
});

test("after a day it is forgotten, and removed when the script starts", async (t) => {
  const memory = await memoryOf(["a"]);
  memory.keep(grant);
  memory.release();
  await rest();
  localStorage.setItem("s3upload:broken", "{");
  localStorage.setItem("theirs", "{");
  const now = Date.now();
  t.mock.method(Date, "now", () => now + DAY - 1000);
  sweep();
  assert.equal(localStorage.length, 2);
  assert.ok(await later("a"));
  t.mock.method(Date, "now", () => now + DAY + 1000);
  assert.equal(await later("a"), undefined);
  sweep();
  assert.deepEqual(Object.keys(localStorage), ["theirs"]);
});

test("where the browser has no locks, no storage or no digest, nothing is remembered and nothing fails", async (t) => {
  beInsecure();
  assert.equal(await memoryOf(["a"]), undefined);
  beSecure();
  t.mock.method(Object.getPrototypeOf(localStorage), "setItem", () => {
    throw new Error("QuotaExceededError");
  });
  const memory = await memoryOf(["a"]);
  memory.keep(grant);
  assert.equal(memory.recall(), undefined);
  const storage = Object.getOwnPropertyDescriptor(globalThis, "localStorage");
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get() {
      throw new Error("SecurityError");
    },
  });
  t.after(() => Object.defineProperty(globalThis, "localStorage", storage));
  assert.equal(await memoryOf(["b"]), undefined);
  sweep();
});
