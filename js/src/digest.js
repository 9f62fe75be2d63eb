/** Checksums of files, and whether a file can still be read. */
import { UploadError } from "./errors.js";
import { readers } from "./queue.js";
import { gettext_noop } from "./texts.js";

/** Buffers to read into, used again: what a page has read is collected late, and a large file is many times that. */
const free = /** @type {ArrayBuffer[]} */ ([]);

/** Who reads: a stream that nothing else refers to may be collected in the middle, and then never answers. */
const reading = new Set();

/** There is none where the connection is not secure. */
export const canDigest = () => Boolean(globalThis.crypto?.subtle);

/**
 * @param {BufferSource} data
 * @returns {Promise<string>} its SHA-256, in base64
 */
export const digest = async (data) =>
  btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-256", data))));

/**
 * @param {Blob} blob  a file, or a part of one, that fits into memory
 * @param {import("./queue.js").Claim} [claim]  to read it
 * @returns {Promise<string>} its SHA-256, in base64
 */
export const checksumOf = (blob, claim) =>
  readers.run(async () => {
    /** @type {ReadableStreamBYOBReader} */
    let reader;
    try {
      reader = blob.stream().getReader({ mode: "byob" });
    } catch {
      // Not all browsers read into a buffer that is there.
      return digest(await read(blob));
    }
    reading.add(reader);
    const { size } = blob;
    let buffer = free.pop() ?? new ArrayBuffer(0);
    if (buffer.byteLength < size) buffer = new ArrayBuffer(size);
    for (let at = 0; at < size;) {
      /** @type {{value?: Uint8Array}} */
      const { value } = await reader.read(new Uint8Array(buffer, at, size - at)).catch(unreadable);
      if (!value?.byteLength) return unreadable();
      at += value.byteLength;
      // The memory is the same; each read gives it to another object.
      buffer = /** @type {ArrayBuffer} */ (value.buffer);
    }
    reading.delete(reader);
    void reader.cancel();
    const sum = await digest(new Uint8Array(buffer, 0, size));
    free.push(buffer);
    return sum;
  }, claim);

/**
 * @param {Blob} blob
 * @returns {Promise<ArrayBuffer>}
 */
export const read = (blob) => blob.arrayBuffer().catch(unreadable);

/** @returns {never} */
function unreadable() {
  throw new UploadError(gettext_noop("The file has changed or was removed. Choose it again."), { refused: true });
}
