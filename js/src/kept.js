/**
 * Files kept from an earlier post: hidden inputs that the server has rendered beside the file input when the form
 * came back with an error. They post themselves; the document is the only record of them.
 */
import { managedIn } from "./managed.js";

/** What the form posts for an uploaded file is named after its input. */
export const SUFFIX = "-s3upload";

/**
 * The input that a kept file belongs to: the closest of its name in the same form. Two inputs of one name in one form
 * have their own.
 *
 * @param {HTMLInputElement} hidden
 * @returns {HTMLInputElement | undefined}
 */
export function inputOf(hidden) {
  const name = hidden.name.slice(0, -SUFFIX.length);
  for (let around = hidden.parentElement; around; around = around.parentElement) {
    const found = managedIn(around).find((input) => input.name === name && input.form === hidden.form);
    if (found) return found;
  }
  return undefined;
}

/**
 * The hidden inputs of the files kept for an input, in the order of the document.
 *
 * @param {HTMLInputElement} input
 */
export function keptOf(input) {
  const hidden = document.querySelectorAll(/** @type {"input"} */ ("input[data-s3upload-name]"));
  return [...hidden].filter((one) => one.name === input.name + SUFFIX && inputOf(one) === input);
}

/**
 * Give up a kept file. With the last one gone, an input that must not be empty says so again.
 *
 * @param {HTMLInputElement} input
 * @param {HTMLInputElement} hidden
 */
export function dropKept(input, hidden) {
  hidden.remove();
  if ("s3uploadRequired" in input.dataset && !keptOf(input).length) {
    input.required = true;
    delete input.dataset.s3uploadRequired;
  }
}

/**
 * A kept file, in the shape of an upload, as far as it has what an upload has.
 *
 * @typedef {Partial<import("./file.js").FileUpload>} Upload
 * @typedef {Omit<Upload, "file" | "state"> & {hidden: HTMLInputElement, file: {name: string, size: number}, state: "kept"}} KeptFile
 */

/** @type {WeakMap<HTMLInputElement, KeptFile>} */
const keptFiles = new WeakMap();

/**
 * The kept file of a hidden input, always the same one.
 *
 * @param {HTMLInputElement} hidden
 * @returns {KeptFile}
 */
export function keptFile(hidden) {
  const { s3uploadName: name = "", s3uploadSize: size } = hidden.dataset;
  const kept = keptFiles.get(hidden) ?? { hidden, file: { name, size: Number(size) }, state: "kept" };
  keptFiles.set(hidden, kept);
  return kept;
}
