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
 * Deliver something. Whatever passes is tried again; a request that has expired, or has served its only use, is signed
 * again, before its use where that can be foreseen; content that arrived damaged is read and sent once more.
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
 * @param {() => void} [options.onwait]
 * @returns {Promise<string>} the ETag
 */
export async function deliver(parcel, { sign, onprogress, ...options }) {
  const { signal, large } = options;
  let afresh = false;
  let damaged = 0;
  let expired = 0;
  return retry(async (failed) => {
    for (;;) {
      if (afresh || ageOf(parcel) > 0.5) await sign(parcel, afresh);
      afresh = false;
      const { request, blob } = parcel;
      try {
        // A place is for sending alone: who has become old while waiting for it gives it back.
        const etag = await connections.run(() => {
          if (!request || ageOf(parcel) > 0.5) return undefined;
          onprogress(0);
          return transport.send(request, blob, { signal, onprogress, failed, whole: !large });
        }, options);
        if (etag !== undefined) return etag;
      } catch (error) {
        if (signal.aborted || !(error instanceof UploadError)) throw error;
        const { code, status } = error;
        // A file that is no longer what was chosen fails as a connection does.
        if (!status) await read(blob.slice(0, 1));
        if (status === 400 && /digest|checksum/i.test(code)) {
          afresh = !damaged++;
          error.refused = !afresh;
        } else if (/expired|overwrit/i.test(code) || (status === 403 && ageOf(parcel) > 1)) {
          if (expired++ < 2) parcel.request = undefined;
        }
        if (!afresh && parcel.request) throw error;
      }
    }
  }, options);
}
