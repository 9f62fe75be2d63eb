/** One controller per file input: the list of its files, and what happens to them. */
import { giveBack } from "./endpoint.js";
import { detailOf, dispatch, progressOf, tellPage } from "./events.js";
import { FileUpload, isSame } from "./file.js";
import { dropKept, keptFile, keptOf } from "./kept.js";
import { setFiles } from "./managed.js";
import { gettextFor, languageOf, percent } from "./texts.js";
import { startTogether } from "./together.js";
import { transport } from "./transport.js";
import { createView } from "./view.js";

/**
 * How the wait for an upload can end: it is done, it failed, the person cancelled it, or it is wanted no more.
 *
 * @typedef {"done" | "error" | "cancel" | "gone"} Outcome
 */

/** @type {WeakMap<HTMLInputElement, Field>} */
const fields = new WeakMap();

/**
 * The controller of an input, which must be managed; made when first asked for.
 *
 * @param {HTMLInputElement} input
 */
export function fieldOf(input) {
  const field = fields.get(input) ?? new Field(input);
  fields.set(input, field);
  return field;
}

/**
 * The controller of an input, if it has one yet.
 *
 * @param {HTMLInputElement} input
 */
export const knownField = (input) => fields.get(input);

export class Field {
  /** @type {FileUpload[]} */
  uploads = [];
  /** @type {File[]} What `input.files` held when it was last the same as the list. */
  #seen = [];
  /** @type {FileUpload[]} Stopped because the input had left the page. */
  #suspended = [];
  /** @type {((outcome: Outcome) => void)[]} */
  #waiting = [];

  /** @param {HTMLInputElement} input */
  constructor(input) {
    this.input = input;
    this.view = createView(input, this);
    this.render();
  }

  get active() {
    return this.uploads.some((upload) => upload.active);
  }

  /** Can every file go with the form? */
  get ready() {
    return this.uploads.every(({ state }) => state === "done" || state === "ordinary");
  }

  /** A file that failed or was refused, if there is one. */
  get trouble() {
    return this.uploads.find(({ state }) => state === "failed" || state === "refused");
  }

