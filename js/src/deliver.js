/** Getting something to the store, with as many requests as it takes. */
import { read } from "./digest.js";
import { UploadError } from "./errors.js";
import { connections } from "./queue.js";
import { retry } from "./retry.js";
import { transport } from "./transport.js";

/** How long a presigned request is good for, in seconds, where it does not say so. */
const LIFE = 3600;

/**
 * What is to be delivered: a small file, or a part of a large one.
 *
 * @typedef {object} Parcel
 * @property {Blob} blob  as chosen
 * @property {ArrayBuffer} [buffer]  its content, where that has been read
 * @property {import("./send.js").PresignedRequest} [request]
 * @property {number} [signed]  when the request was, in milliseconds
 */

/**
 * The age of its presigned request, as a share of the request's life.
 *
 * @param {Parcel} parcel
 */
function ageOf({ request, signed = 0 }) {
  if (!request) return Infinity;
  const life = Number(/[?&]X-Amz-Expires=(\d+)/.exec(request.url)?.[1] ?? LIFE);
  return (Date.now() - signed) / 1000 / life;
}

/**
 * Deliver something. Whatever passes is tried again; a request that has expired is signed again, before its use where
 * that can be foreseen; content that arrived damaged is read and sent once more.
 *
 * @param {Parcel} parcel
 * @param {object} options
 * @param {(parcel: Parcel, afresh: boolean) => Promise<unknown>} options.sign  gives the parcel a new request;
 *   `afresh`: and reads it again
 * @param {(share: number) => void} options.onprogress
 * @param {AbortSignal} options.signal
 * @param {number} options.order
 * @param {boolean} [options.large]
 * @param {() => number} [options.arrived]
 * @param {() => void} [options.onoffline]
 * @returns {Promise<string>} the ETag
 */
export async function deliver(parcel, { sign, onprogress, ...options }) {
  const { signal } = options;
  let afresh = false;
  let expired = 0;
  /** @param {number} failed */
  const attempt = async (failed) => {
    for (;;) {
      if (afresh || ageOf(parcel) > 0.5) await sign(parcel, afresh);
      afresh = false;
      const { request, buffer, blob } = parcel;
      // A place is for sending alone: who has become old while waiting for it gives it back.
      const etag = await connections.run(() => {
        if (!request || ageOf(parcel) > 0.5) return undefined;
        onprogress(0);
        return transport.send(request, buffer ?? blob, { signal, onprogress, failed, whole: !options.large });
      }, options);
      if (etag !== undefined) return etag;
    }
  };
  for (let damaged = 0; ;) {
    try {
      return await retry(async (failed) => {
        try {
          return await attempt(failed);
        } catch (error) {
          // A file that is no longer what was chosen fails as a connection does.
          if (error instanceof UploadError && !error.status) await read(parcel.blob.slice(0, 1));
          throw error;
        }
      }, options);
    } catch (error) {
      if (!(error instanceof UploadError) || signal.aborted) throw error;
      const { code, status } = error;
      if (status === 400 && /digest|checksum/i.test(code)) {
        error.refused = damaged++ > 0;
        if (error.refused) throw error;
        afresh = true;
      } else if ((/expired/i.test(code) || (status === 403 && ageOf(parcel) > 1)) && expired++ < 2) {
        parcel.request = undefined;
      } else throw error;
    }
  }
}
