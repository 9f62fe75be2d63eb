/** The upload of one file. */
import { UploadError } from "./errors.js";
import { warnWhile } from "./leaving.js";
import { enqueue } from "./queue.js";
import { gettext_noop } from "./texts.js";
import { transport } from "./transport.js";

/** A presigned request that has waited this long, in milliseconds, is asked for again before it is used. */
const STALE = 10 * 60_000;

/**
 * `queued`: waits for its turn (`active`) or for the submit. `failed` may be tried again, `refused` may not.
 * `ordinary`: a listener wanted it left alone; it goes with the form.
 *
 * @typedef {"queued" | "uploading" | "done" | "failed" | "refused" | "cancelled" | "ordinary"} State
 * @typedef {import("./presign.js").Answer} Answer
 */

/**
 * Are these two the same file, as far as one can see? The objects need not be the same.
 *
 * @param {FormDataEntryValue} one
 * @param {File} other
 */
export const isSame = (one, other) =>
  typeof one !== "string" &&
  one.name === other.name &&
  one.size === other.size &&
  one.lastModified === other.lastModified;

export class FileUpload {
  /** @type {State} */
  state = "queued";
  /** How much has been sent, 0 to 1. */
  share = 0;
  /** The server's claim check; worth something only when `state` is "done". */
  token = "";
  /** @type {UploadError | null} */
  error = null;
  /** @type {AbortController | null} */
  #abort = null;
  #changed;

  /**
   * @param {File} file
   * @param {(upload: FileUpload) => void} changed  called after every change of state and with progress
   */
  constructor(file, changed) {
    this.file = file;
    this.#changed = changed;
  }

  /** Is it on its way, be it in the queue or on the wire? */
  get active() {
    return this.#abort !== null;
  }

  /** Is there something to start? */
  get startable() {
    return !this.active && (this.state === "queued" || this.state === "failed");
  }

  /** Has the server, the store or the person not decided yet? */
  get open() {
    return this.state === "queued" || this.state === "uploading";
  }

  /** How much has been sent, in bytes. */
  get loaded() {
    return Math.round(this.share * this.file.size);
  }

  /**
   * Upload the file. Never rejects: the outcome is in `state`.
   *
   * @param {Promise<Answer>} answer  the server's, to all files chosen at once
   * @param {() => Promise<Answer>} again  asks anew for this file alone
   */
  async run(answer, again) {
    const abort = new AbortController();
    const { signal } = abort;
    const asked = Date.now();
    this.#abort = abort;
    this.error = null;
    this.share = 0;
    this.#to("queued");
    try {
      let request = accepted(await answer);
      await enqueue(this.file.size, async () => {
        if (!signal.aborted && Date.now() - asked > STALE) request = accepted(await again());
        if (signal.aborted) return;
        this.#to("uploading");
        await transport.send(request, this.file, {
          signal,
          onprogress: (share) => {
            this.share = share;
            this.#changed(this);
          },
        });
      });
      if (signal.aborted) return;
      this.token = request.token;
      this.share = 1;
      this.#end("done");
    } catch (error) {
      if (signal.aborted) return;
      this.error =
        error instanceof UploadError ? error : new UploadError(gettext_noop("The server gave no usable answer."));
      this.#end(this.error.refused ? "refused" : "failed");
    }
  }

  /**
   * Stop, and forget what has been done: for good, to go with the form, or to wait to be started again.
   *
   * @param {"cancelled" | "ordinary" | "queued"} state
   */
  stop(state) {
    const abort = this.#abort;
    this.token = "";
    this.share = 0;
    this.#end(state);
    abort?.abort();
  }

  /** @param {State} state */
  #end(state) {
    this.#abort = null;
    this.#to(state);
  }

  /** @param {State} state */
  #to(state) {
    this.state = state;
    warnWhile(this, this.active);
    this.#changed(this);
  }
}

/** @param {Answer} answer */
function accepted(answer) {
  if ("error" in answer) throw new UploadError(answer.error, { refused: true });
  return answer;
}
