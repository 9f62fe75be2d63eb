/** Which uploads run now, and which wait: at most a few at once on the whole page. */

const PLACES = 3;

/** From this size on, in bytes, a file may not take the last free place. */
const LARGE = 16 * 1024 ** 2;

/** @type {{large: boolean, start: (value?: undefined) => void}[]} */
const waiting = [];
let running = 0;
let runningLarge = 0;

/**
 * Do some work as soon as there is a place.
 *
 * Work is started in the order in which it came, except that large files leave one place free: a small file is not
 * stuck behind them.
 *
 * @param {number} size  bytes
 * @param {() => Promise<void>} work
 * @returns {Promise<void>} settled as the work is
 */
export async function enqueue(size, work) {
  const large = size >= LARGE;
  await new Promise((start) => {
    waiting.push({ large, start });
    fill();
  });
  try {
    await work();
  } finally {
    running -= 1;
    runningLarge -= Number(large);
    fill();
  }
}

function fill() {
  while (running < PLACES) {
    const index = waiting.findIndex(({ large }) => !large || runningLarge < PLACES - 1);
    if (index < 0) return;
    const [{ large, start }] = waiting.splice(index, 1);
    running += 1;
    runningLarge += Number(large);
    start();
  }
}
