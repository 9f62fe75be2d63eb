/** A large file: in parts, several at the same time. */
import { deliver } from "./deliver.js";
import { checksumOf } from "./digest.js";
import { unusableAnswer, UploadError } from "./errors.js";
import { unless } from "./retry.js";

/** Parts on the wire at the same time. */
const ABREAST = 5;

/** Parts that are made ready before there is a connection for them, and how many in one request. */
const AHEAD = 4;
const TOGETHER = 2;

/**
 * @typedef {import("./deliver.js").Parcel & {number: number, checksum?: string}} Part
 *
 * @typedef {object} Options
 * @property {(path: string, question: object, options?: object) => Promise<any>} ask  the server
 * @property {AbortSignal} signal
 * @property {number} order
 * @property {(share: number) => void} onprogress
 * @property {() => void} onwait
 */

/**
 * Upload a file in parts. When the signal has ended it, or a part has failed, no request is under way any more.
 *
 * @param {File} file
 * @param {import("./endpoint.js").Multipart} grant
 * @param {boolean} begun  true when some parts may be there already
 * @param {Options} options
 */
export async function sendParts(file, { token, part_size: size, checksum }, begun, options) {
  const { ask, signal: ended, onprogress, ...rest } = options;
  const count = Math.ceil(file.size / size);
  /** @type {Map<number, string>} The ETags of the parts that are there. */
  const etags = new Map();
  /** @type {Map<number, number>} How much of each part is there, in bytes. */
  const sent = new Map();
  let loaded = 0;
  /** @param {number} number */
  const slice = (number) => file.slice((number - 1) * size, number * size);
  /**
   * @param {number} number
   * @param {number} bytes  of the part, that are there
   * @param {string} [etag]  of the whole part
   */
  const note = (number, bytes, etag) => {
    loaded += bytes - (sent.get(number) ?? 0);
    sent.set(number, bytes);
    if (etag !== undefined) etags.set(number, etag);
  };
  /** @type {typeof note} */
  const tell = (...part) => {
    note(...part);
    onprogress(loaded / file.size);
  };

  let blind = false;

  // Ends with the upload, and with the first part that fails.
  const stop = new AbortController();
  const { signal } = stop;
  const end = () => stop.abort(ended.reason);
  if (ended.aborted) end();
  ended.addEventListener("abort", end);
  const patience = { ...rest, signal, arrived: () => etags.size };

  async function list() {
    const { parts } = await unless(signal, ask("list/", { token }, patience)).catch((error) => {
      // What the server refuses here is an upload that is there no more.
      if (error instanceof UploadError) error.gone = /^40[034]$/.test(String(error.status));
      throw error;
    });
    for (const { number, size: bytes, etag } of parts)
      // One of another size is sent again.
      if (bytes === slice(number).size) note(number, bytes, etag);
    onprogress(loaded / file.size);
  }

  /**
   * Have parts signed, all in one request; and read before, where each needs its checksum. What is sent is the file's
   * own bytes: nothing of it is held here.
   *
   * @param {Part[]} parts
   * @param {boolean} [afresh]
   */
  async function sign(parts, afresh) {
    const numbers = parts.map(({ number }) => number);
    if (checksum)
      await Promise.all(
        parts.map(async (part) => {
          if (!part.checksum || afresh) part.checksum = await checksumOf(part.blob);
        }),
      );
    const checksums = checksum && parts.map((part) => part.checksum);
    const answer = await unless(signal, ask("parts/", { token, parts: numbers, checksums }, patience));
    for (const part of parts) {
      const signed = answer.parts?.find((/** @type {Part} */ { number }) => number === part.number);
      if (!signed?.url) throw unusableAnswer();
      part.request = { method: "PUT", url: signed.url, headers: signed.headers };
      part.signed = Date.now();
    }
  }

  /** @param {Part} part */
  async function sendPart(part) {
    const { number, blob } = part;
    try {
      const etag = await deliver(part, {
        ...patience,
        large: count > 1,
        sign: (_, afresh) => sign([part], afresh),
        onprogress: (share) => tell(number, share * blob.size),
      });
      blind ||= !etag;
      tell(number, blob.size, etag);
    } catch (error) {
      stop.abort(error);
    }
  }

  /** @type {Set<Promise<void>>} */
  const open = new Set();
  try {
    if (begun) await list();
    /** @type {Part[]} */
    const missing = Array.from({ length: count }, (_, index) => index + 1)
      .filter((number) => !etags.has(number))
      .map((number) => ({ number, blob: slice(number) }));
    for (let next = ABREAST; missing.length; next = TOGETHER) {
      const parts = missing.splice(0, next);
      while (open.size + parts.length > ABREAST + AHEAD) await Promise.race(open);
      signal.throwIfAborted();
      await sign(parts);
      for (const part of parts) {
        const going = sendPart(part).finally(() => open.delete(going));
        open.add(going);
      }
    }
    await Promise.all(open);
    signal.throwIfAborted();
    // A store that does not let the page see ETags tells them to the server.
    if (blind) await list();
    const parts = Array.from({ length: count }, (_, index) => ({
      number: index + 1,
      etag: etags.get(index + 1) ?? "",
    }));
    // Not ended by the signal: whoever gives the upload back has to know that nothing comes after it.
    await ask("complete/", { token, parts }, patience);
  } catch (error) {
    stop.abort(error);
    throw error;
  } finally {
    await Promise.all(open);
    ended.removeEventListener("abort", end);
  }
}
