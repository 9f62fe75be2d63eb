import assert from "node:assert/strict";
import { after, afterEach, beforeEach, test } from "node:test";
import { beInsecure, choose, file, hurry, keptHtml, posted, rest, rows, submits, until, window } from "./browser.js";
import { note, page, server } from "./lent.js";
import { server as serverOf } from "../src/filepond.js";

// FilePond looks for a browser when it is imported, and has files that are blobs.
globalThis.Blob = window.Blob;
window.CSS = { supports: () => true };
window.matchMedia = () => ({ matches: false, addListener() {} });
window.URL.createObjectURL = () => "blob:";
const FilePond = await import("filepond");

const ponds = [];
beforeEach(() => {
  beInsecure();
  Object.assign(server, { asked: [], partSize: 10, fault: () => undefined });
  server.uploads.clear();
});
afterEach(async () => {
  ponds.splice(0).forEach((pond) => pond.destroy());
  document.body.replaceChildren();
  await rest();
});
after(() => {
  // FilePond paints for ever.
  window.close();
  return server.stop();
});

/** FilePond takes the input; resolves when it says that it is there. */
async function create(input, options = {}) {
  const there = new Promise((resolve) => document.addEventListener("FilePond:init", resolve, { once: true }));
  const pond = FilePond.create(input, {
    server: options.server ?? serverOf(input),
    allowMinimumUploadDuration: false,
    ...options,
  });
  ponds.push(pond);
  await there;
  return pond;
}
const hidden = (form) => [...form.querySelectorAll("input[type=hidden]")].map(({ name, value }) => `${name}=${value}`);
const states = (pond) => pond.getFiles().map(({ filename, status }) => `${filename} ${status}`);
const { IDLE, PROCESSING, PROCESSING_COMPLETE: DONE, PROCESSING_ERROR: FAILED } = FilePond.FileStatus;

/** Calls of `process`, as FilePond makes them. */
function process(input, chosen) {
  const told = [];
  const say = (what) => (value, ...more) => told.push([what, value, ...more].filter((one) => one !== undefined));
  const running = serverOf(input).process("docs", chosen, {}, say("load"), say("error"), say("progress"), say("abort"));
  return { told, running, last: () => told.at(-1)?.[0] };
}

test("without an input of Django's it says what it needs", () => {
  const input = document.createElement("input");
  for (const wrong of [undefined, null, "#docs", input, document.body])
    assert.throws(() => serverOf(wrong), { name: "TypeError", message: /data-s3upload-policy/ });
});

test("an input outside of its form is refused: FilePond would not post with it", () => {
  const { form, input } = page();
  form.id = "the-form";
  input.setAttribute("form", "the-form");
  document.body.append(input);
  assert.throws(() => serverOf(input), { name: "TypeError", message: /must stand in its form/ });
  assert.equal(input.name, "docs");
});

test("it is the same for the same input, and leaves out what makes no sense", () => {
  const { input } = page();
  const made = serverOf(input);
  assert.equal(serverOf(input), made);
  const { restore, load, fetch: get, remove, patch } = made;
  assert.deepEqual([restore, load, get, remove, patch], [null, null, null, null, null]);
});

test("the input has the name of the tokens, and the page script leaves it alone", async () => {
  const { form, input } = page("name=docs multiple", keptHtml());
  await rest();
  assert.equal(rows().length, 1, "the list of the page script");
  serverOf(input);
  assert.equal(input.name, "docs-s3upload");
  assert.deepEqual(rows(), []);
  choose(input, file("a"));
  await rest();
  assert.deepEqual([rows(), server.asked], [[], []]);
  assert.equal(form.contains(input), true);
});

test("what was chosen before is given up by the page script, and stays in the input", async () => {
  const { input } = page();
  choose(input, file("before"));
  await until(() => server.uploads.size === 1 && server.object);
  serverOf(input);
  await until(() => server.uploads.size === 0);
  assert.deepEqual([...input.files].map(({ name }) => name), ["before"]);
});

