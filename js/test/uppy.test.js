import assert from "node:assert/strict";
import { after, afterEach, beforeEach, test } from "node:test";
import { beInsecure, button, file, hurry, keptHtml, posted, rest, rows, submits, until, window } from "./browser.js";
import { note, page, server } from "./lent.js";
import { Uppy as Uppy6 } from "@uppy/core";
import { Uppy as Uppy5 } from "uppy-core-5";
import S3Upload from "../src/uppy.js";

const logger = { debug() {}, warn() {}, error() {} };
let uppy;
beforeEach(() => {
  beInsecure();
  Object.assign(server, { asked: [], partSize: 10, fault: () => undefined });
  server.uploads.clear();
});
afterEach(async () => {
  uppy?.destroy();
  document.body.replaceChildren();
  await rest();
});
after(() => server.stop());

/** Both versions do the same. */
const both = (name, work) => {
  for (const Uppy of [Uppy5, Uppy6])
    test(`${name} (Uppy ${Uppy.VERSION[0]})`, (t) => work((options) => (uppy = new Uppy({ logger, ...options })), t));
};
const add = (...files) => uppy.addFiles(files.map((data) => ({ name: data.name, type: data.type, data })));
const tokens = () => [...document.querySelectorAll("input[name=docs-s3upload]")].map(({ value }) => value);
/** Hold back what the server is asked, until the returned function is called. */
function holdBack(which) {
  let go;
  const going = new Promise((resolve) => (go = resolve));
  server.fault = ({ what }) => (what.startsWith(which) ? going : undefined);
  return () => {
    server.fault = () => undefined;
    go();
  };
}

test("without an input of Django's it says what it needs", () => {
  uppy = new Uppy6({ logger });
  const input = document.createElement("input");
  for (const wrong of [undefined, {}, { input: null }, { input: "#docs" }, { input }, { input: document.body }])
    assert.throws(() => uppy.use(S3Upload, wrong), { name: "TypeError", message: /data-s3upload-policy/ });
});

both("files are uploaded, and their tokens posted in the order of the list", async (make) => {
  const { form, input } = page();
  make().use(S3Upload, { input });
  add(file("a", 35), file("b", 3));
  const { successful, failed } = await uppy.upload();
  assert.deepEqual([successful.map(({ name }) => name), failed], [["a", "b"], []]);
  assert.deepEqual(
    successful.map(({ response }) => response),
    tokens().map((token) => ({ status: 200, body: { token } })),
  );
  assert.match(tokens().join(), /of a,.* of b$/);
  assert.deepEqual(posted(form), [...tokens().map((token) => `docs-s3upload=${token}`)]);
  assert.equal(uppy.getState().capabilities.resumableUploads, false);
});

both("progress is in bytes, and ends with all of them", async (make) => {
  make().use(S3Upload, { input: page().input });
  const seen = [];
  uppy.on("upload-progress", (one, { bytesUploaded, bytesTotal }) => seen.push([one.name, bytesUploaded, bytesTotal]));
  add(file("a", 35));
  await uppy.upload();
  assert.deepEqual(seen.at(-1), ["a", 35, 35]);
  assert.equal(uppy.getFiles()[0].progress.percentage, 100);
});

both("what is done already is not uploaded again", async (make) => {
  make().use(S3Upload, { input: page().input });
  add(file("a"));
  await uppy.upload();
  add(file("b"));
  await uppy.upload();
  assert.equal(server.count("PUT"), 2);
  assert.equal(tokens().length, 2);
});

both("a refusal is Uppy's error, and is not posted", async (make) => {
  const { form, input, save } = page();
  make().use(S3Upload, { input });
  server.fault = ({ what, say }) => what === "presign/" && say(413, '{"error": "Too large."}');
  const errors = [];
  uppy.on("upload-error", (one, error) => errors.push([one.name, error.message]));
  add(file("a"));
  const { failed } = await uppy.upload();
  assert.deepEqual(errors, [["a", "Too large."]]);
  assert.equal(failed[0].error, "Too large.");
  const seen = submits(form);
  save.click();
  assert.equal(note(), "a: Too large.");
  assert.deepEqual([seen, tokens()], [[], []]);
});

