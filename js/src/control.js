/** What scripts of the page can do with uploads, besides waiting for them. */
import { knownField } from "./field.js";
import { managedIn } from "./managed.js";

/** @typedef {import("./field.js").Field} Field */

/**
 * @param {Node} target  an input, a form, or anything around inputs
 * @param {File} [file]  this one alone
 */
function uploadsOf(target, file) {
  return (
    managedIn(document)
      // From the prototype, because a control named "contains" hides the form's own.
      .filter((input) => input.form === target || Node.prototype.contains.call(target, input))
      .flatMap((input) => {
        const field = knownField(input);
        return field?.uploads.map((upload) => ({ field, upload })) ?? [];
      })
      .filter(({ upload }) => !file || upload.file === file)
  );
}

/**
 * Pause uploads: no byte moves, what has arrived in parts is kept.
 *
 * @param {Node} target
 * @param {File} [file]
 */
export const pause = (target, file) => uploadsOf(target, file).forEach(({ field, upload }) => field.pause(upload));

/**
 * Go on with paused uploads.
 *
 * @param {Node} target
 * @param {File} [file]
 */
export const resume = (target, file) =>
  uploadsOf(target, file).forEach(({ field, upload }) => upload.state === "paused" && field.goOn(upload));

/**
 * Cancel uploads, and give up files that are uploaded: nothing is left of them in the store. Files kept from an
 * earlier post stay.
 *
 * @param {Node} target
 * @param {File} [file]
 */
export const cancel = (target, file) => uploadsOf(target, file).forEach(({ field, upload }) => field.remove(upload));
