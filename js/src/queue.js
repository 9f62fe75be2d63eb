/** What runs now, and what waits for a place. */
import { unless } from "./retry.js";

/**
 * @typedef {object} Claim
 * @property {number} [order]  whoever has the least goes first
 * @property {boolean} [large]  part of something large, which may not take all places
 * @property {AbortSignal} [signal]  ends the wait
 */

export class Pool {
  /** @type {(Claim & {start?: (value?: undefined) => void})[]} */
  #waiting = [];
  #running = 0;
  #large = 0;
  #places;
  #forLarge;

  /**
   * @param {number} places
   * @param {number} [forLarge]  how many of them something large may take
   */
  constructor(places, forLarge = places) {
    this.#places = places;
    this.#forLarge = forLarge;
  }

  /**
   * Do some work as soon as there is a place.
   *
   * @template T
   * @param {() => T | Promise<T>} work
   * @param {Claim} [claim]
   * @returns {Promise<T>} settled as the work is
   */
  async run(work, { order = 0, large = false, signal } = {}) {
    /** @type {Claim & {start?: (value?: undefined) => void}} */
    const claim = { order, large };
    const turn = new Promise((start) => (claim.start = start));
    this.#waiting.push(claim);
    this.#waiting.sort((a, b) => Number(a.order) - Number(b.order));
    this.#fill();
    try {
      await unless(signal, turn);
      return await work();
    } finally {
      const index = this.#waiting.indexOf(claim);
      if (index < 0) {
        this.#running -= 1;
        this.#large -= Number(large);
      } else this.#waiting.splice(index, 1);
      this.#fill();
    }
  }

  #fill() {
    while (this.#running < this.#places) {
      const index = this.#waiting.findIndex(({ large }) => !large || this.#large < this.#forLarge);
      if (index < 0) return;
      const [{ large, start }] = this.#waiting.splice(index, 1);
      this.#running += 1;
      this.#large += Number(large);
      start?.();
    }
  }
}

/** The connections to the store, of the whole page: large files leave one free, so that no small one is stuck. */
export const connections = new Pool(6, 5);

/** The files that go in parts at the same time: each holds some parts in memory. */
export const files = new Pool(2);

/** The files that are read as a whole at the same time. */
export const readers = new Pool(2);
