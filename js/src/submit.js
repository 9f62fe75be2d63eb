/** What there is to know of a submit, whoever uploads the files of the form. */

/** How long a form that was let through is taken to be on its way, in milliseconds. */
const ON_ITS_WAY = 10_000;

/** The submit event that was last let through. @type {WeakMap<HTMLFormElement, Event>} */
let passed = new WeakMap();

/** The submit event that came last, of any form. @type {SubmitEvent | undefined} */
let latest;

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

/**
 * Take note of a submit. Is there something to do about it? Not when somebody has prevented it, nor for a dialog.
 *
 * @param {SubmitEvent} event
 */
export function concerns(event) {
  latest = event;
  return !event.defaultPrevented && methodOf(/** @type {HTMLFormElement} */ (event.target), event.submitter) !== "dialog";
}

/**
 * Is a form on its way already?
 *
 * @param {HTMLFormElement} form
 * @param {Event} event
 */
export function onItsWay(form, event) {
  const last = passed.get(form);
  // Whether a listener has prevented the last one, to post by itself, is known only afterwards.
  return last && !last.defaultPrevented && event.timeStamp - last.timeStamp < ON_ITS_WAY;
}

/**
 * Let a submit through.
 *
 * @param {HTMLFormElement} form
 * @param {Event} event
 */
export const pass = (form, event) => passed.set(form, event);

/** The person changes something: the next submit is another one. @param {Event} event */
export function onEdit({ target }) {
  const { form } = /** @type {HTMLInputElement} */ (target);
  if (form instanceof HTMLFormElement) passed.delete(form);
}

/**
 * The page is shown, perhaps once more: no form is on its way.
 *
 * @param {PageTransitionEvent} event
 * @param {(form: HTMLFormElement) => void} spent  called with each form that was sent, and has used its tokens
 */
export function comeBack({ persisted }, spent) {
  for (const form of persisted ? document.forms : []) if (passed.get(form)?.defaultPrevented === false) spent(form);
  passed = new WeakMap();
}

/** @param {Event} event */
export function stop(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

/**
 * Submit a form once more, as the browser does it.
 *
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} submitter  of the submit that was stopped
 */
export function submitAgain(form, submitter) {
  if (!form.isConnected) return;
  const usable = submitter?.isConnected && /** @type {HTMLButtonElement} */ (submitter).form === form && !submitter.matches(":disabled");
  // From the prototype, because a control named "requestSubmit" hides the form's own.
  HTMLFormElement.prototype.requestSubmit.call(form, usable ? submitter : undefined);
}
