/** What runs now, and what waits for a place. */
import { unless } from "./retry.js";

/**
 * @typedef {object} Claim
 * @property {number} [order]  whoever has the least goes first
 * @property {boolean} [large]  part of something large, which may not take all places
 * @property {AbortSignal} [signal]  ends the wait
 */

/**
 * @param {number} places
 * @param {number} [forLarge]  how many of them something large may take
 */
export function createPool(places, forLarge = places) {
  /** Who has a place, and who waits, in order. @type {{order: number, large: boolean, running: boolean, start: () => void}[]} */
  let claims = [];

  function fill() {
    const running = claims.filter((claim) => claim.running);
    let free = places - running.length;
    let freeForLarge = forLarge - running.filter(({ large }) => large).length;
    for (const claim of claims) {
      if (claim.running || !free || (claim.large && !freeForLarge)) continue;
      free -= 1;
      if (claim.large) freeForLarge -= 1;
      claim.running = true;
      claim.start();
    }
  }

  return {
    /**
     * Do some work as soon as there is a place.
     *
     * @template T
     * @param {() => T | Promise<T>} work
     * @param {Claim} [options]
     * @returns {Promise<T>} settled as the work is
     */
    async run(work, { order = 0, large = false, signal } = {}) {
      const claim = { order, large, running: false, start() {} };
      const turn = new Promise((/** @type {(value?: undefined) => void} */ start) => (claim.start = start));
      claims.push(claim);
      claims.sort((a, b) => a.order - b.order);
      fill();
      try {
        await unless(signal, turn);
        return await work();
      } finally {
        claims = claims.filter((other) => other !== claim);
        fill();
      }
    },
  };
}

/** The connections to the store, of the whole page: large files leave one free, so that no small one is stuck. */
export const connections = createPool(6, 5);

/** The files that go in parts at the same time: each holds some parts in memory. */
export const files = createPool(2);

/** What is read at the same time: small files, which have no order, before the parts of large ones. */
export const readers = createPool(2);
