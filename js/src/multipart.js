/** A large file: in parts, several at the same time. */
import { deliver } from "./deliver.js";
import { checksumOf } from "./digest.js";
import { unusableAnswer, UploadError } from "./errors.js";
import { unless } from "./retry.js";

/** Parts on the wire at the same time. */
const ABREAST = 5;

/**
 * Parts that are read while others are sent, and at most signed in one request. Each request costs the server as much as
 * forty signatures.
 */
const TOGETHER = 16;

/**
 * @typedef {import("./deliver.js").Parcel & {number: number, loaded: number, etag?: string, checksum?: string,
 *   reading?: Promise<void>, isRead?: boolean}} Part
 *   `loaded`: bytes of it that are there; `etag`: when all are; `isRead`: when its checksum is known, if it has one
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
  /** @type {Part[]} */
  const parts = Array.from({ length: Math.ceil(file.size / size) }, (_, index) => ({
    number: index + 1,
    blob: file.slice(index * size, (index + 1) * size),
    loaded: 0,
  }));
  const missing = () => parts.filter(({ etag }) => etag === undefined);
  const tell = () => onprogress(parts.reduce((sum, { loaded }) => sum + loaded, 0) / file.size);

  /** Is there a part whose ETag the store has not let the page see? */
  let blind = false;

  // Ends with the upload, and with the first part that fails.
  const stop = new AbortController();
  const { signal } = stop;
  const end = () => stop.abort(ended.reason);
  if (ended.aborted) end();
  ended.addEventListener("abort", end, { signal });
  const patience = { ...rest, signal, arrived: () => missing().length };

  async function list() {
    const answer = await unless(signal, ask("list/", { token }, patience)).catch((error) => {
      // What the server refuses here is an upload that is there no more.
      if (error instanceof UploadError) error.gone = [400, 403, 404].includes(error.status);
      throw error;
    });
    for (const { number, size: loaded, etag } of answer.parts) {
      const part = parts[number - 1];
      // One of another size is sent again.
      if (part?.blob.size === loaded) Object.assign(part, { loaded, etag });
    }
    tell();
  }

  /**
   * Read a part, where the store wants its checksum. What is sent is the file's own bytes: nothing of it is held here.
   *
   * @param {Part} part
   */
  async function read(part) {
    try {
      if (checksum) part.checksum = await checksumOf(part.blob, patience);
      part.isRead = true;
    } catch (error) {
      stop.abort(error);
    }
  }

  /**
   * Have parts signed, all in one request.
   *
   * @param {Part[]} some
   */
  async function sign(some) {
    const question = {
      token,
      parts: some.map(({ number }) => number),
      checksums: checksum && some.map((part) => part.checksum),
    };
    const answer = await unless(signal, ask("parts/", question, patience));
    for (const part of some) {
      const signed = answer.parts?.find((/** @type {Part} */ { number }) => number === part.number);
      if (!signed?.url) throw unusableAnswer();
      part.request = { method: "PUT", url: signed.url, headers: signed.headers };
      part.signed = Date.now();
    }
  }

  /** @param {Part} part */
  async function sendPart(part) {
    try {
      part.etag = await deliver(part, {
        ...patience,
        large: parts.length > 1,
        async sign(_, afresh) {
          if (afresh) await read(part);
          signal.throwIfAborted();
          await sign([part]);
        },
        onprogress(share) {
          part.loaded = share * part.blob.size;
          tell();
        },
      });
      blind ||= !part.etag;
      part.loaded = part.blob.size;
      tell();
    } catch (error) {
      stop.abort(error);
    }
  }

  /** @type {Set<Promise<void>>} */
  const open = new Set();
  try {
    if (begun) await list();
    const waiting = missing();
    while (waiting.length) {
      const near = waiting.slice(0, TOGETHER);
      for (const part of near) part.reading ??= read(part);
      while (open.size >= ABREAST) await Promise.race(open);
      // One for each connection that is free, and whatever else has been read by then.
      await Promise.all(near.slice(0, ABREAST - open.size).map(({ reading }) => reading));
      signal.throwIfAborted();
      const unread = near.findIndex(({ isRead }) => !isRead);
      const some = waiting.splice(0, unread < 0 ? near.length : unread);
      await sign(some);
      for (const part of some) {
        const going = sendPart(part).finally(() => open.delete(going));
        open.add(going);
      }
    }
    await Promise.all(open);
    signal.throwIfAborted();
    // A store that does not let the page see ETags tells them to the server.
    if (blind) await list();
    // Not ended by the signal: whoever gives the upload back has to know that nothing comes after it.
    await ask("complete/", { token, parts: parts.map(({ number, etag }) => ({ number, etag })) }, patience);
  } finally {
    stop.abort();
    await Promise.all(open);
  }
}