test("a file is uploaded, and its token the server id", async () => {
  const { told, last } = process(page().input, file("a", 35));
  await until(() => last() === "load");
  assert.deepEqual(told.at(-1), ["load", "token 1 of a"]);
  assert.deepEqual(told.find(([what, , loaded]) => what === "progress" && loaded === 35), ["progress", true, 35, 35]);
  assert.equal(server.object.length, 35);
});

test("the server's own words are the error", async () => {
  server.fault = ({ what, say }) => what === "presign/" && say(413, '{"error": "Zu groß."}');
  const { told, last } = process(page().input, file("a"));
  await until(() => last() === "error");
  assert.deepEqual(told, [["error", "Zu groß."]]);
});

test("whoever aborts is told so, hears no error, and leaves nothing", async () => {
  let go;
  server.fault = ({ what }) => what === "PUT" && new Promise((resolve) => (go = resolve));
  const { told, running } = process(page().input, file("aborted"));
  await until(() => go);
  running.abort();
  go();
  await until(() => server.uploads.size === 0);
  await rest();
  assert.deepEqual(told.filter(([what]) => what !== "progress"), [["abort"]]);
});

test("an abort that comes when all is done gives it back", async () => {
  const { running, last } = process(page().input, file("late"));
  await until(() => last() === "load");
  running.abort();
  await until(() => server.uploads.size === 0);
});

/** Call `revert`, as FilePond does it. */
const revert = (input, token) => new Promise((load, error) => serverOf(input).revert(token, load, (text) => error(new Error(text))));

test("revert gives an upload back, and tries again what passes", async (t) => {
  const { input } = page();
  const { last } = process(input, file("reverted"));
  await until(() => last() === "load");
  hurry(t);
  let failed = 0;
  server.fault = ({ what, say }) => what === "abort/" && failed++ < 2 && say(503, "{}");
  await revert(input, "token 1 of reverted");
  assert.deepEqual([server.uploads.size, server.count("abort/")], [0, 3]);
});

test("FilePond hears why a revert fails, in the server's words or ours, and in the language of the form", async () => {
  const { input } = page("name=docs", "", "lang=de-AT");
  const languages = [];
  server.fault = ({ request, say }) => languages.push(request.headers["accept-language"]) && say(403, '{"error": "Nicht erlaubt."}');
  await assert.rejects(revert(input, "token of another"), { message: "Nicht erlaubt." });
  server.fault = ({ say }) => say(401);
  await assert.rejects(revert(input, "token of another"), { message: "Bitte melden Sie sich in einem anderen Tab neu an." });
  assert.deepEqual(languages, ["de-AT"]);
});

test("FilePond's hidden inputs hold the tokens under the field's name", async () => {
  const { form, input } = page();
  const pond = await create(input);
  await pond.addFiles([file("a"), file("b")]);
  await until(() => hidden(form).every((entry) => /token/.test(entry)) && hidden(form).length === 2);
  assert.deepEqual(hidden(form).map((entry) => entry.replace(/ \d/, "")), ["docs-s3upload=token of a", "docs-s3upload=token of b"]);
});

test("a removed file is given back and no longer posted", async () => {
  const { form, input } = page();
  const pond = await create(input);
  await pond.addFile(file("removed"));
  await until(() => states(pond).join() === `removed ${DONE}`);
  pond.removeFile({ revert: true });
  await until(() => server.uploads.size === 0 && !hidden(form).length);
});

test("kept files are there as uploaded, in their order, and post themselves once", async () => {
  const { form, input } = page("name=docs multiple data-s3upload-required", keptHtml("c") + keptHtml("a"));
  const pond = await create(input);
  await until(() => states(pond).length === 2);
  assert.deepEqual(states(pond), [`c ${DONE}`, `a ${DONE}`]);
  assert.deepEqual(pond.getFiles().map(({ fileSize }) => fileSize), [2048, 2048]);
  await until(() => hidden(form).length === 2);
  await until(() => hidden(form).join() === "docs-s3upload=token of c,docs-s3upload=token of a");
  assert.deepEqual(server.asked, []);
  assert.equal(pond.required, true);
});

