/**
 * A page for the tests: jsdom, and what it lacks. DataTransfer, a writable `input.files` and the `formdata` event stand
 * in for the browser's; the network is replaced where a test asks for it.
 */
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { JSDOM, VirtualConsole } from "jsdom";
import { readCatalog } from "../build.js";

const dom = new JSDOM("<!doctype html><html lang=en><body></body></html>", {
  pretendToBeVisual: true,
  url: "https://site.test/form/",
  virtualConsole: new VirtualConsole(), // Quiet: jsdom cannot navigate, and says so at every submit.
});
const { window } = dom;

for (const name of [
  "document",
  "location",
  "Element",
  "Node",
  "navigator",
  "localStorage",
  "HTMLInputElement",
  "HTMLFormElement",
  "Event",
  "CustomEvent",
  "File",
  "FormData",
  "MutationObserver",
  "XMLHttpRequest",
])
  Object.defineProperty(globalThis, name, { configurable: true, value: window[name], writable: true });
for (const name of ["addEventListener", "removeEventListener", "dispatchEvent"])
  globalThis[name] = window[name].bind(window);
window.Blob.prototype.arrayBuffer = function () {
  return new Promise((resolve, reject) => {
    const reader = new window.FileReader();
    reader.onload = () => resolve(new Uint8Array(reader.result).slice().buffer);
    reader.onerror = () => reject(reader.error);
    reader.readAsArrayBuffer(this);
  });
};
globalThis.S3UPLOAD_CATALOG = readCatalog();

const files = new WeakMap();
Object.defineProperty(window.HTMLInputElement.prototype, "files", {
  configurable: true,
  get() {
    if (this.type !== "file") return null;
    return files.get(this) ?? [];
  },
  set(list) {
    files.set(this, list);
  },
});
globalThis.DataTransfer = class {
  files = [];
  items = { add: (file) => this.files.push(file) };
};
// What the browser does after a reset event that nobody prevented.
const { reset } = window.HTMLFormElement.prototype;
window.HTMLFormElement.prototype.reset = function () {
  reset.call(this);
  for (const input of this.querySelectorAll("input[type=file]")) files.delete(input);
};

export { window };

/** Let promises, short work of other threads and mutation observers come to rest. */
export const rest = async () => {
  for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
};

