/** Uploads that start together: one request names all of them to the server. */
import { presign } from "./endpoint.js";

/** @typedef {import("./endpoint.js").Description} Description */

/**
 * Upload files, or go on with them.
 *
 * @param {import("./file.js").FileUpload[]} uploads
 * @param {(path: string, question: object) => Promise<any>} tell  asks the endpoint that they are for
 * @param {string} policy  as signed by the server
 */
export function startTogether(uploads, tell, policy) {
  /** @type {Promise<Description | undefined>[]} */
  const joined = [];
  const answers = Promise.resolve().then(async () => {
    const descriptions = await Promise.all(joined);
    const files = descriptions.filter((one) => one !== undefined);
    const all = files.length ? await presign(tell, policy, files) : [];
    return descriptions.map((one) => one && all.shift());
  });
  uploads.forEach((upload, index) =>
    upload.start(
      (description) => {
        joined.push(description);
        return answers.then((all) => all[index]);
      },
      (description) => presign(tell, policy, [description]).then(([one]) => one),
    ),
  );
}