test("a file that takes the place of another ends the upload of that", async () => {
  const { form, input } = page("name=docs");
  const pond = await create(input);
  let go;
  server.fault = ({ what }) => what === "PUT" && new Promise((resolve) => (go = resolve));
  pond.addFile(file("first"));
  await until(() => go);
  server.fault = () => undefined;
  pond.addFile(file("second"));
  await until(() => /of second$/.test(hidden(form).join()));
  go();
  await until(() => server.uploads.size === 1);
  assert.equal(hidden(form).length, 1);
});

test("the server's sentences stand below, until the file is removed or tried again", async () => {
  const { input } = page();
  const pond = await create(input);
  server.fault = ({ what, say }) => what === "presign/" && say(403, '{"error": "Not allowed."}');
  const focused = document.activeElement;
  await pond.addFiles([file("a"), file("b"), file("c")]);
  await until(() => note().length === 3 * "a: Not allowed. ".length - 1);
  assert.equal(document.activeElement, focused);
  const named = (name) => pond.getFiles().find(({ filename }) => filename === name);
  pond.removeFile(named("c"));
  await until(() => !note().includes("c: "));
  server.fault = () => undefined;
  await pond.processFile(named("a"));
  assert.equal(note(), "b: Not allowed.");
  await pond.processFile(named("b"));
  assert.equal(note(), "");
});

test("two files of one name have a sentence each", async () => {
  const { form, input, save } = page();
  const pond = await create(input);
  server.fault = ({ what, say }) => what === "presign/" && say(403, '{"error": "Not allowed."}');
  await pond.addFiles([file("a"), file("a", 7)]);
  await until(() => note() === "a: Not allowed. a: Not allowed.");
  const [first, second] = pond.getFiles();
  pond.removeFile(first);
  await until(() => note() === "a: Not allowed.");
  const seen = submits(form);
  save.click();
  assert.deepEqual([note(), seen], ["a: Not allowed.", []]);
  pond.removeFile(second);
  await until(() => note() === "");
});

test("what a plugin has made of a file has the file's sentence, and ends with it", async () => {
  const { form, input, save } = page();
  FilePond.registerPlugin(({ addFilter }) => {
    addFilter("PREPARE_OUTPUT", async (one) => (/png$/.test(one.name) ? file(one.name.replace(/png$/, "jpg"), 5) : one));
    return {};
  });
  const pond = await create(input);
  // FilePond tells later what it has done.
  const told = [];
  for (const what of ["preparefile", "removefile"]) pond.on(what, () => told.push(what));
  server.fault = ({ what, say }) => what === "presign/" && say(403, '{"error": "Not allowed."}');
  await pond.addFiles([file("a.png"), file("b.png")]);
  await until(() => note().length === 2 * "a.jpg: Not allowed. ".length - 1 && told.length === 2);
  const seen = submits(form);
  const [a, b] = pond.getFiles().sort((one, other) => (one.filename < other.filename ? -1 : 1));
  pond.removeFile(a);
  await until(() => note() === "b.jpg: Not allowed.");
  save.click();
  assert.deepEqual([note(), seen], ["b.jpg: Not allowed.", []]);
  let go;
  server.fault = ({ what }) => what === "PUT" && new Promise((resolve) => (go = resolve));
  pond.processFile(b).catch(() => {});
  await until(() => go && note() === "");
  told.length = 0;
  pond.removeFile(b);
  await until(() => told.includes("removefile"));
  go();
  await until(() => server.uploads.size === 0);
});

test("the submit waits for the uploads, and is made once, with its button", async () => {
  const { form, input, save } = page();
  const pond = await create(input);
  let go;
  server.fault = ({ what }) => what === "PUT" && new Promise((resolve) => (go = resolve));
  const seen = submits(form);
  pond.addFile(file("a"));
  await until(() => states(pond).join() === `a ${PROCESSING}`);
  save.click();
  save.click();
  assert.equal(note(), "The form is sent when the uploads are done.");
  await until(() => go);
  assert.equal(seen.length, 0);
  go();
  await until(() => seen.length);
  assert.deepEqual([seen.length, seen[0].submitter === save, note()], [1, true, ""]);
  assert.deepEqual(hidden(form), ["docs-s3upload=token 1 of a"]);
});

