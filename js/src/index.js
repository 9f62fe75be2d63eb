/**
 * The entry. The script works by being on the page; scripts of the page may wait for the uploads of a form with
 * `s3upload.finished(form)`, pause, continue and cancel uploads, and upload files that are in no form.
 */
import { cancel as giveUp, pause as hold, resume as goOn } from "./control.js";
import { finished as wait } from "./form.js";
import { start } from "./page.js";
import { upload as send } from "./upload.js";

// The same script under two addresses (with and without a hash in its name, say) is two modules. One is enough.
// An element with this id stands there as well.
if (typeof globalThis.s3upload?.finished !== "function") {
  globalThis.s3upload = { finished: wait, pause: hold, resume: goOn, cancel: giveUp, upload: send };
  start();
}

// For the interfaces that a file input is lent to.
export { discard } from "./upload.js";
export const { finished, pause, resume, cancel, upload } = globalThis.s3upload;
