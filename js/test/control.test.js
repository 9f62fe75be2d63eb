import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import {
  beInsecure,
  beSecure,
  button,
  choose,
  file,
  fileInput,
  heard,
  hurry,
  inputHtml,
  keptHtml,
  posted,
  rest,
  rows,
  setOnline,
  show,
  submits,
  until,
  window,
} from "./browser.js";
import { Server } from "./server.js";
import { cancel, pause, resume } from "../src/control.js";
import { finished } from "../src/form.js";
import { start } from "../src/page.js";

/** The whole script against a real server. */
start();
let server, held;
before(async () => (server = await new Server().start()));
beforeEach(() => {
  beInsecure();
  localStorage.clear();
  server.uploads.clear();
  held = [];
  Object.assign(server, { asked: [], partSize: 10, checksum: undefined, fault: () => undefined });
});
afterEach(async () => {
  letGo();
  document.body.replaceChildren();
  await rest();
});
after(() => server.stop());

const TOKEN = "token 1 of a";
/** A form whose input asks the server of the test. */
function page(attributes = "name=docs multiple", more = "") {
  const form = show(inputHtml(attributes).replace("/__s3upload__/", server.url) + more);
  return { form, input: fileInput(form) };
}
const state = () => document.querySelector(".s3upload__file")?.dataset.state;
const said = () => document.querySelector(".s3upload__status").textContent;
const tokens = () => [...server.uploads.keys()];
const puts = () => server.asked.filter((what) => what.startsWith("PUT "));
const warns = () => {
  const event = new window.Event("beforeunload", { cancelable: true });
  window.dispatchEvent(event);
  return event.defaultPrevented;
};
/** Hold requests, all but the parts that may pass, until `letGo`. */
const hold = (what, ...pass) =>
  (server.fault = (one) =>
    what.test(one.what) && !pass.includes(one.what) ? new Promise((resolve) => held.push(resolve)) : undefined);
const letGo = () => {
  server.fault = () => undefined;
  held.splice(0).forEach((go) => go());
};
/** Choose a file of five parts and wait until the first has arrived. */
async function half(input, size = 45) {
  hold(/^PUT/, "PUT 1");
  choose(input, file("a", size));
  await until(() => puts().length === 5 && server.uploads.get(TOKEN).parts.size === 1);
  await rest();
  await until(() => /2\d%/.test(rows()[0]));
}

test("pause ends what is under way, keeps what has arrived and the focus; continue goes on with the rest", async () => {
  const { form, input } = page();
  await half(input);
  assert.equal(warns(), true);
  button("Pause: a").focus();
  document.activeElement.click();
  assert.deepEqual([state(), said()], ["paused", "a: Paused"]);
  assert.match(rows()[0], /Paused · 2\d%/);
  assert.equal(document.activeElement, button("Continue: a"));
  assert.equal(warns(), false, "a paused upload holds nobody back");
  await until(() => server.open === 0);
  letGo();
  server.asked = [];
  document.activeElement.click();
  assert.match(said(), /a: 2\d%/);
  assert.equal(document.activeElement, button("Pause: a"));
  await until(() => state() === "done");
  assert.deepEqual(puts().sort(), ["PUT 2", "PUT 3", "PUT 4", "PUT 5"]);
  assert.equal(server.count("presign/"), 0);
  assert.equal(document.activeElement, button("Remove: a"), "a button that goes leaves the focus in its row");
  assert.deepEqual(posted(form), [`docs-s3upload=${TOKEN}`]);
});

test("a small file has no button to pause, and a script pauses it all the same", async () => {
  const { form, input } = page();
  hold(/^PUT/);
  choose(input, file("a", 3));
  await until(() => server.count("PUT") === 1);
  assert.equal(button("Pause: a"), undefined);
  pause(input);
  assert.equal(state(), "paused");
  await until(() => server.open === 0);
  letGo();
  resume(form);
  await until(() => state() === "done");
  assert.equal(server.count("presign/"), 1);
});

test("a file that is paused before the server has answered goes on with that answer", async () => {
  const { input } = page();
  hold(/presign/);
  choose(input, file("a", 45));
  await until(() => held.length);
  pause(document);
  resume(document);
  pause(document);
  letGo();
  await rest();
  resume(document.body);
  await until(() => state() === "done");
  assert.deepEqual([server.count("presign/"), tokens()], [1, [TOKEN]]);
});

test("scripts pause, go on with and cancel one file or all of an input, a form or a page", async () => {
  const { form, input } = page();
  hold(/^PUT/);
  const [a, b] = [file("a", 45), file("b", 45)];
  choose(input, a, b);
  await until(() => puts().length >= 5);
  const states = () => [...document.querySelectorAll(".s3upload__file")].map(({ dataset }) => dataset.state);
  pause(form, b);
  assert.deepEqual(states(), ["uploading", "paused"]);
  pause(document);
  assert.deepEqual(states(), ["paused", "paused"]);
  resume(input, a);
  await until(() => puts().length >= 10);
  assert.deepEqual(states(), ["uploading", "paused"]);
  const other = page("name=other").form;
  cancel(other);
  cancel(input, a);
  assert.deepEqual(states(), ["paused"]);
  cancel(form);
  letGo();
  await until(() => !tokens().length);
});

