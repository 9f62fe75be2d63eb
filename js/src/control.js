/** What scripts of the page can do with uploads, besides waiting for them. */
import { knownField } from "./field.js";
import { managedIn } from "./managed.js";

/** @typedef {import("./field.js").Field} Field */

/**
 * A function that does something to uploads: to those of an input, a form, or anything around inputs; or to that of one
 * file alone.
 *
 * @param {(field: Field, upload: import("./file.js").FileUpload) => void} action
 * @returns {(target: Node, file?: File) => void}
 */
const each = (action) => (target, file) => {
  for (const input of managedIn(document)) {
    // From the prototype, because a control named "contains" hides the form's own.
    if (input.form !== target && !Node.prototype.contains.call(target, input)) continue;
    const field = knownField(input);
    field?.uploads.forEach((upload) => (!file || upload.file === file) && action(field, upload));
  }
};

/** Pause uploads: no byte moves, what has arrived in parts is kept. */
export const pause = each((field, upload) => field.pause(upload));

/** Go on with paused uploads. */
export const resume = each((field, upload) => upload.state === "paused" && field.goOn(upload));

/**
 * Cancel uploads, and give up files that are uploaded: nothing is left of them in the store. Files kept from an
 * earlier post stay.
 */
export const cancel = each((field, upload) => field.remove(upload));
