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

/**
 * @param {HTMLInputElement} input
 * @param {{remove: () => void, goOn: () => void}} actions
 */
export function createRow(input, actions) {
  const id = `s3upload-error-${++count}`;
  // Isolated: the direction of a name decides nothing but the order of its own letters.
  const title = document.createElement("bdi");
  const meta = make("span", "meta");
  const bar = make("progress", "bar");
  const problem = make("span", "error", { role: "alert", id });
  const [goOn, remove] = [actions.goOn, actions.remove].map((action) => {
    const button = make("button", "button", { type: "button", "aria-describedby": id });
    button.onclick = action;
    return button;
  });
  const element = make("div", "file", { role: "listitem" }, [
    make("span", "text", {}, [make("span", "name", {}, [title]), meta, bar, problem]),
    make("span", "buttons", {}, [goOn, remove]),
  ]);

  /** Put the focus where the person can act. */
  const focus = () => (goOn.hidden ? remove : goOn).focus();

  return {
    element,
    focus,

    /** Say the error once more. */
    alert() {
      // A live region speaks when its content comes, not when it stays.
      problem.replaceChildren(...[...problem.childNodes].map((node) => node.cloneNode(true)));
      focus();
    },

    /** @param {Item} item */
    update({ file: { name, size }, state, active = false, inParts, waiting, share = 1, error }) {
      const _ = gettextFor(input);
      const said = {
        queued: active ? _("Waiting") : _("Goes with the form"),
        uploading: percent(input, share),
        paused: `${_("Paused")} · ${percent(input, share)}`,
        ordinary: _("Goes with the form"),
        done: _("Uploaded"),
        kept: _("Uploaded"),
      }[/** @type {string} */ (state)];
      const now = active && waiting ? _("Waiting for the connection") : said;
      const action = { failed: _("Try again"), paused: _("Continue") }[/** @type {string} */ (state)] ?? (active && inParts ? _("Pause") : "");

      element.dataset.state = state;
      setText(title, name);
      setText(meta, [Number.isFinite(size) && fileSize(input, size), now].filter(Boolean).join(" · "));
      bar.hidden = !active && state !== "paused";
      bar.value = share;
      bar.setAttribute("aria-label", name);
      setText(problem, error ? _(error.message, error.status) : "");
      // A button that goes leaves the focus to the one beside it.
      if (!action && goOn === document.activeElement) remove.focus();
      goOn.hidden = !action;
      label(goOn, action, name);
      label(remove, active ? _("Cancel") : _("Remove"), name);
    },
  };
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
