/** What the person sees of one input: the list of its files, and what is said of it. */
import { make, Row } from "./row.js";
import { gettextFor } from "./texts.js";

/** @typedef {import("./file.js").FileUpload | HTMLInputElement} Key */
/** @typedef {import("./row.js").RowData<Key>} RowData */

/** Every container made here, to tell them from copies that somebody else's script has made. */
/** @type {WeakMap<Element, HTMLInputElement>} */
const containers = new WeakMap();

/**
 * The input whose container an element is in.
 *
 * @param {Element} element
 */
export function inputOfContainer(element) {
  const container = element.closest(".s3upload");
  return container ? containers.get(container) : undefined;
}

/** @param {HTMLInputElement} input */
const anchorOf = (input) => input.closest("label") ?? input;

/**
 * Remove copies of a container from behind an input: a formset script has cloned a whole row, its list included.
 *
 * @param {HTMLInputElement} input
 */
export function removeCopies(input) {
  for (let next = anchorOf(input).nextElementSibling; next; ) {
    const current = next;
    next = current.nextElementSibling;
    if (current.classList.contains("s3upload") && !containers.has(current)) current.remove();
  }
}

export class FieldView {
  #input;
  #actions;
  /** @type {Map<Key, Row>} */
  #rows = new Map();
  #list = make("div", "list", { role: "list" });
  #note = make("div", "note", { role: "status" });
  #status = make("div", "status", { role: "status" });
  #root = make("div", "", {}, [this.#list, this.#note, this.#status]);

  /**
   * @param {HTMLInputElement} input
   * @param {{remove: (key: Key) => void, retry: (key: Key) => void}} actions
   */
  constructor(input, actions) {
    this.#input = input;
    this.#actions = actions;
    containers.set(this.#root, input);
  }

  /**
   * Show these files and no others.
   *
   * @param {RowData[]} list
   */
  render(list) {
    const _ = gettextFor(this.#input);
    this.#place();
    const focused = [...this.#rows].findIndex(([, row]) => row.element.contains(document.activeElement));
    const keys = new Set(list.map(({ key }) => key));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.element.remove();
      this.#rows.delete(key);
    }
    for (const data of list) this.update(data);
    if (focused !== -1 && !this.#root.contains(document.activeElement)) {
      const rows = [...this.#rows.values()];
      (rows[focused] ?? rows.at(-1) ?? this.#input).focus();
    }
    this.#list.hidden = !list.length;
    this.#list.setAttribute("aria-label", _("Chosen files"));
  }

  /** @param {RowData} data */
  update(data) {
    let row = this.#rows.get(data.key);
    if (!row) {
      const { key } = data;
      row = new Row(this.#input, { remove: () => this.#actions.remove(key), retry: () => this.#actions.retry(key) });
      this.#rows.set(key, row);
      this.#list.append(row.element);
    }
    row.update(data);
  }

  /**
   * Say something to those who do not see the list.
   *
   * @param {string} text
   */
  announce(text) {
    this.#status.textContent = text;
  }

  /**
   * Show a sentence below the list; "" takes it away.
   *
   * @param {string} text
   */
  note(text) {
    this.#note.textContent = text;
  }

  /**
   * Say the error of a file once more, and put the focus where something can be done about it.
   *
   * @param {Key} key
   */
  alert(key) {
    this.#rows.get(key)?.alert();
  }

  #place() {
    removeCopies(this.#input);
    const anchor = anchorOf(this.#input);
    if (this.#root.parentNode !== anchor.parentNode) anchor.after(this.#root);
  }
}