test("a control named like a member of the form does no harm", async () => {
  const { form, input } = page("name=docs multiple", "<input name=contains>");
  hold(/^PUT/);
  choose(input, file("a", 45));
  await until(() => puts().length);
  pause(form);
  assert.equal(state(), "paused");
});

test("a submit goes on with paused uploads; a pause takes it back", async () => {
  const { form, input } = page("name=docs multiple", "<button>Save</button>");
  const seen = submits(form);
  await half(input);
  pause(form);
  form.querySelector("form > button").click();
  await until(() => state() === "uploading");
  pause(form);
  await rest();
  assert.doesNotMatch(form.textContent, /as soon as/);
  letGo();
  await rest();
  assert.equal(seen.length, 0);
  form.querySelector("form > button").click();
  await until(() => seen.length === 1);
  assert.equal(state(), "done");
});

test("a script that waits for a form is told of a pause", async () => {
  const { form, input } = page();
  await half(input);
  const wait = finished(form);
  pause(form);
  assert.equal(await wait, false);
});

for (const [moment, what] of [
  ["while it is announced", /presign/],
  ["while its parts are signed", /parts/],
  ["while its parts are sent", /^PUT/],
  ["while it is completed", /complete/],
])
  test(`cancelled ${moment}, nothing is left of it, and nothing is under way when it is given back`, async () => {
    const { input } = page();
    const events = heard(document, "cancel");
    let open;
    hold(what);
    choose(input, file("a", 45));
    await until(() => held.length);
    const { fault } = server;
    server.fault = async (one) => {
      if (one.what !== "abort/") return fault(one);
      // The server hears a little later that somebody has hung up.
      await rest();
      open = server.open;
    };
    button("Cancel: a").click();
    await rest();
    const go = held.splice(0);
    go.forEach((one) => one());
    await until(() => server.count("abort/") === 1);
    await until(() => !tokens().length);
    assert.equal(open, 0);
    assert.equal(events.length, 1);
    await rest();
    assert.deepEqual(tokens(), []);
  });

test("paused, done and failed uploads leave nothing either, nor do reset and another choice", async (t) => {
  hurry(t, 100);
  const ways = {
    paused: async ({ form, input }) => {
      await half(input);
      pause(form);
      button("Remove: a").click();
    },
    done: async ({ input }) => {
      choose(input, file("a", 45));
      await until(() => state() === "done");
      button("Remove: a").click();
    },
    failed: async ({ input }) => {
      server.fault = ({ what, say }) => what === "PUT 2" && say(403);
      choose(input, file("a", 45));
      await until(() => state() === "failed");
      assert.deepEqual(tokens(), [TOKEN], "it may be tried again");
      button("Remove: a").click();
    },
    reset: async ({ form, input }) => {
      await half(input);
      form.reset();
    },
    replaced: async ({ input }) => {
      await half(input);
      letGo();
      choose(input, file("b", 3));
      await until(() => state() === "done" && tokens().length === 1);
      // Its number is that of the uploads then: the first one may be gone already.
      assert.match(tokens().join(), /^token [12] of b$/);
      button("Remove: b").click();
    },
  };
  for (const [name, way] of Object.entries(ways)) {
    server.uploads.clear();
    server.asked = [];
    await way(page("name=docs"));
    letGo();
    await until(() => !tokens().length).catch(() => assert.fail(name));
    document.body.replaceChildren();
    await rest();
  }
});

test("a kept file that is removed or replaced is given back by its token", async () => {
  server.uploads.set("token of kept.pdf", { size: 1, parts: new Map() });
  page("name=docs multiple", keptHtml());
  await rest();
  button("Remove: kept.pdf").click();
  await until(() => !tokens().length);
  document.body.replaceChildren();
  server.uploads.set("token of kept.pdf", { size: 1, parts: new Map() });
  const { input } = page("name=docs", keptHtml());
  choose(input, file("b", 3));
  await until(() => server.count("abort/") === 2 && tokens().length === 1);
});

test("what went with a form is never given back", async () => {
  const { form, input } = page();
  choose(input, file("a", 45));
  await until(() => state() === "done");
  assert.equal(posted(form).length, 1);
  button("Remove: a").click();
  await rest();
  assert.deepEqual([server.count("abort/"), tokens()], [0, [TOKEN]]);
});

test("giving back is tried again", async (t) => {
  hurry(t);
  const { input } = page();
  choose(input, file("a", 45));
  await until(() => state() === "done");
  let failed = 0;
  server.fault = ({ what, say }) => what === "abort/" && failed++ < 2 && say(503, "{}");
  button("Remove: a").click();
  await until(() => !tokens().length);
  assert.equal(server.count("abort/"), 3);
});

test("an input that leaves the page keeps what has arrived, and goes on when it comes back", async () => {
  const { form, input } = page();
  await half(input);
  input.remove();
  await until(() => server.open === 0);
  assert.equal(server.count("abort/"), 0);
  letGo();
  server.asked = [];
  form.append(input);
  await until(() => state() === "done");
  assert.deepEqual([server.count("presign/"), puts().length], [0, 4]);
});

