import assert from "node:assert/strict";
import { test } from "node:test";
import { enqueue } from "../src/queue.js";

const rest = () => new Promise((resolve) => setTimeout(resolve));
const LARGE = 1024 ** 3;

/** Work that ends when told to. */
function works() {
  const started = [];
  const ends = {};
  return {
    started,
    ends,
    work: (name) => () => {
      started.push(name);
      return new Promise((resolve, reject) => (ends[name] = { resolve, reject }));
    },
  };
}

test("three at once, then in the order in which they came", async () => {
  const { started, ends, work } = works();
  const all = ["a", "b", "c", "d", "e"].map((name) => enqueue(1, work(name)));
  await rest();
  assert.deepEqual(started, ["a", "b", "c"]);
  ends.b.resolve();
  await rest();
  assert.deepEqual(started, ["a", "b", "c", "d"]);
  for (const name of ["a", "c", "d"]) ends[name].resolve();
  await rest();
  ends.e.resolve();
  await Promise.all(all);
});

test("a small file is not stuck behind large ones", async () => {
  const { started, ends, work } = works();
  const all = ["L1", "L2", "L3"].map((name) => enqueue(LARGE, work(name)));
  all.push(enqueue(1, work("small")));
  await rest();
  assert.deepEqual(started, ["L1", "L2", "small"]);
  ends.L1.resolve();
  await rest();
  assert.deepEqual(started, ["L1", "L2", "small", "L3"]);
  for (const name of ["L2", "L3", "small"]) ends[name].resolve();
  await Promise.all(all);
});

test("failed work gives its place back", async () => {
  const fail = () => Promise.reject(new Error("no"));
  for (let count = 0; count < 4; count += 1) await assert.rejects(enqueue(LARGE, fail), /no/);
  const { started, ends, work } = works();
  const last = enqueue(LARGE, work("a"));
  await rest();
  assert.deepEqual(started, ["a"]);
  ends.a.resolve();
  await last;
});
