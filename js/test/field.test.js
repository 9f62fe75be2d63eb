import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import {
  button,
  choose,
  fakeTransport,
  file,
  fileInput,
  heard,
  inputHtml,
  keptHtml,
  posted,
  rest,
  rows,
  show,
} from "./browser.js";
import { UploadError } from "../src/errors.js";
import { start } from "../src/page.js";
import { transport } from "../src/transport.js";

start();
let fake;
beforeEach(() => (fake = fakeTransport(transport)));
afterEach(async () => {
  document.body.replaceChildren();
  await rest();
});
const names = () => fileInput().files.map(({ name }) => name);

test("all files chosen at once are announced in one request, with the policy and the language of the page", async () => {
  show();
  choose(fileInput(), file("a"), file("b"));
  await rest();
  assert.deepEqual(fake.asked, [{ endpoint: "/__s3upload__/", policy: "POLICY", names: ["a", "b"], language: "en" }]);
});

test("choices add up where several are allowed, the same file twice too", async () => {
  const form = show();
  choose(fileInput(), file("a"));
  choose(fileInput(), file("a"));
  choose(fileInput(), file("b"));
  await fake.finish();
  assert.deepEqual(names(), ["a", "a", "b"]);
  assert.equal(posted(form).length, 3);
});

test("a list that grows in place, as WebDriver makes it grow, is no second choice of what was there", () => {
  show();
  choose(fileInput(), file("a"));
  choose(fileInput(), file("a"), file("b"));
  assert.deepEqual(names(), ["a", "b"]);
});

test("a new choice takes the place of the old where one is allowed", async () => {
  const form = show(inputHtml("name=docs") + keptHtml());
  const events = heard(document, "cancel");
  choose(fileInput(), file("a"));
  await rest();
  choose(fileInput(), file("b"));
  assert.ok(fake.sending[0].signal.aborted);
  assert.deepEqual(
    events.map(([, { name }]) => name),
    ["a"],
  );
  await fake.finish();
  assert.deepEqual(posted(form), ["docs-s3upload=token of b"], "the kept file is replaced too");
});

test("choosing nothing keeps a list and empties a single choice", () => {
  show(inputHtml());
  choose(fileInput(), file("a"));
  choose(fileInput());
  assert.deepEqual(names(), ["a"]);
  document.body.replaceChildren();
  show(inputHtml("name=docs"));
  choose(fileInput(), file("a"));
  choose(fileInput());
  assert.deepEqual(rows(), []);
});

test("a change event without a change uploads nothing again", async () => {
  show();
  choose(fileInput(), file("a"));
  choose(fileInput(), ...fileInput().files);
  await rest();
  assert.equal(fake.asked.length, 1);
  assert.equal(rows().length, 1);
});

test("an input that a script has emptied posts nothing", async () => {
  const form = show(inputHtml() + "<button>Save</button>");
  choose(fileInput(), file("a"));
  await fake.finish();
  fileInput().files = [];
  form.querySelector("form > button").click();
  assert.deepEqual(posted(form), []);
  assert.deepEqual(rows(), []);
});

test("removing one file keeps the others, and the page hears of it", async () => {
  const form = show();
  choose(fileInput(), file("a"), file("b"));
  await fake.finish();
  let changes = 0;
  form.addEventListener("change", () => (changes += 1));
  button("Remove: a").click();
  assert.equal(changes, 1);
  assert.deepEqual(names(), ["b"]);
  assert.deepEqual(posted(form), ["docs-s3upload=token of b"]);
});

test("cancelling stops the upload, and says so", async () => {
  show();
  const events = heard(document, "cancel", "complete", "error");
  choose(fileInput(), file("a", 7));
  await rest();
  button("Cancel: a").click();
  assert.ok(fake.sending[0].signal.aborted);
  await rest();
  assert.deepEqual(
    events.map(([name, { size }]) => [name, size]),
    [["cancel", 7]],
  );
  assert.match(document.querySelector(".s3upload__status").textContent, /a: Removed/);
});

test("try again asks for a new presigned request", async () => {
  const form = show();
  choose(fileInput(), file("a"));
  await rest();
  fake.sending.pop().reject(new UploadError("Broken.", { status: 400 }));
  await rest();
  button("Try again: a").focus();
  document.activeElement.click();
  assert.equal(document.activeElement, button("Cancel: a"), "the focus stays with the file");
  await fake.finish();
  assert.equal(fake.asked.length, 2);
  assert.deepEqual(posted(form), ["docs-s3upload=token of a"]);
});

test("one refused file does not keep the others back", async () => {
  fake.answer = ({ name }) => (name === "a" ? { error: "Not this one." } : { token: "T", method: "PUT", url: "/store", headers: {} });
  show();
  const events = heard(document, "error", "complete");
  choose(fileInput(), file("a"), file("b"));
  await fake.finish();
  assert.deepEqual(
    events.map(([name, detail]) => [name, detail.name, detail.message]),
    [
      ["error", "a", "Not this one."],
      ["complete", "b", undefined],
    ],
  );
  assert.equal(button("Try again: a"), undefined);
});

test("a listener can have a file go the ordinary way", async () => {
  const form = show();
  form.addEventListener("s3upload:start", (event) => event.detail.name === "a" && event.preventDefault());
  choose(fileInput(), file("a"), file("b"));
  await fake.finish();
  assert.deepEqual(fake.asked[0].names, ["b"]);
  assert.deepEqual(posted(form), ["docs=<a>", "docs-s3upload=token of b"]);
});

test("progress is told of the file and of all files of the input", async () => {
  show();
  const events = heard(document, "progress");
  choose(fileInput(), file("a", 100), file("b", 300));
  await rest();
  fake.sending[1].onprogress(0.5);
  const [, detail] = events.at(-1);
  assert.deepEqual(detail, {
    progress: 0.375,
    loaded: 150,
    total: 400,
    currentFile: fake.sending[1].file,
    currentFileName: "b",
    currentFileProgress: 0.5,
  });
  await fake.finish();
  assert.equal(events.at(-1)[1].progress, 1);
});

test("no event tells a token", async () => {
  show();
  const events = heard(document, "start", "progress", "complete", "cancel");
  choose(fileInput(), file("a"));
  await fake.finish();
  assert.ok(events.length > 2);
  assert.doesNotMatch(JSON.stringify(events), /token/);
});

test("a removed kept file is not posted, and the input is required again when none is left", async () => {
  const form = show(inputHtml("name=docs multiple data-s3upload-required") + keptHtml("a.pdf") + keptHtml("b.pdf"));
  await rest();
  button("Remove: a.pdf").click();
  assert.deepEqual(posted(form), ["docs-s3upload=token of b.pdf"]);
  assert.equal(fileInput().required, false);
  button("Remove: b.pdf").click();
  assert.deepEqual(posted(form), []);
  assert.equal(fileInput().required, true);
});

test("an upload stops when its input leaves the page, and goes on when it comes back", async () => {
  const form = show();
  choose(fileInput(), file("a"));
  await rest();
  const input = fileInput();
  input.remove();
  await rest();
  assert.ok(fake.sending.pop().signal.aborted);
  form.append(input);
  await fake.finish();
  assert.deepEqual(posted(form), ["docs-s3upload=token of a"]);
});
