/** What a form carries: tokens in the place of files. */
import { knownField } from "./field.js";
import { isSame } from "./file.js";
import { SUFFIX } from "./kept.js";
import { inputsOf } from "./managed.js";
import { goesIntoAddress } from "./submit.js";

/**
 * Put tokens in the place of files, in the order of the list. Files that failed are left out; files that are still on
 * their way, when a script does not wait for the submit, stay as they are: nothing is lost. Where all of it becomes a
 * part of an address, there are no tokens, not even those of an earlier post.
 *
 * @param {FormDataEvent} event
 */
export function onFormData({ target, formData }) {
  const form = /** @type {HTMLFormElement} */ (target);
  const noTokens = goesIntoAddress(form);
  for (const input of inputsOf(form)) {
    const field = knownField(input);
    if (noTokens) formData.delete(input.name + SUFFIX);
    // Out of step: a script has put in files that were never in hand here.
    if (noTokens || !input.name || !field?.uploads.length || !field.inStep) continue;
    const replaced = field.uploads.filter(({ state }) => /^(done|failed|refused)$/.test(state));
    // Another input, or another listener, may have entries of this name. Only as many go as came from this list.
    const others = formData.getAll(input.name);
    for (const { file } of replaced) {
      const index = others.findIndex((value) => isSame(value, file));
      if (index !== -1) others.splice(index, 1);
    }
    formData.delete(input.name);
    others.forEach((value) => formData.append(input.name, value));
    for (const upload of replaced)
      if (upload.state === "done") formData.append(input.name + SUFFIX, upload.spend());
  }
}
