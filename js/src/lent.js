/**
 * A file input lent to somebody else's interface, which shows the files in its own way. What stays ours: the way to the
 * store, the tokens, and the submit, which is held until the uploads are done.
 */
import { discard, upload } from "./index.js";
import { keptOf, SUFFIX } from "./kept.js";
import { MANAGED } from "./managed.js";
import { make } from "./row.js";
import { comeBack, concerns, goesIntoAddress, onEdit, onItsWay, pass, stop, submitAgain } from "./submit.js";
import { gettextFor, languageOf } from "./texts.js";

/** How often a submit that is held looks after the uploads, in milliseconds. */
const LOOK = 100;

/**
 * What the interface is asked.
 *
 * @typedef {object} Borrower
 * @property {(validate: boolean) => string} trouble  what is wrong, in words, if something is; `validate`: also when
 *   there is no file where there must be one
 * @property {() => boolean} busy  is a file on its way? Starts what has not been started
 * @property {() => void} clear  give up all files
 * @property {() => void} renew  the tokens have been used: upload the files once more
 */

/** The inputs that are lent, by form. @type {WeakMap<HTMLFormElement, Set<Lent>>} */
const byForm = new WeakMap();

/** Forms whose submit waits for uploads. @type {WeakSet<HTMLFormElement>} */
const held = new WeakSet();

/** Tokens that went with a form: what they stand for is not given back. @type {Set<FormDataEntryValue>} */
const spent = new Set();

let listening = false;

/** @param {EventTarget | null} form */
const lentOf = (form) => [...(byForm.get(/** @type {HTMLFormElement} */ (form)) ?? [])];

export class Lent {
  /** Has the person cancelled an upload since the submit is held? */
  cancelled = false;

  /**
   * @param {HTMLInputElement} input
   * @param {Borrower} borrower
   */
  constructor(input, borrower) {
    if (!input?.matches?.(MANAGED))
      throw new TypeError("Not a file input that Django has rendered: it needs the attribute data-s3upload-policy.");
    const { s3uploadPolicy: policy = "", s3uploadEndpoint: endpoint = "" } = input.dataset;
    this.input = input;
    this.borrower = borrower;
    this.name = input.name + SUFFIX;
    this.policy = policy;
    this.endpoint = endpoint;
    this.form = input.form;
    this.kept = keptOf(input);
    this.note = make("div", "note", { role: "status", tabindex: "-1" });
    // Within another element: what stands beside an input is the page script's.
    this.box = document.createElement("div");
    this.box.append(make("div", "", {}, [this.note]));
  }

  /** The entries that the form posts for uploaded files. */
  get entries() {
    return /** @type {HTMLInputElement[]} */ ([...document.getElementsByName(this.name)]).filter(
      ({ form, type, value }) => form === this.form && type === "hidden" && value,
    );
  }

  /** From now on, the form's submit is held for the uploads. */
  begin() {
    this.input.after(this.box);
    listen();
    if (this.form) byForm.set(this.form, (byForm.get(this.form) ?? new Set()).add(this));
  }

  end() {
    // A submit that is held would wait for ever.
    this.cancelled = true;
    this.box.remove();
    if (this.form) byForm.get(this.form)?.delete(this);
  }

  /** Where the server is asked, and in which language. */
  get #server() {
    return { endpoint: this.endpoint, language: languageOf(this.box)?.baseName };
  }

  /**
   * @param {Blob} file
   * @param {AbortSignal} signal
   * @param {(progress: {loaded: number, total: number}) => void} onprogress
   * @returns {Promise<string>} the token
   */
  async send(file, signal, onprogress) {
    const { token } = await upload(file, { ...this.#server, policy: this.policy, signal, onprogress });
    if (!signal.aborted) return token;
    // It was done when the signal came. Nobody waits for the tries that this may take.
    this.giveBack(token).catch(() => {});
    throw signal.reason;
  }

  /**
   * Nothing is to be left of an upload, unless it went with a form.
   *
   * @param {string} token
   * @throws {Error} whose message is for the person
   */
  async giveBack(token) {
    if (!spent.has(token)) await discard(token, this.#server);
  }

  /**
   * Show a sentence; "" takes it away.
   *
   * @param {string} text
   * @param {boolean} [wrong]
   */
  say(text, wrong = false) {
    this.note.className = `s3upload__${wrong ? "error" : "note"}`;
    this.note.textContent = text;
  }
}

/** Listen to all forms, once. Listeners capture, so that no other script can keep an event from them. */
function listen() {
  if (listening) return;
  listening = true;
  const capture = true;
  document.addEventListener("submit", onSubmit, capture);
  document.addEventListener("formdata", onFormData, capture);
  document.addEventListener("change", onEdit, capture);
  document.addEventListener("input", onEdit, capture);
  document.addEventListener("reset", onReset, capture);
  addEventListener("pageshow", (event) => comeBack(event, (form) => lentOf(form).forEach((one) => one.borrower.renew())));
}

/**
 * Say what is wrong, if something is.
 *
 * @param {Lent[]} all
 * @param {boolean} validate
 */
function sayTrouble(all, validate) {
  for (const one of all) one.say("");
  for (const one of all) {
    const text = one.borrower.trouble(validate);
    if (text) {
      one.say(text, true);
      one.note.focus();
      return true;
    }
  }
  return false;
}

/**
 * Those that have a file on its way; all are asked, because that starts what waits.
 *
 * @param {Lent[]} all
 */
const busyOf = (all) => all.filter(({ borrower }) => borrower.busy());

/** @param {SubmitEvent} event */
function onSubmit(event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const submitter = /** @type {HTMLButtonElement | null} */ (event.submitter);
  const all = lentOf(form);
  if (!all.length || !concerns(event)) return;
  if (held.has(form) || onItsWay(form, event)) return stop(event);
  if (sayTrouble(all, !form.noValidate && !submitter?.formNoValidate)) return stop(event);
  const busy = busyOf(all);
  if (busy.length) {
    stop(event);
    for (const one of busy) one.say(gettextFor(one.box)("The form is sent when the uploads are done."));
    void hold(form, submitter);
  } else if (all.some(({ entries }) => entries.length)) pass(form, event);
}

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} submitter  of the first submit, which is the one that is carried out
 */
async function hold(form, submitter) {
  const all = lentOf(form);
  held.add(form);
  for (const one of all) one.cancelled = false;
  let ended;
  do {
    await new Promise((resolve) => setTimeout(resolve, LOOK));
    ended = all.some(({ cancelled, borrower }) => cancelled || borrower.trouble(false));
  } while (!ended && busyOf(all).length);
  held.delete(form);
  // Who cancels may want to choose another file first.
  if (!sayTrouble(all, false) && !ended) submitAgain(form, submitter);
}

/** Where all of it becomes a part of an address, there are no tokens. @param {FormDataEvent} event */
function onFormData({ target, formData }) {
  for (const { name } of lentOf(target)) {
    if (goesIntoAddress(/** @type {HTMLFormElement} */ (target))) formData.delete(name);
    for (const token of formData.getAll(name)) spent.add(token);
  }
}

/** @param {Event} event */
function onReset(event) {
  setTimeout(() => event.defaultPrevented || lentOf(event.target).forEach(({ borrower }) => borrower.clear()));
}
