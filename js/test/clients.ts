/** What a script in TypeScript may write with FilePond and with Uppy; checked by the compiler, never run. */
import Uppy, { type Meta } from "@uppy/core";
import S3Upload, { type S3UploadBody } from "django-s3upload-direct/uppy.js";
import { server, type Server } from "django-s3upload-direct/filepond.js";
import { create, type FilePondOptions } from "filepond";

export function pond(input: HTMLInputElement) {
  const made: Server = server(input);
  const options: FilePondOptions = { server: made };
  return create(input, options);
}

export function uppy(input: HTMLInputElement): Uppy<Meta, S3UploadBody> {
  const made = new Uppy<Meta, S3UploadBody>({ autoProceed: true });
  made.on("upload-success", (_file, { body }) => body?.token.trim());
  return made.use(S3Upload, { input, id: "Straight" });
}

// @ts-expect-error an input is needed
server();
// @ts-expect-error a selector is none
server("#docs");
// @ts-expect-error there is no such verb
void server(document.createElement("input")).head;
// @ts-expect-error an input is needed
new Uppy().use(S3Upload, {});
// @ts-expect-error there is no such option
new Uppy().use(S3Upload, { input: document.createElement("input"), limit: 3 });
