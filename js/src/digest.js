/** Reading files, and checksums of what was read. */
import { UploadError } from "./errors.js";
import { gettext_noop } from "./texts.js";

/** There is none where the connection is not secure. */
export const canDigest = () => Boolean(globalThis.crypto?.subtle);

/**
 * @param {BufferSource} data
 * @returns {Promise<string>} its SHA-256, in base64
 */
export const digest = async (data) =>
  btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-256", data))));

/**
 * @param {Blob} blob
 * @returns {Promise<ArrayBuffer>}
 */
export const read = (blob) =>
  blob.arrayBuffer().catch(() => {
    throw new UploadError(gettext_noop("The file has changed or was removed. Choose it again."), { refused: true });
  });
