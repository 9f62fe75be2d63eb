/** One file as the person sees it. */
import { fileSize, gettextFor, percent } from "./texts.js";

/**
 * What a row shows: an upload, or a file that was kept.
 *
 * @typedef {import("./file.js").FileUpload | import("./kept.js").KeptFile} Item
 */

let count = 0;

/**
 * An element with a class of ours. Text goes in as text, never as HTML: file names hold anything.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} part
 * @param {Record<string, string>} [attributes]
 * @param {Node[]} [children]
 */
export function make(tag, part, attributes = {}, children = []) {
  const element = document.createElement(tag);
  element.className = part ? `s3upload__${part}` : "s3upload";
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** What an upload has and a kept file has not. */
const KEPT = { state: /** @type {const} */ ("kept"), active: false, inParts: false, waiting: false, share: 1, error: null };

export class Row {
  #input;
  // Isolated: the direction of a name decides nothing but the order of its own letters.
  #name = document.createElement("bdi");
  #meta = make("span", "meta");
  #bar = make("progress", "bar");
  #id = `s3upload-error-${++count}`;
  #error = make("span", "error", { role: "alert", id: this.#id });
  #goOn = make("button", "button", { type: "button", "aria-describedby": this.#id });
  #remove = make("button", "button", { type: "button", "aria-describedby": this.#id });
  element = make("div", "file", { role: "listitem" }, [
    make("span", "text", {}, [make("span", "name", {}, [this.#name]), this.#meta, this.#bar, this.#error]),
    make("span", "buttons", {}, [this.#goOn, this.#remove]),
  ]);

  /**
   * @param {HTMLInputElement} input
   * @param {{remove: () => void, goOn: () => void}} actions
   */
  constructor(input, actions) {
    this.#input = input;
    this.#remove.onclick = actions.remove;
    this.#goOn.onclick = actions.goOn;
  }

  /** Put the focus where the person can act. */
  focus() {
    (this.#goOn.hidden ? this.#remove : this.#goOn).focus();
  }

  /** Say the error once more. */
  alert() {
    // A live region speaks when its content comes, not when it stays.
    this.#error.replaceChildren(...[...this.#error.childNodes].map((node) => node.cloneNode(true)));
    this.focus();
  }

  /** @param {Item} item */
  update(item) {
    const _ = gettextFor(this.#input);
    const { name, size } = item.file;
    const { state, active, inParts, waiting, share, error } = item.state === "kept" ? KEPT : item;
    const said = {
      queued: active ? _("Waiting") : _("Goes with the form"),
      uploading: percent(this.#input, share),
      paused: `${_("Paused")} · ${percent(this.#input, share)}`,
      ordinary: _("Goes with the form"),
      done: _("Uploaded"),
      kept: _("Uploaded"),
      failed: "",
      refused: "",
      cancelled: "",
    }[state];
    const now = active && waiting ? _("Waiting for the connection") : said;
    const parts = [Number.isFinite(size) ? fileSize(this.#input, size) : "", now];

    this.element.dataset.state = state;
    setText(this.#name, name);
    setText(this.#meta, parts.filter(Boolean).join(" · "));
    this.#bar.hidden = !active && state !== "paused";
    this.#bar.value = share;
    this.#bar.setAttribute("aria-label", name);
    setText(this.#error, error ? _(error.message, error.status) : "");
    const action = { failed: _("Try again"), paused: _("Continue") }[String(state)] ?? (active && inParts ? _("Pause") : "");
    // A button that goes leaves the focus to the one beside it.
    if (!action && this.#goOn === document.activeElement) this.#remove.focus();
    this.#goOn.hidden = !action;
    label(this.#goOn, action, name);
    label(this.#remove, active ? _("Cancel") : _("Remove"), name);
  }
}

/**
 * @param {HTMLButtonElement} button
 * @param {string} text
 * @param {string} name
 */
function label(button, text, name) {
  setText(button, text);
  button.setAttribute("aria-label", `${text}: ${name}`);
}

/**
 * @param {Element} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
