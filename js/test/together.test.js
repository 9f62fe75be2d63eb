import assert from "node:assert/strict";
import { test } from "node:test";
import { startTogether } from "../src/together.js";

/** An upload that asks with this description, and takes down what it is answered. */
const upload = (description, answered) => ({
  start: (join, again) => {
    upload.again = again;
    join(Promise.resolve(description)).then((answer) => answered.push(answer));
  },
});
const grant = (name) => ({ token: name, method: "PUT", url: "/store", headers: {} });
const server = (asked) => async (path, question) => {
  asked.push([path, question]);
  return { uploads: question.files.map(({ name }) => grant(name)) };
};
const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

test("one request names all files, and each upload gets its own answer", async () => {
  const asked = [];
  const answers = [[], [], []];
  const files = [{ name: "a" }, undefined, { name: "c" }];
  startTogether(files.map((one, index) => upload(one, answers[index])), server(asked), "P");
  await settle();
  assert.deepEqual(asked, [["presign/", { policy: "P", files: [{ name: "a" }, { name: "c" }] }]]);
  assert.deepEqual(answers, [[grant("a")], [undefined], [grant("c")]]);
});

test("nothing is asked when nobody has a question", async () => {
  const asked = [];
  const answers = [];
  startTogether([upload(undefined, answers)], server(asked), "P");
  await settle();
  assert.deepEqual([asked, answers], [[], [undefined]]);
});

test("a second question names one file alone", async () => {
  const asked = [];
  startTogether([upload(undefined, [])], server(asked), "P");
  assert.deepEqual(await upload.again({ name: "b" }), grant("b"));
  assert.deepEqual(asked, [["presign/", { policy: "P", files: [{ name: "b" }] }]]);
});
