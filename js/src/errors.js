import { gettext_noop } from "./texts.js";

/** Why an upload failed, in words for the person who sees it. */
export class UploadError extends Error {
  /**
   * @param {string} message  a msgid of ours, or a sentence that the server has already translated
   * @param {object} [details]
   * @param {boolean} [details.refused]  true when trying again cannot help
   * @param {number} [details.status]  for the placeholder `{status}` in the msgid
   */
  constructor(message, details) {
    super(message);
    this.refused = details?.refused;
    this.status = details?.status;
  }
}

export const connectionFailed = () => new UploadError(gettext_noop("The connection failed."));
