/** A warning before the page is left while an upload is under way, and none otherwise. */

/** @type {Set<object>} */
const underway = new Set();

/** @param {BeforeUnloadEvent} event */
function warn(event) {
  event.preventDefault();
  event.returnValue = true; // Older browsers go by this alone.
}

/**
 * Say whether an upload is under way.
 *
 * The listener is there only as long as it is needed, because its presence alone keeps a page out of some browsers'
 * back/forward cache.
 *
 * @param {object} upload
 * @param {boolean} active
 */
export function warnWhile(upload, active) {
  if (active) underway.add(upload);
  else underway.delete(upload);
  if (underway.size) addEventListener("beforeunload", warn);
  else removeEventListener("beforeunload", warn);
}
