/** Sending a file to the store. */
import { connectionFailed, UploadError } from "./errors.js";
import { gettext_noop } from "./texts.js";

/** How long nothing may move, in milliseconds, before an upload has failed. */
const STALL = 60_000;

/** @typedef {import("./presign.js").PresignedRequest} PresignedRequest */

/**
 * @param {PresignedRequest} request
 * @param {File} file
 */
function bodyOf(request, file) {
  if (request.method === "PUT") return file;
  const data = new FormData();
  for (const [name, value] of Object.entries(request.fields)) data.append(name, value);
  // The store ignores all fields after the file. It needs no name: the server knows it, and some stores stumble
  // over unusual ones.
  data.append("file", file, "file");
  return data;
}

/**
 * Send a file with a presigned request. XMLHttpRequest, because fetch has no upload progress.
 *
 * @param {PresignedRequest} request
 * @param {File} file
 * @param {object} options
 * @param {AbortSignal} options.signal
 * @param {(share: number) => void} options.onprogress  told how much has been sent, 0 to 1
 * @returns {Promise<void>} fulfilled when the store has accepted the file
 */
export function send(request, file, { signal, onprogress }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    /** @type {ReturnType<typeof setTimeout>} */
    let timer;

    /** @param {unknown} [error] */
    const end = (error) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      if (error === undefined) return resolve();
      reject(error);
      xhr.abort();
    };
    const abort = () => end(signal.reason);
    const failed = () => end(connectionFailed());
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(failed, STALL);
    };

    xhr.upload.onprogress = ({ loaded, total }) => {
      alive();
      onprogress(total ? loaded / total : 0);
    };
    xhr.onload = () => {
      const { status } = xhr;
      if (status >= 200 && status < 300) return end();
      // The store says why in XML, for developers; they find it in the network panel.
      end(new UploadError(gettext_noop("The file store did not accept the file (code {status})."), { status }));
    };
    xhr.onerror = failed;

    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
    xhr.open(request.method, request.url);
    if (request.method === "PUT")
      for (const [name, value] of Object.entries(request.headers)) xhr.setRequestHeader(name, value);
    xhr.send(bodyOf(request, file));
    alive();
  });
}