  get #files() {
    return [...(this.input.files ?? [])];
  }

  /** Does `input.files` hold what it held when it was last read or written here? */
  get inStep() {
    const files = this.#files;
    return files.length === this.#seen.length && files.every((file, index) => file === this.#seen[index]);
  }

  /** The outcome of the upload that ends next. @returns {Promise<Outcome>} */
  outcome() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /**
   * Take the files of the input in hand. Where several may be chosen they are added, else they take the place of what
   * was there before.
   *
   * @param {boolean} [add]  false when a script has set `input.files`, without an event, to all that there shall be
   */
  choose(add = this.input.multiple) {
    if (this.inStep) return;
    let files = this.#files;
    // A browser's dialog gives the new files alone; WebDriver, and some scripts, put them after those already there.
    const { length } = this.uploads;
    if (add && files.length > length && this.uploads.every(({ file }, index) => isSame(files[index], file)))
      files = files.slice(length);
    // The same file in the place of itself goes on.
    const old = this.input.multiple ? [] : this.uploads.filter(({ state }) => state !== "refused");
    const added = files.map((file) => old.find((one) => isSame(file, one.file)) ?? new FileUpload(file, this.#owner));
    if (!this.input.multiple && added.length) keptOf(this.input).forEach(this.#dropKept);
    this.#set(add ? [...this.uploads, ...added] : added);
    if (this.input.dataset.s3uploadOn !== "submit") this.start(added);
    this.#tell("gone");
  }

  /**
   * Upload what is not uploaded yet, all announced to the server at once.
   *
   * @param {FileUpload[]} uploads  by default all that wait, and all that failed and may be tried again
   */
  start(uploads = this.uploads) {
    const { input } = this;
    const going = uploads.filter((upload) => {
      if (!upload.startable || !input.isConnected) return false;
      if (dispatch(input, "start", detailOf(upload))) return true;
      upload.stop("ordinary");
      return false;
    });
    const onwait = () => going.forEach((upload) => upload.active && upload.wait());
    startTogether(going, (path, question) => this.#ask(path, question, { onwait }), input.dataset.s3uploadPolicy ?? "");
  }

  /** @param {FileUpload} upload */
  pause(upload) {
    if (!upload.active) return;
    upload.stop("paused");
    this.#tell("cancel");
  }

  /**
   * What the button does: pause; or go on with a paused upload, or try again.
   *
   * @param {import("./view.js").Item} upload
   */
  goOn(upload) {
    if (!(upload instanceof FileUpload)) return;
    if (upload.active) return this.pause(upload);
    const { state, file, share } = upload;
    this.start([upload]);
    if (state === "paused") this.view.announce(`${file.name}: ${percent(this.input, share)}`);
  }

  /** Give up all files that were chosen here; kept ones stay. */
  clear() {
    this.#set([]);
    this.#tell("gone");
  }

  /** The tokens have been used: the files wait for the next submit. */
  rewind() {
    for (const upload of this.uploads) {
      if (upload.state !== "done") continue;
      upload.spend();
      upload.stop("queued");
    }
  }

  /** The input has left the page: nobody sees its uploads, nothing would post them. It may come back. */
  suspend() {
    const active = this.uploads.filter((upload) => upload.active);
    this.#suspended.push(...active);
    for (const upload of active) {
      upload.stop("queued");
      dispatch(this.input, "cancel", detailOf(upload));
    }
    this.#tell("gone");
  }

  /** The input is on the page, perhaps again. */
  resume() {
    this.render();
    if (this.input.isConnected) this.start(this.#suspended.splice(0).filter((upload) => this.uploads.includes(upload)));
  }

  render() {
    this.view.render([...keptOf(this.input).map(keptFile), ...this.uploads]);
  }

  /**
   * Ask the server.
   *
   * @param {string} path
   * @param {object} question
   * @param {object} [options]
   */
  #ask = (path, question, options) => {
    const language = languageOf(this.input)?.baseName;
    return transport.ask(this.input.dataset.s3uploadEndpoint ?? "", path, question, { language, ...options });
  };

  /** @param {FileUpload} upload */
  #changed = (upload) => {
    if (!this.uploads.includes(upload)) return;
    const _ = gettextFor(this.input);
    const detail = detailOf(upload);
    this.view.update(upload);
    if (upload.state === "uploading" || upload.state === "done")
      dispatch(this.input, "progress", progressOf(upload, this.uploads));
    if (upload.state === "done") {
      this.view.announce(`${detail.name}: ${_("Uploaded")}`);
      dispatch(this.input, "complete", detail);
      this.#tell("done");
    } else if (upload.error && !upload.active) {
      dispatch(this.input, "error", { ...detail, message: _(upload.error.message, upload.error.status) });
      this.#tell("error");
    } else if (upload.state === "paused") this.view.announce(`${detail.name}: ${_("Paused")}`);
  };

  /** What an upload needs of its input; a formset's numbers may be others after a reload. */
  #owner = {
    ask: this.#ask,
    changed: this.#changed,
    place: () => [location.pathname, this.input.name.replace(/-\d+(?=-)/g, "")],
  };

  /** @param {HTMLInputElement} hidden */
  #dropKept = (hidden) => {
    dropKept(this.input, hidden);
    giveBack(this.#ask, hidden.value).catch(() => {});
  };

  /**
   * Have these files and no others.
   *
   * @param {FileUpload[]} uploads
   */
  #set(uploads) {
    const dropped = this.uploads.filter((upload) => !uploads.includes(upload));
    this.uploads = uploads;
    for (const upload of dropped) {
      const { open } = upload;
      upload.stop("cancelled");
      if (open) dispatch(this.input, "cancel", detailOf(upload));
    }
    this.#keepInStep();
    this.render();
  }

  /** @param {import("./view.js").Item} item */
  remove(item) {
    if (!(item instanceof FileUpload)) {
      this.#dropKept(item.hidden);
      this.render();
      return this.#removed(item.file.name);
    }
    const { active } = item;
    this.#set(this.uploads.filter((other) => other !== item));
    this.#removed(item.file.name);
    this.#tell(active ? "cancel" : "gone");
  }

  /** @param {string} name  of the file that the person has removed */
  #removed(name) {
    const _ = gettextFor(this.input);
    this.view.announce(`${name}: ${_("Removed")}`);
    tellPage(this.input);
  }

  /** Make `input.files` the list, so that `required` and posting the ordinary way stay right. Fires no event. */
  #keepInStep() {
    this.#seen = this.uploads.map(({ file }) => file);
    if (!this.inStep) setFiles(this.input, this.#seen);
    // What comes back need not be the same objects.
    this.#seen = this.#files;
  }

  /** @param {Outcome} outcome */
  #tell(outcome) {
    this.#waiting.splice(0).forEach((resolve) => resolve(outcome));
  }
}
