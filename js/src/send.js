/** One request to the store. */
import { connectionFailed, UploadError } from "./errors.js";
import { gettext_noop } from "./texts.js";

/** How long nothing may move, in milliseconds, before a connection is given up. */
const STALL = 30_000;

/** The same when the network has just come back: some connections have survived, of others nobody will hear. */
const REVIVAL = 5000;

/**
 * @typedef {{method: "POST", url: string, fields: Record<string, string>}
 *   | {method: "PUT", url: string, headers: Record<string, string>}} PresignedRequest
 */

/**
 * @param {PresignedRequest} request
 * @param {Blob} body
 */
function payload(request, body) {
  if (request.method === "PUT") return body;
  const data = new FormData();
  for (const [name, value] of Object.entries(request.fields)) data.append(name, value);
  // The store ignores all fields after the file. It needs no name: the server knows it, and some stores stumble
  // over unusual ones.
  data.append("file", body, "file");
  return data;
}

/**
 * Send something with a presigned request. XMLHttpRequest, because fetch has no upload progress.
 *
 * @param {PresignedRequest} request
 * @param {Blob} body
 * @param {object} options
 * @param {AbortSignal} options.signal
 * @param {(share: number) => void} options.onprogress  told how much has been sent, 0 to 1
 * @param {number} [options.failed]  tries before this one; each is given twice the time of the one before
 * @param {boolean} [options.whole]  it is a file, not a part of one
 * @returns {Promise<string>} the ETag, as far as the page may see it, when the store has accepted it
 */
export function send(request, body, { signal, onprogress, failed = 0, whole = false }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    /** @type {ReturnType<typeof setTimeout>} */
    let timer;
    let sent = false;

    /** @param {unknown} error */
    const end = (error) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      removeEventListener("online", revive);
      if (error) xhr.abort();
      reject(error);
    };
    // A whole file that may be with the store by now is waited for: it could come after it was given back.
    const abort = () => (sent && whole ? undefined : end(signal.reason));
    const broken = () => end(connectionFailed());
    const alive = (time = STALL * 2 ** Math.min(failed, 1)) => {
      clearTimeout(timer);
      timer = setTimeout(broken, time);
    };
    const revive = () => alive(REVIVAL);

    xhr.upload.onprogress = ({ loaded, total }) => {
      alive();
      onprogress(total ? loaded / total : 0);
    };
    xhr.upload.onload = () => (sent = true);
    xhr.onload = () => {
      const { status, responseText } = xhr;
      if (status >= 200 && status < 300) {
        // Asked for by its name, a header that the store does not expose is an error in the console.
        resolve(/^etag: *(.*?)\s*$/im.exec(xhr.getAllResponseHeaders())?.[1] ?? "");
        return end(undefined);
      }
      // The store says why in XML, for developers; they find it in the network panel.
      const code = responseText.match(/<(Code|Message)>[^<]*/g)?.join("");
      end(new UploadError(gettext_noop("The file store refused the file ({status})."), { status, code }));
    };
    xhr.onerror = broken;

    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
    addEventListener("online", revive);
    xhr.open(request.method, request.url);
    if (request.method === "PUT")
      for (const [name, value] of Object.entries(request.headers)) xhr.setRequestHeader(name, value);
    xhr.send(payload(request, body));
    alive();
  });
}
