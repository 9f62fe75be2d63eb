/**
 * The submit: held until the uploads are done, then made by the browser as it always is. The form is never posted from
 * here. What it carries is in formdata.js.
 */
import { fieldOf, knownField } from "./field.js";
import { keptOf } from "./kept.js";
import { inputsOf } from "./managed.js";
import { comeBack, concerns, onItsWay, pass, stop, submitAgain } from "./submit.js";
import { gettextFor } from "./texts.js";

/** Forms whose submit waits for uploads. @type {WeakSet<HTMLFormElement>} */
const held = new WeakSet();

/**
 * The fields of a form that have files; what a script has set without an event is taken in hand.
 *
 * @param {HTMLFormElement} form
 */
function fieldsOf(form) {
  const fields = inputsOf(form)
    .filter((input) => knownField(input) ?? input.files?.length)
    .map(fieldOf);
  fields.forEach((field) => field.choose(false));
  return fields;
}

/**
 * Upload what the form's inputs hold, and wait for it. For scripts that post `new FormData(form)` without a submit.
 *
 * @param {HTMLFormElement} form
 * @returns {Promise<boolean>} true when every file can go with the form; false as soon as one failed or was cancelled
 */
export async function finished(form) {
  fieldsOf(form).forEach((field) => field.start());
  for (;;) {
    const active = fieldsOf(form).filter((field) => field.active);
    if (!active.length) break;
    const outcome = await Promise.race(active.map((field) => field.outcome()));
    if (outcome === "error" || outcome === "cancel") return false;
    // Chosen while waiting; what failed is not tried again and again.
    for (const field of fieldsOf(form)) field.start(field.uploads.filter(({ state }) => state === "queued"));
  }
  return fieldsOf(form).every((field) => field.ready);
}

/** @param {SubmitEvent} event */
export function onSubmit(event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const { submitter } = event;
  if (!concerns(event)) return;
  if (held.has(form) || onItsWay(form, event)) return stop(event);

  const fields = fieldsOf(form);
  const refused = fields.some(({ uploads }) => uploads.some(({ state }) => state === "refused"));
  if (!refused) fields.forEach((field) => field.start());
  if (fields.some((field) => field.trouble)) {
    stop(event);
    showTrouble(form);
  } else if (fields.some((field) => field.active)) {
    stop(event);
    void hold(form, submitter);
  } else if (inputsOf(form).some((input) => keptOf(input).length || knownField(input)?.uploads.length)) {
    pass(form, event);
  }
}

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} submitter  of the first submit, which is the one that is carried out
 */
async function hold(form, submitter) {
  held.add(form);
  note(form, true);
  const done = await finished(form);
  held.delete(form);
  note(form, false);
  if (!done) return showTrouble(form);
  submitAgain(form, submitter);
}

/**
 * @param {HTMLFormElement} form
 * @param {boolean} waiting
 */
function note(form, waiting) {
  for (const { active, input, view } of fieldsOf(form)) {
    const _ = gettextFor(input);
    view.note(waiting && active ? _("The form is sent when the uploads are done.") : "");
  }
}

/** @param {HTMLFormElement} form */
function showTrouble(form) {
  const field = fieldsOf(form).find(({ trouble }) => trouble);
  if (field?.trouble) field.view.alert(field.trouble);
}

/** The browser empties the inputs after this event, unless somebody prevents it. @param {Event} event */
export function onReset(event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  setTimeout(() => {
    if (!event.defaultPrevented) inputsOf(form).forEach((input) => knownField(input)?.clear());
  });
}

/**
 * The page is back from the back/forward cache: the forms that were sent have used their tokens.
 *
 * @param {PageTransitionEvent} event
 */
export const onPageShow = (event) => comeBack(event, (form) => fieldsOf(form).forEach((field) => field.rewind()));
