/** A large file: in parts, several at the same time. */
import { deliver } from "./deliver.js";
import { checksumOf } from "./digest.js";
import { unusableAnswer, UploadError } from "./errors.js";
import { unless } from "./retry.js";

/** Parts on the wire at the same time. */
const ABREAST = 5;

/**
 * Parts that are made ready in one request, and how many may be ready before there is a connection for them. Each
 * request costs the server as much as forty signatures; while so many parts are read, four others wait to be sent.
 */
const TOGETHER = 16;
const AHEAD = 20;

/**
 * @typedef {import("./deliver.js").Parcel & {number: number, loaded: number, etag?: string, checksum?: string}} Part
 *   `loaded`: bytes of it that are there; `etag`: when all are
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
   * Have parts signed, all in one request; and read before, where each needs its checksum. What is sent is the file's
   * own bytes: nothing of it is held here.
   *
   * @param {Part[]} some
   * @param {boolean} [afresh]
   */
  async function sign(some, afresh) {
    if (checksum)
      await Promise.all(
        some.map(async (part) => {
          if (!part.checksum || afresh) part.checksum = await checksumOf(part.blob);
        }),
      );
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
        sign: (_, afresh) => sign([part], afresh),
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
    for (let next = ABREAST; waiting.length; next = TOGETHER) {
      const some = waiting.splice(0, next);
      while (open.size + some.length > ABREAST + AHEAD) await Promise.race(open);
      signal.throwIfAborted();
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
