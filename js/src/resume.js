/**
 * Multipart uploads that were interrupted, remembered in the browser: the same file, chosen again at the same place,
 * goes on. What is kept tells nothing secret, is of use only in the session that began it, and is removed after a
 * day.
 */
import { digest } from "./digest.js";

const PREFIX = "s3upload:";

/** How long it is kept, in milliseconds. */
const LIFE = 24 * 3600_000;

/**
 * @param {string} key
 * @returns {import("./endpoint.js").Multipart | undefined}
 */
function entryOf(key) {
  const { time, ...entry } = JSON.parse(localStorage.getItem(key) ?? "{}");
  return entry.part_size > 0 && Date.now() - time < LIFE ? { ...entry, method: "MULTIPART" } : undefined;
}

/**
 * The memory of one upload. While one is held, no other input or tab gets it.
 *
 * @typedef {object} Memory
 * @property {() => import("./endpoint.js").Multipart | undefined} recall
 * @property {(grant: import("./endpoint.js").Multipart) => void} keep
 * @property {() => void} forget
 * @property {() => void} release
 */

/**
 * @param {unknown[]} identity  of the file and its place
 * @returns {Promise<Memory | undefined>} undefined when somebody else holds it, or the browser has no such thing
 */
export async function memoryOf(identity) {
  try {
    const key = PREFIX + (await digest(new TextEncoder().encode(JSON.stringify(identity))));
    localStorage.getItem(key);
    return await new Promise((resolve, reject) => {
      /** @param {Lock | null} lock */
      const hold = (lock) =>
        lock &&
        new Promise((/** @type {(value?: undefined) => void} */ release) =>
          resolve({
            recall: () => quietly(() => entryOf(key)),
            keep: ({ token, part_size, checksum }) =>
              quietly(() => localStorage.setItem(key, JSON.stringify({ token, part_size, checksum, time: Date.now() }))),
            forget: () => quietly(() => localStorage.removeItem(key)),
            release,
          }),
        );
      navigator.locks.request(key, { ifAvailable: true }, hold).then(() => resolve(undefined), reject);
    });
  } catch {
    return undefined;
  }
}

/** Remove what is too old. */
export const sweep = () =>
  quietly(() => {
    for (const key of Object.keys(localStorage))
      if (key.startsWith(PREFIX) && !quietly(() => entryOf(key))) localStorage.removeItem(key);
  });

/**
 * The storage may be full, or closed to this page: then nothing is remembered.
 *
 * @template T
 * @param {() => T} work
 */
function quietly(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}
