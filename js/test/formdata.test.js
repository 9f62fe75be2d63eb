import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { choose, fakeTransport, file, fileInput, inputHtml, keptHtml, posted, rest, show, window } from "./browser.js";
import { start } from "../src/page.js";
import { transport } from "../src/transport.js";

start();
let fake;
beforeEach(() => (fake = fakeTransport(transport)));
afterEach(async () => {
  document.body.replaceChildren();
  await rest();
});

test("tokens take the place of files, in the order of the list, two of one name too", async () => {
  const form = show(`${inputHtml()}<input name=title value=x>`);
  choose(fileInput(), file("b"), file('50% "é"\n😀.txt'));
  choose(fileInput(), file("b"));
  await rest();
  fake.sending
    .splice(0)
    .reverse()
    .forEach(({ resolve }) => resolve());
  await fake.finish();
  assert.deepEqual(posted(form), [
    "title=x",
    "docs-s3upload=token of b",
    'docs-s3upload=token of 50% "é"\n😀.txt',
    "docs-s3upload=token of b",
  ]);
});

test("a file that is still on its way is posted as it is when nobody waits", async () => {
  const form = show();
  choose(fileInput(), file("a"));
  await rest();
  assert.deepEqual(posted(form), ["docs=<a>"]);
});

test("files that were never in hand here stay as they are", async () => {
  const form = show();
  fileInput().files = [file("a")]; // By a script, without an event.
  assert.deepEqual(posted(form), ["docs=<a>"]);
});

test("two inputs of one name keep their own files", async () => {
  const form = show(inputHtml("name=docs id=one") + inputHtml("name=docs id=two"));
  choose(form.querySelector("#one"), file("a"));
  await fake.finish();
  choose(form.querySelector("#two"), file("a"));
  await rest();
  assert.deepEqual(posted(form).sort(), ["docs-s3upload=token of a", "docs=<a>"], "one is uploaded, one on its way");
});

test("what other listeners and other controls put under the same name stays", async () => {
  const form = show(`${inputHtml()}<input name=docs value=text>`);
  choose(fileInput(), file("a"));
  await fake.finish();
  const data = new window.FormData();
  for (const value of [fileInput().files[0], file("theirs"), "text"]) data.append("docs", value);
  const event = new window.Event("formdata", { bubbles: true });
  event.formData = data;
  form.dispatchEvent(event);
  assert.deepEqual(
    data.getAll("docs").map((value) => value.name ?? value),
    ["theirs", "text"],
  );
  assert.deepEqual(data.getAll("docs-s3upload"), ["token of a"]);
});

test("an input without a name posts nothing", async () => {
  const form = show(inputHtml("multiple"));
  choose(fileInput(), file("a"));
  await fake.finish();
  assert.deepEqual(posted(form), []);
});

const KEPT = `${inputHtml()}${keptHtml()}<button>Save</button><button formmethod=get>Search</button>`;

/** A form with a file that is uploaded, one that is kept, and two buttons. */
async function filled(method) {
  document.body.replaceChildren();
  const form = show(KEPT);
  if (method === null) form.removeAttribute("method");
  else form.setAttribute("method", method);
  choose(fileInput(), file("a"));
  await fake.finish();
  return form;
}

const NO_TOKENS = ["docs=<a>"];
const TOKENS = ["docs-s3upload=token of kept.pdf", "docs-s3upload=token of a"];

test("no token becomes a part of an address: a form that is sent by GET has none", async () => {
  for (const method of ["get", "GET"]) assert.deepEqual(posted(await filled(method)), NO_TOKENS);
});

test("a button that sends by GET takes no token, the next one that posts does", async () => {
  const form = await filled("post");
  const [save, search] = form.querySelectorAll("form > button");
  search.click();
  assert.deepEqual(posted(form), NO_TOKENS);
  form.dispatchEvent(new window.Event("input", { bubbles: true }));
  save.click();
  assert.deepEqual(posted(form), TOKENS);
});

test("a form without a method has tokens for a script, and none when the browser sends it", async () => {
  for (const method of [null, "put"]) {
    const form = await filled(method);
    assert.deepEqual(posted(form), TOKENS, "a script that waits for no submit");
    const sent = await filled(method);
    sent.querySelector("form > button").click();
    assert.deepEqual(posted(sent), NO_TOKENS, "the browser");
    const scripted = await filled(method);
    let seen;
    scripted.addEventListener("submit", (event) => {
      event.preventDefault();
      seen = posted(scripted);
    });
    scripted.querySelector("form > button").click();
    assert.deepEqual(seen, TOKENS, "a listener of the submit");
    const early = await filled(method);
    early.addEventListener("submit", (event) => {
      seen = posted(early);
      event.preventDefault();
    });
    early.querySelector("form > button").click();
    assert.deepEqual(seen, TOKENS, "a listener that prevents the submit at its end");
  }
});
