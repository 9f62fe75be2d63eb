/** The file inputs that this script looks after: those that the widget has given a policy. */

export const MANAGED = "input[type=file][data-s3upload-policy]";

/**
 * The managed inputs in a part of the document.
 *
 * @param {ParentNode} root
 * @returns {HTMLInputElement[]}
 */
export const managedIn = (root) => [...root.querySelectorAll(/** @type {"input"} */ (MANAGED))];

/**
 * Put files into an input. Fires no event.
 *
 * @param {HTMLInputElement} input
 * @param {File[]} files
 */
export function setFiles(input, files) {
  const transfer = new DataTransfer();
  files.forEach((file) => transfer.items.add(file));
  input.files = transfer.files;
}

/**
 * The managed inputs that post with a form, also those outside it that name it. Not `form.elements`, which a control
 * of that name hides.
 *
 * @param {HTMLFormElement} form
 */
export const inputsOf = (form) =>
  managedIn(document).filter((input) => input.form === form && !input.matches(":disabled"));
