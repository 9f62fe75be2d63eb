import type { BasePlugin, Body, Meta, Uppy } from "@uppy/core";

export interface S3UploadOptions {
  /** A file input that Django has rendered, with `data-s3upload-policy`. It is hidden as long as Uppy has it. */
  input: HTMLInputElement;
  /** "S3Upload" when left out. */
  id?: string;
}

/** What `upload-success` brings: the token, which the form posts in place of the file. */
export interface S3UploadBody extends Body {
  token: string;
}

/** An uploader for Uppy 5 and 6, in the place of `@uppy/aws-s3`. */
export default class S3Upload<M extends Meta, B extends Body> extends BasePlugin<S3UploadOptions, M, B> {
  constructor(uppy: Uppy<M, B>, opts: S3UploadOptions);
}
