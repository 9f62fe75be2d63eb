/** Asking the server for presigned requests. */
import { connectionFailed, UploadError } from "./errors.js";
import { gettext_noop } from "./texts.js";

/** How long the server may take, in milliseconds. */
const PATIENCE = 60_000;

/**
 * What the server says to one file.
 *
 * @typedef {{error: string}} Refusal
 * @typedef {{token: string, method: "POST", url: string, fields: Record<string, string>}} PresignedPost
 * @typedef {{token: string, method: "PUT", url: string, headers: Record<string, string>}} PresignedPut
 * @typedef {PresignedPost | PresignedPut} PresignedRequest
 * @typedef {PresignedRequest | Refusal} Answer
 */

/** @param {any} answer */
const isUsable = (answer) => answer?.error || (answer?.token && answer.url && /^(POST|PUT)$/.test(answer.method));

/**
 * Ask once for all the files.
 *
 * @param {string} endpoint
 * @param {string} policy  as signed by the server
 * @param {File[]} files
 * @param {string} [language]  of the page, for the server's own sentences
 * @returns {Promise<Answer[]>} in the order of the files
 * @throws {Error} an `UploadError` where there is something to say
 */
export async function presign(endpoint, policy, files, language) {
  const headers = new Headers({ "Content-Type": "application/json" });
  if (language) headers.set("Accept-Language", language);
  const response = await fetch(`${endpoint}presign/`, {
    method: "POST",
    headers,
    body: JSON.stringify({ policy, files: files.map(({ name, size, type }) => ({ name, size, type })) }),
    redirect: "manual",
    signal: AbortSignal.timeout(PATIENCE),
  }).catch(() => {
    throw connectionFailed();
  });
  // The endpoint never redirects: the session has ended, and this leads to the login.
  if (response.type === "opaqueredirect" || response.status === 401)
    throw new UploadError(gettext_noop("Perhaps you are signed out. Sign in again in another tab."));
  const { error, uploads } = await response.json();
  if (error) throw new UploadError(String(error), { refused: [400, 413].includes(response.status) });
  if (uploads.length !== files.length || !uploads.every(isUsable)) throw new Error("Unusable answer");
  return uploads;
}