/** Wait until something is so. */
export async function until(condition, time = 5000) {
  for (const end = Date.now() + time; !condition(); ) {
    if (Date.now() > end) throw new Error(`Not within ${time} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A file of some size, each its own object as from a file dialog. */
export const file = (name = "report.pdf", size = 3) =>
  new window.File([new Uint8Array(size)], name, { type: "application/pdf", lastModified: 1 });

/** The HTML of a managed input, as the widget renders it. */
export const inputHtml = (attributes = "name=docs multiple") =>
  `<input type=file ${attributes} data-s3upload-policy=POLICY data-s3upload-endpoint="/__s3upload__/">`;

/** The hidden input of a kept file. */
export const keptHtml = (name = "kept.pdf", field = "docs") =>
  `<input type=hidden name=${field}-s3upload value="token of ${name}" data-s3upload-name="${name}" data-s3upload-size=2048>`;

/** Put a form on the page and return it. */
export function show(html = inputHtml(), attributes = "") {
  document.body.insertAdjacentHTML("beforeend", `<form method=post ${attributes}>${html}</form>`);
  const form = document.body.lastElementChild;
  // In browsers a form has its controls by their names, before its own members; not so in jsdom.
  for (const control of form.elements)
    if (control.name) Object.defineProperty(form, control.name, { configurable: true, value: control });
  return form;
}

export const fileInput = (root = document) => root.querySelector("input[type=file]");

/** Choose files as a person does: they take the place of what the input held, and a change event says so. */
export function choose(input, ...chosen) {
  input.files = chosen;
  input.dispatchEvent(new window.Event("change", { bubbles: true }));
}

/** What the form would post, as `name=value`; a file is `name=<file name>`. */
export function posted(form) {
  const data = new window.FormData();
  for (const element of form.elements) {
    if (!element.name || element.matches(":disabled") || element.type === "submit") continue;
    if (element.type !== "file") data.append(element.name, element.value);
    else for (const one of element.files) data.append(element.name, one);
  }
  const event = new window.Event("formdata", { bubbles: true });
  event.formData = data;
  form.dispatchEvent(event);
  return [...data].map(([name, value]) => `${name}=${typeof value === "string" ? value : `<${value.name}>`}`);
}

/** Collect the submits of a form that come through to the page's own listeners. */
export function submits(form) {
  const seen = [];
  form.addEventListener("submit", (event) => seen.push(event));
  return seen;
}

/** Collect our events of some names, as `[name, detail]`. */
export function heard(target, ...names) {
  const seen = [];
  for (const name of names) target.addEventListener(`s3upload:${name}`, (event) => seen.push([name, event.detail]));
  return seen;
}

/** The rows of the list, as text. */
export const rows = (root = document) =>
  [...root.querySelectorAll(".s3upload__file")].map((row) => row.querySelector(".s3upload__text").textContent);

/** The button of a file, by what a screen reader says. */
export const button = (label) =>
  [...document.querySelectorAll(".s3upload__button:not([hidden])")].find(
    (one) => one.getAttribute("aria-label") === label,
  );

/** Put a transport in place that does nothing until it is told to. Files have no checksums: the page is not secure. */
export function fakeTransport(transport) {
  Object.defineProperty(globalThis, "crypto", { configurable: true, value: {} });
  const fake = {
    asked: [],
    aborted: [],
    sending: [],
    answer: (one) => ({ token: `token of ${one.name}`, method: "PUT", url: "/store", headers: {} }),
  };
  transport.ask = async (endpoint, path, { policy, files: described, token }, { language }) => {
    if (path === "abort/") return fake.aborted.push(token);
    assert.equal(path, "presign/");
    fake.asked.push({ endpoint, policy, names: described.map(({ name }) => name), language });
    return { uploads: described.map(fake.answer) };
  };
  transport.send = (request, sent, { signal, onprogress }) =>
    new Promise((resolve, reject) => {
      const one = { request, file: sent, signal, onprogress, resolve: () => resolve(""), reject };
      signal.addEventListener("abort", () => reject(signal.reason));
      fake.sending.push(one);
    });
  fake.finish = async () => {
    await rest();
    while (fake.sending.length) {
      fake.sending.splice(0).forEach(({ resolve }) => resolve());
      await rest();
    }
  };
  return fake;
}

/** Have every wait be so many times shorter, until the test ends. */
export function hurry(t, times = 1000) {
  const { setTimeout: wait } = globalThis;
  globalThis.setTimeout = (call, delay = 0, ...more) => wait(call, delay / times, ...more);
  t.after(() => (globalThis.setTimeout = wait));
}

/** Have the browser say whether it is online. */
export function setOnline(online) {
  Object.defineProperty(window.navigator, "onLine", { configurable: true, value: online });
  window.dispatchEvent(new window.Event(online ? "online" : "offline"));
}

/** The page is secure: it has checksums, and locks as of one browser. */
export function beSecure() {
  Object.defineProperty(globalThis, "crypto", { configurable: true, value: webcrypto });
  const held = new Set();
  const request = async (name, { ifAvailable }, work) => {
    assert.equal(ifAvailable, true);
    if (held.has(name)) return work(null);
    held.add(name);
    try {
      return await work({ name });
    } finally {
      held.delete(name);
    }
  };
  Object.defineProperty(window.navigator, "locks", { configurable: true, value: { request } });
  return held;
}

export function beInsecure() {
  Object.defineProperty(globalThis, "crypto", { configurable: true, value: {} });
  Object.defineProperty(window.navigator, "locks", { configurable: true, value: undefined });
}