both("a failed file is tried again, alone or with all others", async (make) => {
  make().use(S3Upload, { input: page().input });
  server.fault = ({ what, say }) => what === "presign/" && say(403, "{}");
  add(file("a"), file("b"));
  await uppy.upload();
  server.fault = () => undefined;
  const [a] = uppy.getFiles();
  await uppy.retryUpload(a.id);
  assert.equal(tokens().length, 1);
  await uppy.retryAll();
  assert.match(tokens().join(), /of a,.* of b$/);
});

both("a file that is removed is given back, be it done or under way", async (make) => {
  make().use(S3Upload, { input: page().input });
  add(file(`done ${uppy.constructor.VERSION}`));
  await uppy.upload();
  const go = holdBack("PUT");
  add(file("under way"));
  const running = uppy.upload();
  await until(() => server.count("PUT") === 2);
  for (const { id } of uppy.getFiles()) uppy.removeFile(id);
  go();
  await running;
  await until(() => server.uploads.size === 0);
  assert.deepEqual(tokens(), []);
});

both("giving back is tried again, and nobody waits for it", async (make, t) => {
  make().use(S3Upload, { input: page().input });
  let failed = 0;
  server.fault = ({ what, say }) => what === "abort/" && failed++ < 2 && say(503, "{}");
  add(file(`given back ${uppy.constructor.VERSION}`));
  await uppy.upload();
  hurry(t, 50);
  uppy.removeFile(uppy.getFiles()[0].id);
  assert.deepEqual(tokens(), []);
  await until(() => server.uploads.size === 0);
  assert.equal(server.count("abort/"), 3);
});

both("an emptied Uppy leaves what is done with the form, and ends what is under way", async (make) => {
  const { input } = page();
  make().use(S3Upload, { input });
  add(file("a"));
  await uppy.upload();
  const go = holdBack("PUT");
  add(file("b"));
  // Uppy itself stumbles over files that it has no more.
  const running = uppy.upload().catch(() => {});
  await until(() => server.count("PUT") === 2);
  uppy.clear();
  await until(() => rows().length);
  go();
  await running;
  await until(() => server.uploads.size === 1);
  assert.match(rows().join(), /^a.*Uploaded/);
  assert.match(tokens().join(), /of a$/);
});

both("a removed plugin leaves what is done with the form, in its order, and the page shows it", async (make) => {
  const { form, input } = page("name=docs multiple", keptHtml("kept"));
  make().use(S3Upload, { input });
  add(file("a"), file("b", 35));
  await uppy.upload();
  const before = posted(form);
  assert.match(before.join(), /of a,.* of b,.* of kept$/);
  uppy.removePlugin(uppy.getPlugin("S3Upload"));
  await until(() => rows().length === 3);
  assert.deepEqual(posted(form), before);
  assert.match(rows().join("\n"), /^a3 bytes · Uploaded\nb35 bytes · Uploaded$/m);
  assert.equal(server.count("abort/"), 0);
  button("Remove: a").click();
  await until(() => server.uploads.size === 1);
  assert.deepEqual([rows().length, posted(form).length], [2, 2]);
});

both("so does an emptied Uppy that is destroyed", async (make) => {
  const { form, input } = page("name=docs required");
  make().use(S3Upload, { input });
  add(file("a"));
  await uppy.upload();
  uppy.clear();
  await until(() => rows().length);
  uppy.destroy();
  await rest();
  assert.deepEqual(posted(form), ["docs-s3upload=token 1 of a"]);
  assert.match(rows().join(), /^a.*Uploaded$/);
  assert.deepEqual([server.count("abort/"), input.required], [0, false]);
  // The same input once more: the upload is the form's, as one that was kept.
  const { VERSION } = make().constructor;
  uppy.use(S3Upload, { input });
  add(file(`another ${VERSION}`));
  await uppy.upload();
  assert.deepEqual(posted(form), [`docs-s3upload=token 2 of another ${VERSION}`]);
  uppy.removePlugin(uppy.getPlugin("S3Upload"));
  await until(() => rows().length === 1);
  button(`Remove: another ${VERSION}`).click();
  assert.deepEqual([posted(form), input.required], [[], true]);
});