test("files that wait for the submit are uploaded then", async () => {
  const { form, input, save } = page();
  const pond = await create(input, { instantUpload: false });
  const seen = submits(form);
  await pond.addFile(file("a"));
  await until(() => states(pond).join() === `a ${IDLE}`);
  assert.deepEqual(server.asked, []);
  save.click();
  await until(() => seen.length);
  assert.deepEqual(hidden(form), ["docs-s3upload=token 1 of a"]);
});

test("who cancels while the submit waits keeps the form", async () => {
  const { form, input, save } = page();
  const pond = await create(input);
  let go;
  server.fault = ({ what }) => what === "PUT" && new Promise((resolve) => (go = resolve));
  const seen = submits(form);
  pond.addFile(file("cancelled"));
  await until(() => go);
  save.click();
  pond.removeFile();
  await until(() => note() === "");
  go();
  await until(() => server.uploads.size === 0);
  assert.deepEqual([seen, states(pond)], [[], []]);
});

test("a file that failed stops the submit, is said, and is tried again", async () => {
  const { form, input, save } = page();
  const pond = await create(input);
  server.fault = ({ what, say }) => what === "presign/" && say(403, '{"error": "Not allowed."}');
  await pond.addFile(file("a"));
  await until(() => states(pond).join() === `a ${FAILED}`);
  const seen = submits(form);
  save.click();
  assert.deepEqual([seen, note(), document.activeElement.textContent], [[], "a: Not allowed.", "a: Not allowed."]);
  server.fault = () => undefined;
  await pond.processFile();
  save.click();
  await until(() => seen.length);
  assert.equal(note(), "");
});

test("tokens that went with a form are not given back", async () => {
  const { form, input } = page();
  const pond = await create(input);
  await pond.addFile(file("posted"));
  await until(() => /token/.test(hidden(form).join()));
  posted(form);
  pond.removeFile({ revert: true });
  await until(() => !hidden(form).length);
  await rest();
  assert.equal(server.uploads.size, 1);
});

test("a form that goes into an address has no tokens", async () => {
  const { form, input } = page();
  const pond = await create(input);
  await pond.addFile(file("a"));
  await until(() => /token/.test(hidden(form).join()));
  form.setAttribute("method", "get");
  assert.deepEqual(posted(form), []);
});

test("a form that is come back to sends its files anew", async () => {
  // As it is served: in here, the script and it share what they know of submits.
  const { server: served } = await import("../../s3upload/static/s3upload/filepond.js");
  const { form, input, save } = page();
  const pond = await create(input, { server: served(input) });
  await pond.addFile(file("again"));
  await until(() => hidden(form).join() === "docs-s3upload=token 1 of again");
  const seen = submits(form);
  save.click();
  assert.equal(seen.length, 1);
  posted(form);
  window.dispatchEvent(Object.assign(new window.Event("pageshow"), { persisted: true }));
  await until(() => hidden(form).join() === "docs-s3upload=token 2 of again");
  assert.equal(server.uploads.size, 2, "the first is the form's");
});

test("an input that FilePond has given back is the page script's, and can be lent once more", async () => {
  const { form, input } = page();
  const pond = await create(input);
  ponds.pop().destroy();
  pond.restoreElement(input);
  await rest();
  assert.equal(input.name, "docs");
  choose(input, file("a"));
  await until(() => /Uploaded/.test(rows().join()));
  assert.deepEqual(posted(form), ["docs-s3upload=token 1 of a"]);
  await create(input);
  await until(() => hidden(form).join() === "docs-s3upload=token 2 of a");
});

test("two forms with inputs of one name have their own", async () => {
  const one = page();
  const other = page();
  const first = await create(one.input);
  const second = await create(other.input);
  await first.addFile(file("a"));
  await second.addFile(file("b"));
  await until(() => /token/.test(hidden(one.form).join()) && /token/.test(hidden(other.form).join()));
  assert.match(hidden(one.form).join(), /of a$/);
  assert.match(hidden(other.form).join(), /of b$/);
  other.form.remove();
  const seen = submits(one.form);
  one.save.click();
  assert.equal(seen.length, 1);
});
