/**
 * A page for the tests: jsdom, and what it lacks. DataTransfer, a writable `input.files` and the `formdata` event stand
 * in for the browser's; the network is replaced where a test asks for it.
 */
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

/** Let promises, timers of no delay and mutation observers come to rest. */
export const rest = async () => {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setTimeout(resolve));
};

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

/** Put a transport in place that does nothing until it is told to. */
export function fakeTransport(transport) {
  const fake = { asked: [], sending: [], answer: (one) => ({ token: `token of ${one.name}`, method: "PUT" }) };
  transport.presign = async (endpoint, policy, chosen, language) => {
    fake.asked.push({ endpoint, policy, names: chosen.map(({ name }) => name), language });
    return chosen.map(fake.answer);
  };
  transport.send = (request, sent, { signal, onprogress }) =>
    new Promise((resolve, reject) => {
      const one = { request, file: sent, signal, onprogress, resolve, reject };
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
