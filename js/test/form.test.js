import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import {
  choose,
  fakeTransport,
  file,
  fileInput,
  inputHtml,
  keptHtml,
  posted,
  rest,
  rows,
  show,
  submits,
  window,
} from "./browser.js";
import { UploadError } from "../src/errors.js";
import { finished } from "../src/form.js";
import { start } from "../src/page.js";
import { transport } from "../src/transport.js";

start();
let fake;
beforeEach(() => (fake = fakeTransport(transport)));
afterEach(async () => {
  document.body.replaceChildren();
  await rest();
});

const SAVE = `<button name=action value=save>Save</button><button name=action value=other formaction=/other>Other</button>`;
const buttons = (form) => [...form.querySelectorAll("form > button")];

test("a form without files is submitted at once", () => {
  const form = show(inputHtml() + SAVE);
  const seen = submits(form);
  buttons(form)[0].click();
  assert.equal(seen.length, 1);
});

test("the submit waits for the uploads and is then made once, with the button that was clicked first", async () => {
  const form = show(inputHtml() + SAVE);
  const seen = submits(form);
  choose(fileInput(), file("a"), file("b"));
  const [save, other] = buttons(form);
  other.click();
  save.click();
  other.click();
  await rest();
  assert.equal(seen.length, 0, "nothing is submitted while an upload is under way");
  await fake.finish();
  assert.equal(seen.length, 1);
  assert.equal(seen[0].submitter, other);
});

test("a held submit reaches no other listener", async () => {
  const form = show(inputHtml() + SAVE);
  let heard = 0;
  const listener = () => (heard += 1);
  document.addEventListener("submit", listener, true);
  choose(fileInput(), file());
  buttons(form)[0].click();
  assert.equal(heard, 0);
  await fake.finish();
  assert.equal(heard, 1);
  document.removeEventListener("submit", listener, true);
});

test("HTML validation runs again when the uploads are done", async () => {
  const form = show(`${inputHtml()}<input name=title required value=x>${SAVE}`);
  const seen = submits(form);
  choose(fileInput(), file());
  buttons(form)[0].click();
  form.querySelector("[name=title]").value = "";
  await fake.finish();
  assert.equal(seen.length, 0, "the form is not valid any more");
});

for (const [what, change] of [
  ["disabled", (one) => (one.disabled = true)],
  ["gone", (one) => one.remove()],
])
  test(`a button that is ${what} when the uploads are done is left out`, async () => {
    const form = show(inputHtml() + SAVE);
    const seen = submits(form);
    choose(fileInput(), file());
    buttons(form)[1].click();
    change(buttons(form)[1]);
    await fake.finish();
    assert.equal(seen.length, 1);
    assert.equal(seen[0].submitter, null);
  });

test("controls named like members of the form do no harm", async () => {
  const names = ["elements", "requestSubmit", "submit", "getAttribute", "method", "isConnected", "matches", "closest"];
  const form = show(`${inputHtml()}${names.map((name) => `<input name=${name}>`).join("")}${SAVE}`);
  for (const name of names) assert.equal(form[name].name, name);
  const seen = submits(document);
  choose(fileInput(), file());
  // Without a button, whose own method would be asked for.
  window.HTMLFormElement.prototype.requestSubmit.call(form);
  assert.equal(seen.length, 0);
  await fake.finish();
  assert.equal(seen.length, 1);
});

test("a failed upload ends the wait: said, focused, kept, and tried again at the next submit", async () => {
  const form = show(inputHtml() + SAVE);
  const seen = submits(form);
  choose(fileInput(), file("a"), file("b"));
  buttons(form)[0].click();
  await rest();
  const [a, b] = fake.sending.splice(0);
  b.resolve();
  a.reject(new UploadError("Broken.", { status: 400 }));
  await rest();
  assert.equal(seen.length, 0);
  assert.match(rows()[0], /Broken\./);
  assert.equal(document.activeElement.getAttribute("aria-label"), "Try again: a");
  assert.deepEqual(posted(form), ["docs-s3upload=token of b"], "what failed is never posted as it is");

  buttons(form)[0].click();
  await rest();
  assert.doesNotMatch(rows()[0], /Broken/, "the error is cleared");
  await fake.finish();
  assert.equal(seen.length, 1, "posted once, not once per try");
  assert.deepEqual(posted(form), ["docs-s3upload=token of a", "docs-s3upload=token of b"]);
});

test("a refused file is said again at every submit and not tried again", async () => {
  fake.answer = () => ({ error: "Too large." });
  const form = show(inputHtml() + SAVE);
  const seen = submits(form);
  choose(fileInput(), file("a"));
  await rest();
  buttons(form)[0].click();
  buttons(form)[0].click();
  await rest();
  assert.equal(seen.length, 0);
  assert.equal(fake.asked.length, 1);
  assert.equal(document.activeElement.getAttribute("aria-label"), "Remove: a");
});

test("cancelling an upload takes the submit back", async () => {
  const form = show(inputHtml() + SAVE);
  const seen = submits(form);
  choose(fileInput(), file("a"), file("b"));
  buttons(form)[0].click();
  assert.match(form.textContent, /when the uploads are done/);
  document.querySelector("[aria-label='Cancel: a']").click();
  await fake.finish();
  assert.equal(seen.length, 0);
  assert.doesNotMatch(form.textContent, /when the uploads are done/);
});

