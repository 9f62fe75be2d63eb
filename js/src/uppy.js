/** An uploader plugin for Uppy, whose files go straight to the store. */
import { Lent } from "./lent.js";

/**
 * What the plugin knows of Uppy: as much as versions 5 and 6 have in common.
 *
 * @typedef {{id: string, name: string, size: number, type: string, data: Blob & Partial<File>, error?: string | null, meta: {name: string}, progress: {uploadStarted?: number | null, uploadComplete?: boolean}}} UppyFile
 */

export default class S3Upload {
  type = "uploader";
  /** What ends the uploads that are under way, by the file's id. @type {Map<string, AbortController>} */
  #stops = new Map();
  /** The entries of uploaded files that Uppy has, by the file's id. @type {Map<string, HTMLInputElement>} */
  #entries = new Map();
  /** @type {Lent} */
  #lent;

  /**
   * @param {any} uppy
   * @param {{input: HTMLInputElement, id?: string}} opts
   */
  constructor(uppy, opts) {
    this.uppy = uppy;
    this.opts = opts ?? {};
    this.id = this.opts.id || "S3Upload";
    this.#lent = new Lent(this.opts.input, this);
  }

  install() {
    const { uppy } = this;
    const { input } = this.#lent;
    const { maxNumberOfFiles, allowedFileTypes } = uppy.opts.restrictions;
    const accept = input.accept.split(",").filter(Boolean);
    uppy.setOptions({
      restrictions: {
        maxNumberOfFiles: maxNumberOfFiles ?? (input.multiple ? null : 1),
        allowedFileTypes: allowedFileTypes ?? (accept.length ? accept : null),
      },
    });
    input.hidden = input.disabled = true;
    this.#lent.begin();
    uppy.addUploader(this.#upload);
    uppy.on("file-removed", this.#remove);
  }

  uninstall() {
    const { input, box, entries } = this.#lent;
    for (const stop of this.#stops.values()) stop.abort();
    this.uppy.removeUploader(this.#upload);
    this.uppy.off("file-removed", this.#remove);
    this.#entries.clear();
    for (const entry of box.querySelectorAll("input")) {
      this.#leave(entry);
      box.before(entry);
    }
    if (input.required && entries.length) {
      // The form has a file, and the input has none.
      input.required = false;
      input.dataset.s3uploadRequired = "";
    }
    this.#lent.end();
    input.hidden = input.disabled = false;
    this.#show();
  }

  /** @param {object} opts */
  setOptions(opts) {
    this.opts = { ...this.opts, ...opts };
  }

  /** Something has changed. Uppy tells of removed files, after this; not so of those that it has cleared away. */
  update() {
    queueMicrotask(() => {
      for (const [id, stop] of this.#stops) if (!this.uppy.getFile(id)) this.#cancel(stop);
      for (const [id, entry] of this.#entries) {
        if (this.uppy.getFile(id)) continue;
        this.#entries.delete(id);
        this.#leave(entry);
        this.#show();
      }
    });
  }

  afterUpdate() {}

  /** @param {boolean} validate */
  trouble(validate) {
    const { input, entries } = this.#lent;
    const files = this.#files;
    const failed = files.find(({ error }) => error);
    if (failed) return `${failed.meta.name}: ${failed.error}`;
    const required = input.required || "s3uploadRequired" in input.dataset;
    if (!validate || !required || files.length || entries.length) return "";
    // In the browser's own words.
    return Object.assign(document.createElement("input"), { type: "file", required }).validationMessage;
  }

  busy() {
    const { uppy } = this;
    const files = this.#files;
    const started = Object.values(uppy.getState().currentUploads).flatMap(({ fileIDs }) => fileIDs);
    if (files.some(({ id, progress }) => !progress.uploadStarted && !started.includes(id)))
      // Refused by the restrictions, for example, which Uppy says.
      uppy.upload().catch(() => (this.#lent.cancelled = true));
    return files.some(({ progress }) => !progress.uploadComplete);
  }

  clear() {
    this.uppy.cancelAll();
  }

  renew() {
    for (const entry of this.#lent.entries) entry.remove();
    this.#entries.clear();
    this.#show();
    this.uppy.resetProgress();
  }

  /** @returns {UppyFile[]} */
  get #files() {
    return this.uppy.getFiles();
  }

  /** @param {string[]} ids */
  #upload = async (ids) => {
    const files = this.#files.filter(({ id, error, progress }) => ids.includes(id) && !error && !progress.uploadComplete);
    this.uppy.emit("upload-start", files);
    await Promise.all(files.map((file) => this.#send(file)));
  };

  /** @param {UppyFile} file */
  async #send({ id, type, data, meta: { name } }) {
    const { uppy } = this;
    const stop = new AbortController();
    this.#stops.set(id, stop);
    // The person may have given it another name. What is on another site's servers is no blob, and refused.
    const renamed = "slice" in data && data.name !== name;
    const file = renamed ? new File([data], name, { type, lastModified: data.lastModified }) : data;
    try {
      const token = await this.#lent.send(file, stop.signal, ({ loaded, total }) =>
        uppy.emit("upload-progress", uppy.getFile(id), {
          uploadStarted: uppy.getFile(id)?.progress.uploadStarted,
          bytesUploaded: loaded,
          bytesTotal: total,
        }),
      );
      this.#post(id, token, file);
      uppy.emit("upload-success", uppy.getFile(id), { status: 200, body: { token } });
    } catch (error) {
      if (!stop.signal.aborted) uppy.emit("upload-error", uppy.getFile(id), error);
    } finally {
      if (this.#stops.get(id) === stop) this.#stops.delete(id);
    }
  }

  /**
   * Have the form post an upload, in the order of Uppy's list.
   *
   * @param {string} id
   * @param {string} value
   * @param {Blob & Partial<File>} file
   */
  #post(id, value, { name = "", size }) {
    const lent = this.#lent;
    const { input } = lent;
    const entry = Object.assign(document.createElement("input"), { type: "hidden", name: lent.name, value, title: name });
    const form = input.getAttribute("form");
    if (form) entry.setAttribute("form", form);
    entry.dataset.s3uploadSize = `${size}`;
    if (!input.multiple) {
      lent.entries.forEach((other) => this.#drop(other));
      this.#show();
    }
    this.#entries.set(id, entry);
    for (const one of this.#files) lent.box.append(this.#entries.get(one.id) ?? "");
  }

  /** @param {UppyFile} file */
  #remove = ({ id }) => {
    const entry = this.#entries.get(id);
    const stop = this.#stops.get(id);
    this.#entries.delete(id);
    if (entry) this.#drop(entry);
    if (stop) this.#cancel(stop);
  };

  /** @param {AbortController} stop */
  #cancel(stop) {
    this.#lent.cancelled = true;
    stop.abort();
  }

  /** @param {HTMLInputElement} entry */
  #drop(entry) {
    entry.remove();
    this.#lent.giveBack(entry.value).catch(() => {});
  }

  /**
   * Leave an upload to the page script, which shows it: Uppy has it no more, the form still has it.
   *
   * @param {HTMLInputElement} entry
   */
  #leave(entry) {
    entry.dataset.s3uploadName = entry.title;
  }

  /** Have the page script look once more at what the form has kept. */
  #show() {
    const { input } = this.#lent;
    if (input.isConnected) input.replaceWith(input);
  }
}
