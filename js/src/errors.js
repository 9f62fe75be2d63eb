import { gettext_noop } from "./texts.js";

/** Why an upload failed, in words for the person who sees it. */
export class UploadError extends Error {
  /**
   * @param {string} message  a msgid of ours, or a sentence that the server has already translated
   * @param {object} [details]
   * @param {boolean} [details.refused]  true when trying again cannot help
   * @param {number} [details.status]  of the answer, also for the placeholder `{status}`; 0 when none came
   * @param {string} [details.code]  what the store says, in its own words
   */
  constructor(message, { refused = false, status = 0, code = "" } = {}) {
    super(message);
    this.refused = refused;
    this.status = status;
    this.code = code;
    /** Does the server know nothing (more) of the upload? */
    this.gone = false;
    /** May the same request work a little later? */
    this.passing =
      !refused && (!status || status === 408 || status === 429 || status >= 500 || code.includes("RequestTimeout"));
  }
}

export const connectionFailed = () => new UploadError(gettext_noop("The connection failed."));

/** @param {number} [status] */
export const unusableAnswer = (status = 200) =>
  new UploadError(gettext_noop("The server gave no usable answer."), { status });
