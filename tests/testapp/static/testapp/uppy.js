// A site whose file inputs are Uppy's; options are in the address.
import { Dashboard, Uppy } from "/static/uppy-bundle/uppy.js";
import S3Upload from "/static/s3upload/uppy.js";

const options = Object.fromEntries(new URLSearchParams(location.search));
globalThis.uppies = [...document.querySelectorAll("input[type=file]")].map((input) => {
  const place = document.createElement("div");
  input.after(place);
  const looks = "trigger" in options ? { trigger: "#open" } : { inline: true, target: place, height: 320, theme: "auto" };
  return new Uppy({ id: input.name, autoProceed: "auto" in options })
    .use(S3Upload, { input })
    .use(Dashboard, { ...looks, showRemoveButtonAfterComplete: true, proudlyDisplayPoweredByUppy: false });
});