both("a plugin that is removed while the submit waits lets the form go", async (make) => {
  const { form, input, save } = page();
  make().use(S3Upload, { input });
  const seen = submits(form);
  const go = holdBack("PUT");
  add(file("a"));
  save.click();
  await until(() => server.count("PUT") === 1);
  uppy.removePlugin(uppy.getPlugin("S3Upload"));
  go();
  await until(() => server.uploads.size === 0);
  // The first submit is given up, as after a cancel. The next one is not stopped, not even by another Uppy.
  make().use(S3Upload, { input });
  assert.deepEqual(seen, []);
  await until(() => {
    save.click();
    return seen.length === 1;
  });
  assert.deepEqual(posted(form), []);
});

both("the submit starts the uploads, waits for them, and is made once", async (make) => {
  const { form, input, save } = page();
  make().use(S3Upload, { input });
  const seen = submits(form);
  const go = holdBack("PUT");
  add(file("a"));
  save.click();
  save.click();
  assert.equal(note(), "The form is sent when the uploads are done.");
  await until(() => server.count("PUT") === 1);
  assert.equal(seen.length, 0);
  go();
  await until(() => seen.length);
  assert.equal(seen[0].submitter, save);
  assert.equal(note(), "");
  await rest();
  assert.deepEqual([seen.length, tokens().length], [1, 1]);
});

both("a submit that Uppy's restrictions refuse does not wait for ever", async (make) => {
  const { form, input, save } = page();
  make({ restrictions: { minNumberOfFiles: 2 } }).use(S3Upload, { input });
  const seen = submits(form);
  add(file("a"));
  save.click();
  await until(() => note() === "");
  assert.deepEqual([seen, server.asked], [[], []]);
});

both("a listener that prevents the submit and gathers the data has the tokens; they are not given back", async (make) => {
  const { form, input, save } = page();
  make().use(S3Upload, { input });
  let gathered;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    gathered = posted(form);
  });
  add(file("a"));
  await uppy.upload();
  save.click();
  assert.match(gathered.join(), /^docs-s3upload=token 1 of a$/);
  uppy.cancelAll();
  await rest();
  assert.equal(server.count("abort/"), 0);
});

both("a form that goes into an address has no tokens", async (make) => {
  const { form, input } = page();
  make().use(S3Upload, { input });
  add(file("a"));
  await uppy.upload();
  form.setAttribute("method", "get");
  assert.deepEqual(posted(form), []);
});

both("an input for one file takes one, of the types that it accepts; the site's own restrictions win", async (make) => {
  const { input } = page("name=docs accept='.pdf,image/*'");
  make().use(S3Upload, { input });
  const { maxNumberOfFiles, allowedFileTypes } = uppy.opts.restrictions;
  assert.deepEqual([maxNumberOfFiles, allowedFileTypes], [1, [".pdf", "image/*"]]);
  uppy.destroy();
  make({ restrictions: { maxNumberOfFiles: 3, allowedFileTypes: [".zip"] } }).use(S3Upload, { input });
  assert.deepEqual([uppy.opts.restrictions.maxNumberOfFiles, uppy.opts.restrictions.allowedFileTypes], [3, [".zip"]]);
  uppy.destroy();
  make().use(S3Upload, { input: page().input });
  assert.deepEqual([uppy.opts.restrictions.maxNumberOfFiles, uppy.opts.restrictions.allowedFileTypes], [null, null]);
});

both("a kept file stays until a single one takes its place", async (make) => {
  // What was posted once is not given back: the versions have tokens of their own.
  const { VERSION } = make().constructor;
  const { form, input } = page("name=docs", keptHtml(`kept ${VERSION}`));
  await rest();
  uppy.use(S3Upload, { input });
  assert.match(rows().join(), new RegExp(`kept ${VERSION}`));
  assert.deepEqual(tokens(), [`token of kept ${VERSION}`]);
  add(file("a"));
  await uppy.upload();
  await until(() => server.count("abort/") === 1);
  assert.deepEqual(posted(form), ["docs-s3upload=token 1 of a"]);
  assert.deepEqual(rows(), []);
});

test("a field that must not be empty says so in the browser's words, unless nothing is to be checked", () => {
  const { form, input, save } = page("name=docs required");
  uppy = new Uppy6({ logger }).use(S3Upload, { input });
  const seen = submits(form);
  Object.defineProperty(window.HTMLInputElement.prototype, "validationMessage", { configurable: true, get: () => "Choose!" });
  save.click();
  assert.deepEqual([note(), document.activeElement.textContent, seen.length], ["Choose!", "Choose!", 0]);
  save.formNoValidate = true;
  save.click();
  assert.deepEqual([note(), seen.length], ["", 1]);
  delete window.HTMLInputElement.prototype.validationMessage;
});

