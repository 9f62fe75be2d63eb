/** Uploading without an input: for scripts that have a file and a policy, and no form. Touches no page. */
import { giveBack } from "./endpoint.js";
import { FileUpload } from "./file.js";
import { unless } from "./retry.js";
import { gettext_noop, gettextIn, localeOf } from "./texts.js";
import { startTogether } from "./together.js";
import { transport } from "./transport.js";

/**
 * @typedef {object} Options
 * @property {string} policy  what the server has signed for the field that takes the file
 * @property {string} [endpoint]
 * @property {AbortSignal} [signal]  ends the upload; nothing is left of it in the store
 * @property {(progress: {loaded: number, total: number, progress: number}) => void} [onprogress]  told how many bytes
 *   the store has, of how many, and which share that is, 0 to 1
 * @property {string} [language]  of the messages; that of the page when left out
 */

/**
 * An endpoint, and what it says and is told in a language.
 *
 * @param {Pick<Options, "endpoint" | "language">} options
 */
function endpointOf({ endpoint = "/__s3upload__/", language }) {
  // In a worker there is no page.
  const locale = localeOf(language ?? globalThis.document?.documentElement.lang ?? "");
  const _ = gettextIn(locale);
  /** @type {import("./file.js").Owner["ask"]} */
  const ask = (path, question, more) => transport.ask(endpoint, path, question, { language: locale?.baseName, ...more });
  /** @param {any} error @returns {never} */
  const fail = ({ message, status }) => {
    throw new Error(_(message, status));
  };
  return { endpoint, _, ask, fail };
}

/**
 * Upload a file as a file input does it.
 *
 * @param {Blob} file  a `File`, or a `Blob`, which is given the name "file"
 * @param {Options} options
 * @returns {Promise<{token: string, name: string, size: number, type: string}>} `token` is posted in place of the file
 * @throws {Error} whose message is for the person; its name is "AbortError" when the signal has ended the upload
 */
export async function upload(file, options) {
  const { policy, signal, onprogress } = options ?? {};
  // That of another window is one as well.
  if (!/(File|Blob)]$/.test(Object.prototype.toString.call(file))) throw new TypeError("upload() takes a File or a Blob");
  if (!policy) throw new TypeError("upload() needs a signed policy");
  const { endpoint, _, ask, fail } = endpointOf(options);
  const { size, type } = file;
  const chosen = /** @type {File} */ (file).name ? /** @type {File} */ (file) : new File([file], "file", { type });

  let one = /** @type {FileUpload | undefined} */ (undefined);
  try {
    if (signal?.aborted) throw signal.reason;
    const outcome = new Promise((/** @type {(value?: undefined) => void} */ resolve, reject) => {
      one = new FileUpload(chosen, {
        ask,
        changed({ state, loaded, share, error }) {
          // What goes wrong in there is no fault of the upload's.
          if (/^(uploading|done)$/.test(state))
            queueMicrotask(() => onprogress?.({ loaded, total: size, progress: share }));
          if (state === "done") resolve();
          if (/^(failed|refused)$/.test(state)) reject(error);
        },
        // The signature has the time in it; what is signed stays the same for a field.
        place: () => [endpoint, policy.split(":")[0]],
      });
      startTogether([one], ask, policy);
    });
    await unless(signal, outcome);
  } catch (error) {
    if (signal?.aborted) {
      one?.stop("cancelled");
      throw new DOMException(_(gettext_noop("The upload was cancelled.")), "AbortError");
    }
    one?.abandon();
    fail(error);
  }
  return { token: /** @type {FileUpload} */ (one).spend(), name: chosen.name, size, type };
}

/**
 * Take an upload back: nothing is left of it in the store.
 *
 * @param {string} token
 * @param {Pick<Options, "endpoint" | "language">} options
 * @throws {Error} whose message is for the person
 */
export function discard(token, options) {
  const { ask, fail } = endpointOf(options);
  return giveBack(ask, token).catch(fail);
}
