/**
 * The submit: held until the uploads are done, then made by the browser as it always is. The form is never posted from
 * here. What it carries is in formdata.js.
 */
import { fieldOf, knownField } from "./field.js";
import { keptOf } from "./kept.js";
import { inputsOf } from "./managed.js";
import { gettextFor } from "./texts.js";

/** How long a form that was let through is taken to be on its way, in milliseconds. */
const ON_ITS_WAY = 10_000;

/** Forms whose submit waits for uploads. @type {WeakSet<HTMLFormElement>} */
const held = new WeakSet();

/** The submit event that was last let through. @type {WeakMap<HTMLFormElement, Event>} */
let passed = new WeakMap();

/** The submit event that came last, of any form. @type {SubmitEvent | undefined} */
let latest;

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

/**
 * The method that the page has for a form, in lower case.
 *
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} [submitter]
 */
const methodOf = (form, submitter) =>
  // From the prototype, because a control of that name hides the form's own.
  (submitter?.getAttribute("formmethod") ?? Element.prototype.getAttribute.call(form, "method"))?.toLowerCase();

/**
 * Does a form, whose data is being collected, go into an address? There, tokens would be seen by logs and other sites.
 * A form without a method does where the browser sends it, and need not where a script does.
 *
 * @param {HTMLFormElement} form
 */
export function goesIntoAddress(form) {
  const event = latest?.target === form ? latest : undefined;
  const method = methodOf(form, event?.submitter);
  // The browser collects it when all listeners have been asked, and none has prevented it.
  return event && !event.eventPhase && !event.defaultPrevented ? method !== "post" : method === "get";
}

/** @param {SubmitEvent} event */
export function onSubmit(event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const { submitter } = event;
  latest = event;
  if (event.defaultPrevented || methodOf(form, submitter) === "dialog") return;

  const last = passed.get(form);
  // Whether a listener has prevented the last one, to post by itself, is known only afterwards.
  const onItsWay = last && !last.defaultPrevented && event.timeStamp - last.timeStamp < ON_ITS_WAY;
  if (held.has(form) || onItsWay) return stop(event);

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
    passed.set(form, event);
  }
}

/** @param {Event} event */
function stop(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
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
  if (!form.isConnected) return;
  const usable = submitter?.isConnected && /** @type {HTMLButtonElement} */ (submitter).form === form && !submitter.matches(":disabled");
  // From the prototype, because a control named "requestSubmit" hides the form's own.
  HTMLFormElement.prototype.requestSubmit.call(form, usable ? submitter : undefined);
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

/** The person changes something: the next submit is another one. @param {Event} event */
export function onEdit({ target }) {
  const { form } = /** @type {HTMLInputElement} */ (target);
  if (form instanceof HTMLFormElement) passed.delete(form);
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
export function onPageShow({ persisted }) {
  for (const form of persisted ? document.forms : [])
    if (passed.get(form)?.defaultPrevented === false) fieldsOf(form).forEach((field) => field.rewind());
  passed = new WeakMap();
}