test("a double click on a form whose files are uploaded is one submit, until something is edited", async () => {
  const form = show(`${inputHtml()}<input name=title>${SAVE}`);
  const seen = submits(form);
  choose(fileInput(), file());
  await fake.finish();
  buttons(form)[0].click();
  buttons(form)[0].click();
  assert.equal(seen.length, 1);
  form.querySelector("[name=title]").dispatchEvent(new window.Event("input", { bubbles: true }));
  buttons(form)[0].click();
  assert.equal(seen.length, 2);
});

test("a script that posts by itself may do so as often as it likes", async () => {
  const form = show(inputHtml() + SAVE);
  form.addEventListener("submit", (event) => event.preventDefault());
  const seen = submits(form);
  choose(fileInput(), file());
  await fake.finish();
  buttons(form)[0].click();
  buttons(form)[0].click();
  assert.equal(seen.length, 2);
});

test("a form with a kept file is submitted once for a double click", () => {
  const form = show(inputHtml() + keptHtml() + SAVE);
  const seen = submits(form);
  buttons(form)[0].click();
  buttons(form)[0].click();
  assert.equal(seen.length, 1);
  assert.deepEqual(posted(form), ["docs-s3upload=token of kept.pdf"]);
});

test("uploads that wait for the submit start with it", async () => {
  const form = show(inputHtml("name=docs data-s3upload-on=submit") + SAVE);
  const seen = submits(form);
  choose(fileInput(), file("a"));
  assert.match(rows()[0], /Goes with the form/);
  await rest();
  assert.equal(fake.asked.length, 0);
  buttons(form)[0].click();
  await fake.finish();
  assert.equal(seen.length, 1);
  assert.deepEqual(posted(form), ["docs-s3upload=token of a"]);
});

test("a disabled input is left alone", async () => {
  const form = show(`<fieldset>${inputHtml()}</fieldset>${SAVE}`);
  const seen = submits(form);
  choose(fileInput(), file("a"));
  form.querySelector("fieldset").disabled = true;
  buttons(form)[0].click();
  assert.equal(seen.length, 1);
  assert.deepEqual(posted(form), []);
  await fake.finish();
});

test("inputs outside the form that name it are waited for", async () => {
  const form = show(SAVE, "id=elsewhere");
  document.body.insertAdjacentHTML("beforeend", inputHtml("name=docs form=elsewhere"));
  const seen = submits(form);
  choose(fileInput(), file("a"));
  buttons(form)[0].click();
  assert.equal(seen.length, 0);
  await fake.finish();
  assert.equal(seen.length, 1);
});

test("a form inserted later works like any other", async () => {
  const form = show("");
  form.innerHTML = inputHtml() + SAVE;
  const seen = submits(form);
  choose(fileInput(), file("a"));
  buttons(form)[0].click();
  assert.equal(seen.length, 0);
  await fake.finish();
  assert.equal(seen.length, 1);
});

test("a dialog closes without waiting", async () => {
  const form = show(inputHtml() + `<button formmethod=dialog>Close</button>`);
  const seen = submits(form);
  choose(fileInput(), file("a"));
  buttons(form)[0].click();
  assert.equal(seen.length, 1);
});

test("a form that leaves the page while it waits is not submitted", async () => {
  const form = show(inputHtml() + SAVE);
  const seen = submits(form);
  choose(fileInput(), file("a"));
  buttons(form)[0].click();
  await rest();
  form.remove();
  await fake.finish();
  assert.equal(seen.length, 0);
});

test("reset cancels and clears, unless somebody prevents it", async () => {
  const form = show();
  const prevent = (event) => event.preventDefault();
  choose(fileInput(), file("a"));
  form.addEventListener("reset", prevent);
  form.dispatchEvent(new window.Event("reset", { bubbles: true, cancelable: true }));
  await rest();
  assert.equal(rows().length, 1);
  form.removeEventListener("reset", prevent);
  const [{ signal }] = fake.sending;
  form.reset();
  await rest();
  assert.equal(rows().length, 0);
  assert.ok(signal.aborted);
});

test("back from the back/forward cache, used tokens are not posted again", async () => {
  const form = show(inputHtml() + SAVE);
  choose(fileInput(), file("a"));
  await fake.finish();
  buttons(form)[0].click();
  const event = new window.Event("pageshow");
  Object.defineProperty(event, "persisted", { value: true });
  window.dispatchEvent(event);
  assert.deepEqual(posted(form), ["docs=<a>"]);
  const seen = submits(form);
  buttons(form)[0].click();
  await fake.finish();
  assert.equal(seen.length, 1);
  assert.equal(fake.asked.length, 2, "uploaded anew");
});

test("a script can wait for the uploads of a form", async () => {
  const form = show();
  choose(fileInput(), file("a"));
  const wait = finished(form);
  await fake.finish();
  assert.equal(await wait, true);
  fake.answer = () => ({ error: "No." });
  choose(fileInput(), file("b"));
  assert.equal(await finished(form), false);
});
