/** Trying again: what failed on the way may work a little later. */
import { UploadError } from "./errors.js";

const TRIES = 6;

/** Waits between two tries, in milliseconds: the first, which doubles, and the longest. */
const FIRST = 500;
const LONGEST = 15_000;

/**
 * A promise that is waited for no longer than until a signal.
 *
 * @template T
 * @param {AbortSignal | undefined} signal
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
export function unless(signal, promise) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal?.reason);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop);
    promise.then(resolve, reject).finally(() => signal?.removeEventListener("abort", stop));
  });
}

/**
 * Wait some time, but no longer than until the browser says that it is online.
 *
 * @param {number} time  milliseconds
 * @param {AbortSignal} [signal]
 */
function pause(time, signal) {
  let end = () => {};
  const over = new Promise((/** @type {(value?: undefined) => void} */ resolve) => (end = resolve));
  const timer = setTimeout(end, time);
  addEventListener("online", end);
  return unless(signal, over).finally(() => {
    clearTimeout(timer);
    removeEventListener("online", end);
  });
}

/**
 * @typedef {object} Patience
 * @property {AbortSignal} [signal]  ends every wait at once
 * @property {() => number} [arrived]  a number that changes with progress; then the tries are counted anew
 * @property {() => void} [onwait]  called when the next try has to wait
 */

/**
 * Do some work until it succeeds, is refused, or has failed too often.
 *
 * @template T
 * @param {(failed: number) => Promise<T>} work  told how often it has failed in a row
 * @param {Patience} [patience]
 * @returns {Promise<T>}
 */
export async function retry(work, { signal, arrived = () => 0, onwait } = {}) {
  let seen = arrived();
  let counted = 0;
  for (let failed = 0; ;) {
    try {
      return await work(failed);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof UploadError && error.passing)) throw error;
      if (seen !== (seen = arrived())) counted = 0;
      // Some machines say that they are offline and are not: tries go on, but none is counted.
      const offline = navigator.onLine === false;
      if (!offline && ++counted >= TRIES) {
        // Where this is a part of other work, that does not try again.
        error.passing = false;
        throw error;
      }
      if (!offline) failed += 1;
      // What comes right at once is not worth a word.
      if (offline || failed > 1) onwait?.();
      const time = offline ? LONGEST : Math.min(FIRST * 2 ** (failed - 1), LONGEST) * (0.5 + Math.random() / 2);
      await pause(time, signal);
    }
  }
}
