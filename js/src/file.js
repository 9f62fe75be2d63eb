/** The upload of one file. */
import { deliver } from "./deliver.js";
import { canDigest, checksumOf } from "./digest.js";
import { giveBack } from "./endpoint.js";
import { unusableAnswer, UploadError } from "./errors.js";
import { warnWhile } from "./leaving.js";
import { sendParts } from "./multipart.js";
import { files } from "./queue.js";
import { memoryOf } from "./resume.js";

/** Up to this size, in bytes, a file is sent whole, with one checksum. */
const WHOLE = 16 * 1024 ** 2;

/**
 * `queued`: waits for its turn (`active`) or for the submit. `failed` may be tried again, `refused` may not.
 * `ordinary`: a listener wanted it left alone; it goes with the form.
 *
 * @typedef {"queued" | "uploading" | "paused" | "done" | "failed" | "refused" | "cancelled" | "ordinary"} State
 * @typedef {import("./endpoint.js").Answer} Answer
 * @typedef {import("./send.js").PresignedRequest} PresignedRequest
 * @typedef {import("./endpoint.js").Description} Description
 *
 * @typedef {object} Owner
 * @property {(path: string, question: object, options?: object) => Promise<any>} ask  the server
 * @property {(upload: FileUpload) => void} changed  called after every change of state and with progress
 * @property {() => unknown[]} place  where the file was chosen: the same after a reload
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

let count = 0;

export class FileUpload {
  /** @type {State} */
  state = "queued";
  /** How much has been sent, 0 to 1. */
  share = 0;
  /** The server's claim check; worth something only when `state` is "done". */
  token = "";
  /** Does it wait for the network? */
  waiting = false;
  /** @type {UploadError | null} */
  error = null;
  /** @type {AbortController | null} */
  #abort = null;
  /** The last run; done when none of its requests is under way. @type {Promise<void>} */
  #run = Promise.resolve();
  /** What the server has granted, as long as it is ours to use and to give back. @type {import("./endpoint.js").Grant | undefined} */
  #grant;
  #granted = 0;
  /** @type {import("./resume.js").Memory | undefined} */
  #memory;
  #order = ++count;
  #owner;

  /**
   * @param {File} file
   * @param {Owner} owner
   */
  constructor(file, owner) {
    this.file = file;
    this.#owner = owner;
  }

  /** Is it on its way, be it in the queue or on the wire? */
  get active() {
    return this.#abort !== null;
  }

  /** Is there something to start? */
  get startable() {
    return !this.active && /^(queued|failed|paused)$/.test(this.state);
  }

  /** Has the server, the store or the person not decided yet? */
  get open() {
    return /^(queued|uploading|paused)$/.test(this.state);
  }

  /** Does it go in parts, so that what has arrived is not lost by a pause? */
  get inParts() {
    return this.#grant?.method === "MULTIPART";
  }

  /** How much has been sent, in bytes. */
  get loaded() {
    return Math.round(this.share * this.file.size);
  }

  /**
   * Upload the file, or go on with it. The outcome is in `state`.
   *
   * @param {(description: Promise<Description | undefined>) => Promise<Answer | undefined>} join  asks the server about
   *   this file together with others, if there is something to ask
   * @param {(description: Description) => Promise<Answer>} again  asks about this file alone
   */
  start(join, again) {
    const abort = new AbortController();
    const { signal } = abort;
    this.#abort = abort;
    this.error = null;
    this.waiting = false;
    const description = this.#run.then(() => this.#prepare(signal));
    const answer = join(description.catch(() => undefined));
    answer.catch(() => {}); // Nobody asks for it when the description has failed.
    this.#run = description
      .then(() => this.#upload(signal, answer, again))
      .catch((error) => (signal.aborted ? undefined : this.#fail(error)));
    this.#to("queued");
  }

  /**
   * Stop. What has arrived is kept for a later start, or given back when there will be none.
   *
   * @param {"cancelled" | "ordinary" | "queued" | "paused"} state
   */
  stop(state) {
    const abort = this.#abort;
    this.token = "";
    if (!this.inParts) this.share = 0;
    this.#end(state);
    abort?.abort();
    if (state === "cancelled" || state === "ordinary")
      this.#run = this.#run.then(() => this.#giveBack()).then(() => this.#letGo());
    else if (state === "queued" && this.#memory)
      // Whoever starts it again, here or in another input, finds it by its memory.
      this.#run = this.#run.then(() => {
        this.#grant = undefined;
        this.#letGo();
      });
  }

  /** The token, which goes with a form: from now on nothing here gives back what it stands for. */
  spend() {
    this.#grant = undefined;
    this.#memory?.forget();
    this.#letGo();
    return this.token;
  }

  /** Nobody starts it again: what somebody else can go on with stays, all else is given back. */
  abandon() {
    this.stop(this.#grant && this.#memory ? "queued" : "cancelled");
  }

  /** Another input, or another page, may go on with it. */
  #letGo() {
    this.#memory?.release();
    this.#memory = undefined;
  }

  /** Say that it waits for the network. */
  wait = () => {
    this.waiting = true;
    this.#owner.changed(this);
  };

  /**
   * What to ask the server about the file; undefined when there is a grant already.
   *
   * @param {AbortSignal} signal
   */
  async #prepare(signal) {
    const { name, size, type, lastModified } = this.file;
    if (size > WHOLE && !this.#grant) {
      this.#memory ??= await memoryOf([...this.#owner.place(), name, size, type, lastModified]);
      this.#grant = this.#memory?.recall();
    }
    if (this.#grant || signal.aborted) return undefined;
    const description = await this.#describe();
    return signal.aborted ? undefined : description;
  }

  /** @returns {Promise<Description>} */
  async #describe() {
    const { name, size, type } = this.file;
    if (!canDigest()) return { name, size, type };
    // Larger ones have one for each part.
    const sha256 = size > WHOLE ? "" : await checksumOf(this.file);
    return { name, size, type, sha256 };
  }

  /**
   * @param {AbortSignal} signal
   * @param {Promise<Answer | undefined>} answer
   * @param {(description: Description) => Promise<Answer>} again
   */
  async #upload(signal, answer, again) {
    const { file } = this;
    const options = {
      signal,
      order: this.#order,
      ask: this.#owner.ask,
      onwait: this.wait,
      onprogress: (/** @type {number} */ share) => {
        if (signal.aborted) return;
        if (share > this.share) this.waiting = false;
        this.share = share;
        this.#to("uploading");
      },
    };
    const renew = async () => {
      void this.#giveBack();
      const renewed = this.#accept(await again(await this.#describe()));
      if (this.inParts !== inParts) throw unusableAnswer();
      return renewed;
    };
    let begun = Boolean(this.#grant);
    // Also when it is stopped by now: what the server has granted has to be given back.
    const granted = await answer;
    let grant = granted ? this.#accept(granted) : this.#grant;
    signal.throwIfAborted();
    const { inParts } = this;
    if (!inParts) {
      const sign = async (/** @type {import("./deliver.js").Parcel} */ parcel) => {
        parcel.request = /** @type {PresignedRequest} */ (await renew());
        parcel.signed = this.#granted;
      };
      await deliver({ blob: file, request: /** @type {PresignedRequest} */ (grant), signed: this.#granted }, { ...options, sign });
    } else
      for (;;) {
        try {
          const parts = /** @type {import("./endpoint.js").Multipart} */ (grant);
          const go = () => sendParts(file, parts, begun, options);
          // What is one part only is small, and need not wait for large ones.
          await (file.size > parts.part_size ? files.run(go, options) : go());
          break;
        } catch (error) {
          if (!(error instanceof UploadError && error.gone && begun) || signal.aborted) throw error;
          // It has expired, or was claimed. Once, it starts over without a word.
          begun = false;
          // That of another session is not ours to give back.
          if (error.status === 403) this.#grant = undefined;
          grant = await renew();
        }
      }
    signal.throwIfAborted();
    this.token = this.#grant?.token ?? "";
    this.share = 1;
    this.#end("done");
  }

  /**
   * @param {Answer} answer
   * @returns {import("./endpoint.js").Grant}
   */
  #accept(answer) {
    if ("error" in answer) throw new UploadError(answer.error, { refused: true });
    this.#grant = answer;
    this.#granted = Date.now();
    if (answer.method === "MULTIPART") this.#memory?.keep(answer);
    return answer;
  }

  /** Nothing is to be left of it in the store. */
  async #giveBack() {
    const { token } = this.#grant ?? {};
    this.#memory?.forget();
    this.#grant = undefined;
    if (token) await giveBack(this.#owner.ask, token).catch(() => {});
  }

  /** @param {unknown} error */
  #fail(error) {
    this.error = error instanceof UploadError ? error : unusableAnswer();
    const { refused } = this.error;
    // What came in parts goes on where it stopped.
    if (refused || !this.inParts) {
      this.share = 0;
      void this.#giveBack();
    }
    this.#end(refused ? "refused" : "failed");
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
    this.#owner.changed(this);
  }
}
