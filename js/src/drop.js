/** Files dropped on a field: on the input, on its label, or on the list. */
import { tellPage } from "./events.js";
import { MANAGED, setFiles } from "./managed.js";
import { inputOfContainer } from "./view.js";

/** @type {HTMLInputElement | undefined} */
let over;

/**
 * The managed input that takes what is dropped here, if there is one.
 *
 * @param {DragEvent} event
 */
function inputFor({ target, dataTransfer }) {
  if (!(target instanceof Element) || !dataTransfer?.types.includes("Files")) return undefined;
  const input = inputOfContainer(target) ?? target.closest("label")?.control ?? target;
  return input instanceof HTMLInputElement && input.matches(MANAGED) && !input.matches(":disabled") ? input : undefined;
}

/** @param {HTMLInputElement} [input] */
function highlight(input) {
  over?.classList.remove("s3upload--drop");
  input?.classList.add("s3upload--drop");
  over = input;
}

/** @param {DragEvent} event */
export function onDragOver(event) {
  const input = inputFor(event);
  highlight(input);
  if (!input) return;
  event.preventDefault();
  if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
}

/** @param {DragEvent} event */
export function onDragLeave(event) {
  // Into another element of the page comes with a dragover of its own.
  if (!event.relatedTarget) highlight();
}

/** @param {DragEvent} event */
export function onDrop(event) {
  highlight();
  const input = inputFor(event);
  if (!input || !event.dataTransfer) return;
  event.preventDefault();
  const files = [...event.dataTransfer.items]
    .filter((item) => item.kind === "file" && !item.webkitGetAsEntry?.()?.isDirectory)
    .map((item) => item.getAsFile())
    .filter((file) => file !== null);
  if (!files.length) return;
  setFiles(input, input.multiple ? files : files.slice(0, 1));
  // Our own listener hears it too.
  tellPage(input);
}
