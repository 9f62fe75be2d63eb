// A site whose file inputs are FilePonds; options are in the address.
import * as FilePond from "/static/filepond/filepond.esm.js";
import { server } from "/static/s3upload/filepond.js";

const options = Object.fromEntries(new URLSearchParams(location.search));
globalThis.ponds = [...document.querySelectorAll("input[type=file]")].map((input) =>
  FilePond.create(input, {
    server: server(input),
    allowMinimumUploadDuration: false,
    instantUpload: !("later" in options),
    credits: false,
  }),
);
