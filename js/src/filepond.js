/** FilePond's `server`: its interface, with the bytes going straight to the store. */
import { SUFFIX } from "./kept.js";
import { Lent } from "./lent.js";
import { setFiles } from "./managed.js";

/** FilePond's numbers for the state of a file. */
const IDLE = 2;
const DONE = 5;
const FAILED = 6;
const INVALID = 8;
const UNDER_WAY = [1, IDLE, 3, 7, 9];

/** @type {WeakMap<HTMLInputElement, object>} */
const servers = new WeakMap();

/**
 * Take a file input in hand for FilePond, before that reads it: its name becomes that of the tokens, which FilePond
 * posts in hidden inputs of its own.
 *
 * @param {HTMLInputElement} input
 */
export function server(input) {
  const made = servers.get(input) ?? create(input);
  servers.set(input, made);
  return made;
}

/**
 * An option of a FilePond. Its events bring an object whose properties are still descriptors of themselves.
 *
 * @param {any} pond
 * @param {string} name
 */
const option = (pond, name) => pond?.[name]?.get?.() ?? pond?.[name];

/** @param {HTMLInputElement} input */
function create(input) {
  /** @type {any} */
  let pond;
  /** @type {HTMLElement | undefined} */
  let element;
  /** Are files of an earlier post on their way into it? */
  let restoring = false;
  /** What ends the uploads that are under way. @type {Map<Blob, AbortController>} */
  const stops = new Map();
  /** Why files failed, in sentences. @type {Map<Blob, string>} */
  const problems = new Map();
  /** What was made of files before they were sent, by a plugin of FilePond's. @type {WeakMap<Blob, Blob>} */
  const outputs = new WeakMap();

  /** What is sent of a file of FilePond's. @param {any} item */
  const sentOf = (item) => outputs.get(item?.file) ?? item?.file;

  /** @returns {any[]} */
  const files = () => (element?.isConnected ? pond.getFiles() : []);

  /** @type {Lent} */
  const lent = new Lent(input, {
    trouble: () =>
      files()
        .filter(({ status }) => status === FAILED || status === INVALID)
        .map((item) => problems.get(sentOf(item)) ?? `${item.filename}: ${option(pond, "labelInvalidField")}`)
        .join(" "),
    busy() {
      const all = files();
      if (!option(pond, "instantUpload"))
        for (const file of all) if (file.status === IDLE) pond.processFile(file).catch(() => {});
      return (
        restoring ||
        stops.size > 0 ||
        all.some(({ status }) => UNDER_WAY.includes(status)) ||
        // Chosen, and not in the list yet; done, and not in the form yet.
        Boolean(/** @type {HTMLInputElement | null | undefined} */ (element?.querySelector("[type=file]"))?.value) ||
        lent.entries.length < all.filter(({ status }) => status === DONE).length
      );
    },
    clear: () => pond?.removeFiles({ revert: true }),
    renew() {
      for (const file of files())
        if (file.file instanceof Blob) pond.processFile(file).catch(() => {});
        else pond.removeFile(file);
    },
  });
  if (lent.form !== input.closest("form"))
    throw new TypeError("FilePond posts with the form that it stands in: its input must stand in its form.");
  lendTo(lent);

  document.addEventListener("FilePond:init", function take(event) {
    const { target, detail } = /** @type {CustomEvent} */ (event);
    const root = /** @type {HTMLElement} */ (target);
    if (option(detail.pond, "name") !== lent.name || root.closest("form") !== lent.form) return;
    document.removeEventListener("FilePond:init", take);
    pond = detail.pond;
    element = root;
    pond.on("destroy", () => {
      servers.delete(input);
      takeBack(lent);
    });
    pond.on("preparefile", (/** @type {any} */ item, /** @type {Blob} */ output) => {
      const before = sentOf(item);
      // It may have been removed meanwhile.
      if (!item || output === before) return;
      tell(before);
      outputs.set(item.file, output);
    });
    // Removed by a script, or by another file that takes its place: FilePond lets the upload go on.
    root.addEventListener("FilePond:removefile", (removal) => {
      const file = sentOf(/** @type {CustomEvent} */ (removal).detail.file);
      cancel(file);
      tell(file);
    });
    void restore();
  });

  /**
   * Say why files failed: FilePond's rows have no room for a sentence.
   *
   * @param {Blob} file
   * @param {string} [problem]  that it has from now on; none when left out
   */
  function tell(file, problem) {
    const known = problems.delete(file);
    if (problem) problems.set(file, problem);
    else if (!known) return;
    lent.say([...problems.values()].join(" "), true);
  }

  /** @param {Blob} file */
  function cancel(file) {
    const stop = stops.get(file);
    if (!stop) return;
    lent.cancelled = true;
    stop.abort();
  }

  /** What the form has kept of an earlier post is shown as uploaded. */
  async function restore() {
    if (!lent.kept.length) return;
    restoring = true;
    const kept = lent.kept.map(({ value, dataset: { s3uploadName: name, s3uploadSize: size } }) => ({
      source: value,
      options: { type: "limbo", file: { name, size: Number(size) } },
    }));
    await pond.addFiles(kept).then(
      () => lent.kept.forEach((hidden) => hidden.remove()),
      // No room: they are posted from where they are.
      () => {},
    );
    restoring = false;
  }

  return {
    /**
     * @param {string} _name
     * @param {File} file
     * @param {object} _metadata
     * @param {(token: string) => void} load
     * @param {(text: string) => void} error
     * @param {(computable: boolean, loaded: number, total: number) => void} progress
     * @param {() => void} abort
     */
    process(_name, file, _metadata, load, error, progress, abort) {
      const stop = new AbortController();
      const { signal } = stop;
      let token = "";
      stops.set(file, stop);
      tell(file);
      lent
        .send(file, signal, ({ loaded, total }) => progress(true, loaded, total))
        .finally(() => stops.delete(file))
        .then(
          (done) => load((token = done)),
          ({ message }) => {
            if (signal.aborted) return;
            tell(file, `${file.name}: ${message}`);
            error(message);
          },
        );
      return {
        abort() {
          cancel(file);
          // FilePond shows progress for longer than there is some.
          if (token) lent.giveBack(token).catch(() => {});
          abort();
        },
      };
    },

    /**
     * @param {string} token
     * @param {() => void} load
     * @param {(text: string) => void} error
     */
    revert(token, load, error) {
      lent.giveBack(token).then(
        () => load(),
        ({ message }) => error(message),
      );
    },

    // Kept files come with their names and sizes; nothing is read back from the store.
    restore: null,
    load: null,
    fetch: null,
    remove: null,
    patch: null,
  };
}

/**
 * Hand the input over: the page script has to leave it alone.
 *
 * @param {Lent} lent
 */
function lendTo(lent) {
  const { input } = lent;
  const { dataset } = input;
  const chosen = [...(input.files ?? [])];
  if (chosen.length) globalThis.s3upload?.cancel?.(input);
  const list = (input.closest("label") ?? input).nextElementSibling;
  if (list?.matches(".s3upload")) list.remove();
  input.name = lent.name;
  if ("s3uploadRequired" in dataset) input.required = true;
  delete dataset.s3uploadRequired;
  delete dataset.s3uploadPolicy;
  if (chosen.length) setFiles(input, chosen);
  lent.begin();
}

/**
 * FilePond has gone: the input is the page script's again.
 *
 * @param {Lent} lent
 */
function takeBack(lent) {
  const { input } = lent;
  input.name = lent.name.slice(0, -SUFFIX.length);
  input.dataset.s3uploadPolicy = lent.policy;
  lent.end();
}
