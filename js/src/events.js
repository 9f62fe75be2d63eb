/**
 * The events that the script dispatches on the file input. They bubble, so a listener on the form or on the document
 * hears them too.
 *
 * | event               | when                                        | detail                      |
 * | ------------------- | ------------------------------------------- | --------------------------- |
 * | `s3upload:start`    | before a file is announced to the server    | `FileDetail`; can be cancelled |
 * | `s3upload:progress` | bytes have moved                            | `ProgressDetail`            |
 * | `s3upload:complete` | the store has the file                      | `FileDetail`                |
 * | `s3upload:error`    | an upload failed or was refused             | `FileDetail` and `message`  |
 * | `s3upload:cancel`   | an upload was cancelled before it was done  | `FileDetail`                |
 *
 * @typedef {import("./file.js").FileUpload} FileUpload
 * @typedef {{file: File, name: string, size: number, message?: string}} FileDetail
 * @typedef {object} ProgressDetail
 * @property {number} progress  of all files of the input, 0 to 1
 * @property {number} loaded  bytes that the store has received, of all files of the input
 * @property {number} total  bytes of all files of the input
 * @property {File} currentFile
 * @property {string} currentFileName
 * @property {number} currentFileProgress  of the current file, 0 to 1
 */

/**
 * Dispatch `s3upload:<name>` on an input.
 *
 * @param {HTMLInputElement} input
 * @param {"start" | "progress" | "complete" | "error" | "cancel"} name
 * @param {FileDetail | ProgressDetail} detail
 * @returns {boolean} false when a listener called `preventDefault()`, which only `start` allows
 */
export function dispatch(input, name, detail) {
  return input.dispatchEvent(
    new CustomEvent(`s3upload:${name}`, { bubbles: true, cancelable: name === "start", detail }),
  );
}

/**
 * The person has changed an input by means of ours: the page hears what it would hear from the browser.
 *
 * @param {HTMLInputElement} input
 */
export const tellPage = (input) =>
  ["input", "change"].forEach((type) => input.dispatchEvent(new Event(type, { bubbles: true })));

/**
 * @param {FileUpload} upload
 * @returns {FileDetail}
 */
export const detailOf = ({ file }) => ({ file, name: file.name, size: file.size });

/**
 * @param {FileUpload} upload  that has moved
 * @param {FileUpload[]} uploads  all of the input
 * @returns {ProgressDetail}
 */
export function progressOf(upload, uploads) {
  const loaded = uploads.reduce((sum, one) => sum + one.loaded, 0);
  const total = uploads.reduce((sum, one) => sum + one.file.size, 0);
  return {
    progress: total ? loaded / total : upload.share,
    loaded,
    total,
    currentFile: upload.file,
    currentFileName: upload.file.name,
    currentFileProgress: upload.share,
  };
}
