/** What the person sees of one input: the list of its files, and what is said of it. */
import { make, Row } from "./row.js";
import { gettextFor } from "./texts.js";

/** @typedef {import("./row.js").Item} Item */

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
  for (let next = anchorOf(input).nextElementSibling; next;) {
    const current = next;
    next = current.nextElementSibling;
    if (current.classList.contains("s3upload") && !containers.has(current)) current.remove();
  }
}

export class FieldView {
  #input;
  #actions;
  /** @type {Map<Item, Row>} */
  #rows = new Map();
  #list = make("div", "list", { role: "list" });
  #note = make("div", "note", { role: "status" });
  #status = make("div", "status", { role: "status" });
  #root = make("div", "", {}, [this.#list, this.#note, this.#status]);

  /**
   * @param {HTMLInputElement} input
   * @param {{remove: (item: Item) => void, goOn: (item: Item) => void}} actions
   */
  constructor(input, actions) {
    this.#input = input;
    this.#actions = actions;
    containers.set(this.#root, input);
  }

  /**
   * Show these files and no others.
   *
   * @param {Item[]} items
   */
  render(items) {
    const _ = gettextFor(this.#input);
    this.#place();
    const focused = [...this.#rows].findIndex(([, row]) => row.element.contains(document.activeElement));
    for (const [item, row] of this.#rows) {
      if (items.includes(item)) continue;
      row.element.remove();
      this.#rows.delete(item);
    }
    for (const item of items) this.update(item);
    if (focused !== -1 && !this.#root.contains(document.activeElement)) {
      const rows = [...this.#rows.values()];
      (rows[focused] ?? rows.at(-1) ?? this.#input).focus();
    }
    this.#list.hidden = !items.length;
    this.#list.setAttribute("aria-label", _("Files"));
  }

  /** @param {Item} item */
  update(item) {
    let row = this.#rows.get(item);
    if (!row) {
      row = new Row(this.#input, { remove: () => this.#actions.remove(item), goOn: () => this.#actions.goOn(item) });
      this.#rows.set(item, row);
      this.#list.append(row.element);
    }
    row.update(item);
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
   * @param {Item} item
   */
  alert(item) {
    this.#rows.get(item)?.alert();
  }

  #place() {
    removeCopies(this.#input);
    const anchor = anchorOf(this.#input);
    if (this.#root.parentNode !== anchor.parentNode) anchor.after(this.#root);
  }
}
