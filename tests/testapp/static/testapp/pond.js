// A site with FilePond's own server protocol; options are in the address.
import * as FilePond from "/static/filepond/filepond.esm.js";

const { at = "", chunk, files, ...others } = Object.fromEntries(new URLSearchParams(location.search));
const input = document.querySelector("input[type=file]");
// Ids are posted where tokens are.
input.name += "-s3upload";

const headers = { "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value };
const verbs = {
  url: "/fp",
  process: "/process/",
  patch: "/patch/",
  revert: "/revert/",
  restore: "/restore/",
  load: "/load/",
  fetch: "/fetch/?target=",
};
globalThis.failed = [];
globalThis.pond = FilePond.create(input, {
  server: { ...(at ? { url: at, process: "", patch: "?patch=", revert: "", restore: "?restore=" } : verbs), headers },
  allowMinimumUploadDuration: false,
  chunkUploads: Boolean(chunk),
  chunkSize: Number(chunk),
  chunkRetryDelays: JSON.parse(others.delays ?? "[100, 200, 400]"),
  files: JSON.parse(files ?? "[]"),
  labelFileProcessingError: (error) => error.body,
  labelFileLoadError: (error) => error.body,
  credits: false,
});
pond.on("error", (error) => failed.push(error));
