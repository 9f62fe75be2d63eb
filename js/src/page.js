/**
 * The page: a few listeners on the document, once. Inputs and forms need none of their own, so it does not matter when
 * they come and go.
 */
import { onDragLeave, onDragOver, onDrop } from "./drop.js";
import { fieldOf, knownField } from "./field.js";
import { onPageShow, onReset, onSubmit } from "./form.js";
import { onFormData } from "./formdata.js";
import { keptOf } from "./kept.js";
import { MANAGED, managedIn } from "./managed.js";
import { sweep } from "./resume.js";
import { adoptStyle } from "./style.js";
import { onEdit } from "./submit.js";
import { removeCopies } from "./view.js";

/**
 * Take an input in hand that has something to show: kept files, or files that were chosen before the script was there.
 *
 * @param {HTMLInputElement} input
 */
function adopt(input) {
  const field = knownField(input);
  if (field) field.resume();
  else if (input.files?.length || keptOf(input).length) fieldOf(input).choose();
  else removeCopies(input);
}

/** @param {MutationRecord[]} records */
function onMutation(records) {
  for (const node of records.flatMap(({ addedNodes, removedNodes }) => [...addedNodes, ...removedNodes])) {
    if (!(node instanceof Element)) continue;
    const input = /** @type {HTMLInputElement} */ (node);
    for (const one of input.matches(MANAGED) ? [input] : managedIn(node)) {
      if (one.isConnected) adopt(one);
      else knownField(one)?.suspend();
    }
  }
}

/** @param {Event} event */
function onChange({ target }) {
  if (target instanceof HTMLInputElement && target.matches(MANAGED)) fieldOf(target).choose();
}

/** Start, once. Listeners capture, so that no other script can keep an event from them. */
export function start() {
  adoptStyle();
  sweep();
  const capture = true;
  document.addEventListener("submit", onSubmit, capture);
  document.addEventListener("formdata", onFormData, capture);
  document.addEventListener("reset", onReset, capture);
  document.addEventListener("change", onChange, capture);
  document.addEventListener("change", onEdit, capture);
  document.addEventListener("input", onEdit, capture);
  document.addEventListener("dragover", onDragOver);
  document.addEventListener("dragleave", onDragLeave);
  document.addEventListener("drop", onDrop);
  new MutationObserver(onMutation).observe(document, { childList: true, subtree: true });
  addEventListener("pageshow", (event) => {
    onPageShow(event);
    managedIn(document).forEach(adopt);
  });
  managedIn(document).forEach(adopt);
}
