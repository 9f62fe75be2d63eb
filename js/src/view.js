/** What the person sees of one input: the list of its files, and what is said of it. */
import { createRow, make } from "./row.js";
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

/**
 * @param {HTMLInputElement} input
 * @param {{remove: (item: Item) => void, goOn: (item: Item) => void}} actions
 */
export function createView(input, actions) {
  /** @type {Map<Item, ReturnType<typeof createRow>>} */
  const rows = new Map();
  const list = make("div", "list", { role: "list" });
  const notice = make("div", "note", { role: "status" });
  const status = make("div", "status", { role: "status" });
  const root = make("div", "", {}, [list, notice, status]);
  containers.set(root, input);

  /** @param {Item} item */
  function update(item) {
    let row = rows.get(item);
    if (!row) {
      row = createRow(input, { remove: () => actions.remove(item), goOn: () => actions.goOn(item) });
      rows.set(item, row);
      list.append(row.element);
    }
    row.update(item);
  }

  return {
    update,

    /**
     * Show these files and no others.
     *
     * @param {Item[]} items
     */
    render(items) {
      const _ = gettextFor(input);
      removeCopies(input);
      const anchor = anchorOf(input);
      if (root.parentNode !== anchor.parentNode) anchor.after(root);
      const focused = [...rows.values()].findIndex(({ element }) => element.contains(document.activeElement));
      for (const [item, { element }] of rows) {
        if (items.includes(item)) continue;
        element.remove();
        rows.delete(item);
      }
      items.forEach(update);
      if (focused !== -1 && !root.contains(document.activeElement)) {
        const left = [...rows.values()];
        (left[focused] ?? left.at(-1) ?? input).focus();
      }
      list.hidden = !items.length;
      list.setAttribute("aria-label", _("Files"));
    },

    /**
     * Say something to those who do not see the list.
     *
     * @param {string} text
     */
    announce(text) {
      status.textContent = text;
    },

    /**
     * Show a sentence below the list; "" takes it away.
     *
     * @param {string} text
     */
    note(text) {
      notice.textContent = text;
    },

    /**
     * Say the error of a file once more, and put the focus where something can be done about it.
     *
     * @param {Item} item
     */
    alert(item) {
      rows.get(item)?.alert();
    },
  };
}
