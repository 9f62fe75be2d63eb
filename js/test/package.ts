/** What a script in TypeScript may write; checked by the compiler, never run. */
import { upload, type UploadedFile, type UploadOptions, type UploadProgress } from "django-s3upload-direct";
import type { upload as implemented } from "../src/upload.js";

const options: UploadOptions = {
  policy: "signed",
  endpoint: "/__s3upload__/",
  signal: new AbortController().signal,
  onprogress: ({ loaded, total, progress }: UploadProgress) => [loaded, total, progress].map(Math.floor),
  language: "de",
};

export async function save(file: File): Promise<string> {
  const { token, name, size, type }: UploadedFile = await upload(file, options);
  return [token, name, size.toFixed(), type].join();
}

export const blob: Promise<UploadedFile> = upload(new Blob([]), { policy: "signed" });

// The declarations and the source say the same.
export const declared: typeof implemented = upload;
export const source = (given: typeof implemented): typeof upload => given;

// @ts-expect-error a policy is needed
void upload(new Blob([]), {});
// @ts-expect-error so are options
void upload(new Blob([]));
// @ts-expect-error a path is no file
void upload("film.mp4", options);
// @ts-expect-error there is no such option
void upload(new Blob([]), { policy: "signed", onProgress() {} });
// @ts-expect-error the result has no address
void blob.then(({ url }) => url);
