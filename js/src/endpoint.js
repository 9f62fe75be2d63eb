/** Asking the server: for presigned requests, and for all that a multipart upload needs. */
import { connectionFailed, unusableAnswer, UploadError } from "./errors.js";
import { retry } from "./retry.js";
import { gettext_noop } from "./texts.js";

/** How long the server may take, in milliseconds. */
const PATIENCE = 60_000;

/**
 * What the server is told of a file, and what it says to it.
 *
 * @typedef {{name: string, size: number, type: string, sha256?: string}} Description
 * @typedef {{error: string}} Refusal
 * @typedef {{token: string, method: "POST", url: string, fields: Record<string, string>}} PresignedPost
 * @typedef {{token: string, method: "PUT", url: string, headers: Record<string, string>}} PresignedPut
 * @typedef {{token: string, method: "MULTIPART", part_size: number, checksum?: string}} Multipart
 * @typedef {PresignedPost | PresignedPut | Multipart} Grant
 * @typedef {Grant | Refusal} Answer
 */

/**
 * Ask the server something. What may work a little later is tried again.
 *
 * A request that is under way is not ended by the signal: the server would do its work, and the answer would be lost.
 *
 * @param {string} endpoint
 * @param {string} path  below it
 * @param {object} question
 * @param {import("./retry.js").Patience & {language?: string, keepalive?: boolean}} [options]
 *   `language`: of the page, for the server's own sentences; `keepalive`: also when the page is left
 * @returns {Promise<any>}
 * @throws {UploadError}
 */
export const ask = (endpoint, path, question, { language, keepalive, ...patience } = {}) =>
  retry(() => post(endpoint + path, question, language, keepalive), patience);

/**
 * @param {string} url
 * @param {object} question
 * @param {string} [language]
 * @param {boolean} [keepalive]
 */
async function post(url, question, language, keepalive) {
  const headers = new Headers({ "Content-Type": "application/json" });
  if (language) headers.set("Accept-Language", language);
  let response, text, answer;
  try {
    response = await fetch(url, {
      method: "POST",
      headers,
      body: JSON.stringify(question),
      keepalive,
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE),
    });
    text = await response.text();
  } catch {
    throw connectionFailed();
  }
  const { ok, status, type } = response;
  // The endpoint never redirects: the session has ended, and this leads to the login.
  if (type === "opaqueredirect" || status === 401)
    throw new UploadError(gettext_noop("Please sign in again in another tab."), { status: 401 });
  try {
    answer = JSON.parse(text);
  } catch {
    // Whoever answered was not the endpoint.
  }
  if (answer?.error) throw new UploadError(String(answer.error), { status });
  if (!ok || !answer) throw unusableAnswer(status);
  return answer;
}

/**
 * Have nothing left of an upload in the store.
 *
 * @param {(path: string, question: object, options: object) => Promise<any>} tell  asks the endpoint of an input
 * @param {string} token
 */
export const giveBack = (tell, token) => tell("abort/", { token }, { keepalive: true });

/** @param {any} answer */
const isUsable = (answer) =>
  answer?.error ||
  (answer?.token && (answer.method === "MULTIPART" ? answer.part_size > 0 : answer.url && /^(POST|PUT)$/.test(answer.method)));

/**
 * Ask once for all the files.
 *
 * @param {(path: string, question: object) => Promise<any>} tell  asks the endpoint of an input
 * @param {string} policy  as signed by the server
 * @param {Description[]} files
 * @returns {Promise<Answer[]>} in the order of the files
 */
export async function presign(tell, policy, files) {
  const { uploads } = await tell("presign/", { policy, files }).catch((error) => {
    error.refused = [400, 413].includes(error.status);
    throw error;
  });
  if (uploads?.length !== files.length || !uploads.every(isUsable)) throw unusableAnswer();
  return uploads;
}
