import assert from "node:assert/strict";
import { test } from "node:test";
import { connections, createPool } from "../src/queue.js";

const rest = () => new Promise((resolve) => setTimeout(resolve));

/** Work that ends when told to. */
function works(pool) {
  const started = [];
  const ends = {};
  const work = (name) => () => {
    started.push(name);
    return new Promise((resolve, reject) => (ends[name] = { resolve, reject }));
  };
  return { started, ends, run: (name, claim) => pool.run(work(name), claim) };
}

test("a few at once, then in the order in which they came", async () => {
  const { started, ends, run } = works(createPool(3));
  const all = ["a", "b", "c", "d", "e"].map((name) => run(name));
  await rest();
  assert.deepEqual(started, ["a", "b", "c"]);
  ends.b.resolve("B");
  assert.equal(await all[1], "B");
  await rest();
  assert.deepEqual(started, ["a", "b", "c", "d"]);
  for (const name of ["a", "c", "d"]) ends[name].resolve();
  await rest();
  ends.e.resolve();
  await Promise.all(all);
});

test("what belongs to an earlier file goes first, in its own order", async () => {
  const { started, ends, run } = works(createPool(1));
  const all = [run("first"), run("late 1", { order: 2 }), run("early 1", { order: 1 }), run("early 2", { order: 1 })];
  for (const name of ["first", "early 1", "early 2", "late 1"]) {
    await rest();
    ends[name].resolve();
  }
  await Promise.all(all);
  assert.deepEqual(started, ["first", "early 1", "early 2", "late 1"]);
});

test("a small file is not stuck behind the parts of large ones, on six connections", async () => {
  const { started, ends, run } = works(connections);
  const parts = ["1", "2", "3", "4", "5", "6", "7"];
  const all = parts.map((name) => run(name, { large: true }));
  all.push(run("small", { order: 9 }));
  await rest();
  assert.deepEqual(started, ["1", "2", "3", "4", "5", "small"]);
  ends["1"].resolve();
  await rest();
  assert.deepEqual(started.at(-1), "6");
  ends["2"].resolve();
  await rest();
  for (const name of ["3", "4", "5", "6", "7", "small"]) ends[name].resolve();
  await Promise.all(all);
});

test("failed work gives its place back", async () => {
  const pool = createPool(1, 1);
  for (let count = 0; count < 3; count += 1)
    await assert.rejects(
      pool.run(() => Promise.reject(new Error("no")), { large: true }),
      /no/,
    );
  assert.equal(await pool.run(() => "yes", { large: true }), "yes");
});

test("who waits no more leaves the queue, and takes no place along", async () => {
  const pool = createPool(1);
  const { ends, run, started } = works(pool);
  const first = run("first");
  const abort = new AbortController();
  const second = run("second", { signal: abort.signal });
  const third = run("third");
  abort.abort();
  await assert.rejects(second, { name: "AbortError" });
  ends.first.resolve();
  await first;
  await rest();
  assert.deepEqual(started, ["first", "third"]);
  ends.third.resolve();
  await third;
  // Ended in the very moment in which the place was given.
  const late = new AbortController();
  const fourth = run("fourth", { signal: late.signal });
  late.abort();
  await assert.rejects(fourth, { name: "AbortError" });
  assert.equal(await pool.run(() => "free"), "free");
});