test("a failed upload goes on where it stopped", async () => {
  const { input } = page();
  server.fault = ({ what, say }) => what === "PUT 5" && server.uploads.get(TOKEN).parts.size === 4 && say(403);
  choose(input, file("a", 45));
  await until(() => state() === "failed" || state() === "done");
  if (state() === "done") return;
  server.fault = () => undefined;
  server.asked = [];
  button("Try again: a").click();
  await until(() => state() === "done");
  assert.equal(server.count("presign/"), 0);
});

test("a row says that it waits for the connection, and goes on when there is one", async () => {
  const { input } = page();
  server.fault = ({ what, response }) => what.startsWith("PUT") && (response.destroy(), true);
  setOnline(false);
  choose(input, file("a", 45));
  await until(() => /Waiting for the connection/.test(rows()[0]));
  server.fault = () => undefined;
  setOnline(true);
  await until(() => state() === "done");
});

const MB = 1024 ** 2;

/** The page is loaded anew: whatever was at work is gone, and so are its locks. */
async function reload() {
  beSecure();
  document.body.replaceChildren();
  await rest();
  letGo();
  server.asked = [];
}

/** Choose a large file, and leave the page when two of its five parts have arrived. */
async function interrupt(name = "name=form-3-docs") {
  beSecure();
  server.partSize = 4 * MB;
  server.checksum = "SHA-256";
  hold(/^PUT/, "PUT 1", "PUT 2");
  const { input } = page(name);
  choose(input, file("a", 17 * MB));
  await until(() => puts().length === 5 && server.uploads.get(TOKEN).parts.size === 2);
  await reload();
}

test("the same file, chosen again after a reload, goes on, whatever number its form has", async () => {
  await interrupt();
  const { form, input } = page("name=form-7-docs");
  choose(input, file("a", 17 * MB));
  await until(() => state() === "done");
  assert.equal(server.count("presign/"), 0);
  // One that was under way may have arrived by itself.
  assert.ok(puts().length && puts().every((what) => /[345]$/.test(what)), String(puts()));
  assert.equal(server.object.length, 17 * MB);
  await reload();
  const again = page("name=form-7-docs");
  choose(again.input, file("a", 17 * MB));
  await until(() => state() === "done");
  assert.deepEqual(server.asked, ["list/", "complete/"], "after the end not a byte is sent");
  assert.deepEqual(posted(again.form), [`form-7-docs-s3upload=${TOKEN}`]);
  assert.equal(localStorage.length, 0, "what went with a form is not used again");
  void form;
});

test("the same file, chosen again in the place of itself, goes on", async () => {
  const { form, input } = page("name=docs");
  await half(input);
  pause(form);
  await until(() => server.open === 0);
  letGo();
  server.asked = [];
  choose(input, file("a", 45));
  await until(() => state() === "done");
  assert.deepEqual([server.count("presign/"), server.count("abort/"), tokens()], [0, 0, [TOKEN]]);
  assert.ok(!puts().includes("PUT 1"));
});

test("what a replaced input has begun, the new one goes on with", async () => {
  beSecure();
  server.partSize = 4 * MB;
  hold(/^PUT/, "PUT 1", "PUT 2");
  choose(page("name=docs").input, file("a", 17 * MB));
  await until(() => puts().length === 5 && server.uploads.get(TOKEN).parts.size === 2);
  document.body.replaceChildren();
  await until(() => server.open === 0);
  letGo();
  server.asked = [];
  choose(page("name=docs").input, file("a", 17 * MB));
  await until(() => state() === "done");
  assert.deepEqual([server.count("presign/"), server.count("list/"), tokens()], [0, 1, [TOKEN]]);
});

test("another file, or another input, begins anew, and so does one that the server has forgotten", async () => {
  await interrupt();
  const { form } = page("name=docs");
  choose(fileInput(form), file("a", 17 * MB));
  await until(() => state() === "done");
  assert.equal(server.count("presign/"), 1);
  await reload();
  server.uploads.clear();
  const events = heard(document, "error");
  choose(page("name=form-1-docs").input, file("a", 17 * MB));
  await until(() => state() === "done");
  assert.deepEqual([server.count("list/"), server.count("presign/"), events], [1, 1, []]);
});

test("two inputs never work on one upload", async () => {
  await interrupt();
  const both = [page("name=form-1-docs"), page("name=form-2-docs")];
  for (const { input } of both) choose(input, file("a", 17 * MB));
  await until(() => document.querySelectorAll("[data-state=done]").length === 2);
  const sent = both.flatMap(({ form }) => posted(form).map((entry) => entry.split("=")[1]));
  assert.equal(new Set(sent).size, 2);
});

test("a cancelled upload is not gone on with", async () => {
  await interrupt();
  hold(/^PUT/);
  choose(page().input, file("b", 3));
  choose(page("name=form-1-docs").input, file("a", 17 * MB));
  await until(() => puts().length === 3);
  button("Cancel: a").click();
  letGo();
  await until(() => !tokens().includes(TOKEN));
  assert.equal(localStorage.length, 0);
});