test("a file that the person has renamed has its new name", async () => {
  uppy = new Uppy6({ logger }).use(S3Upload, { input: page().input });
  add(file("a.pdf", 5));
  uppy.setFileMeta(uppy.getFiles()[0].id, { name: "ä.pdf" });
  await uppy.upload();
  assert.deepEqual(tokens(), ["token 1 of ä.pdf"]);
  assert.equal(server.object.length, 5);
});

test("a file that is on another site's servers is refused", async () => {
  uppy = new Uppy6({ logger }).use(S3Upload, { input: page().input });
  uppy.addFile({ name: "far.pdf", data: { size: 3 }, isRemote: true, remote: {} });
  const { failed } = await uppy.upload();
  assert.match(failed[0].error, /takes a File or a Blob/);
  assert.deepEqual(server.asked, []);
});

test("an input outside of its form posts with that", async () => {
  const { form, input } = page();
  form.id = "the-form";
  input.setAttribute("form", "the-form");
  document.body.append(input);
  uppy = new Uppy6({ logger }).use(S3Upload, { input });
  add(file("a"));
  await uppy.upload();
  assert.deepEqual(posted(form), ["docs-s3upload=token 1 of a"]);
});

test("an input in no form uploads all the same", async () => {
  const { input } = page();
  document.body.append(input);
  uppy = new Uppy6({ logger }).use(S3Upload, { input });
  add(file("a"));
  const { successful } = await uppy.upload();
  assert.equal(successful[0].response.body.token, "token 1 of a");
});

test("a reset empties Uppy, unless somebody prevents it", async () => {
  const { form, input } = page();
  uppy = new Uppy6({ logger }).use(S3Upload, { input });
  add(file("a"));
  form.addEventListener("reset", (event) => event.preventDefault(), { once: true });
  form.reset();
  await rest();
  assert.equal(uppy.getFiles().length, 1);
  form.reset();
  await rest();
  assert.equal(uppy.getFiles().length, 0);
});

test("when it is removed, the input is the page's again, and nothing is held", async () => {
  const { form, input, save } = page();
  uppy = new Uppy6({ logger }).use(S3Upload, { input });
  assert.deepEqual([input.hidden, input.disabled], [true, true]);
  add(file("a"));
  uppy.removePlugin(uppy.getPlugin("S3Upload"));
  assert.deepEqual([input.hidden, input.disabled], [false, false]);
  const seen = submits(form);
  save.click();
  assert.equal(seen.length, 1);
});

test("two of them in one form are held together", async () => {
  const { form, input, save } = page("name=docs multiple", "<input type=file name=more multiple data-s3upload-policy=P data-s3upload-endpoint=E>");
  const more = form.querySelector("[name=more]");
  more.dataset.s3uploadEndpoint = server.url;
  uppy = new Uppy6({ logger }).use(S3Upload, { input });
  const other = new Uppy6({ logger, id: "other" }).use(S3Upload, { input: more });
  add(file("a"));
  other.addFile({ name: "b", data: file("b") });
  const seen = submits(form);
  save.click();
  await until(() => seen.length);
  assert.deepEqual(posted(form).map((entry) => entry.replace(/ \d/, " n")).sort(), ["docs-s3upload=token n of a", "more-s3upload=token n of b"]);
  other.destroy();
});

test("a form that is come back to sends its files anew", async () => {
  // As it is served: in here, the script and it share what they know of submits.
  const { default: Served } = await import("../../s3upload/static/s3upload/uppy.js");
  const { form, input, save } = page();
  uppy = new Uppy6({ logger }).use(Served, { input });
  add(file("again"));
  await uppy.upload();
  const seen = submits(form);
  save.click();
  save.click();
  assert.equal(seen.length, 1, "a double click is one submit");
  posted(form);
  window.dispatchEvent(Object.assign(new window.Event("pageshow"), { persisted: true }));
  assert.deepEqual(tokens(), []);
  save.click();
  await until(() => seen.length === 2);
  assert.deepEqual(tokens(), ["token 2 of again"]);
  assert.equal(server.count("abort/"), 0, "the first is the form's");
});
