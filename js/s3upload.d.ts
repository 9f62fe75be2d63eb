/** How far an upload is. */
export interface UploadProgress {
  /** Bytes that the store has received. */
  loaded: number;
  /** Bytes of the file. */
  total: number;
  /** The share of it, 0 to 1. */
  progress: number;
}

export interface UploadOptions {
  /** What the server has signed for the field that takes the file. */
  policy: string;
  /** The path of the presign endpoint; "/__s3upload__/" when left out. */
  endpoint?: string;
  /** Ends the upload; nothing is left of it in the store. */
  signal?: AbortSignal;
  /** Told whenever bytes have moved. */
  onprogress?: (progress: UploadProgress) => void;
  /** Of the messages, as a tag such as "de" or "fr-CA"; that of the page when left out. */
  language?: string;
}

/** A file that the store has. */
export interface UploadedFile {
  /** What is posted in place of the file. Good for a day, for one field and one person. */
  token: string;
  name: string;
  /** Bytes. */
  size: number;
  type: string;
}

/**
 * Upload a file straight to the store.
 *
 * Rejects with an `Error` whose message is for the person in front of the page; its name is "AbortError" when the
 * signal has ended the upload.
 *
 * @param file a `File`, or a `Blob`, which is given the name "file"
 */
export function upload(file: Blob, options: UploadOptions): Promise<UploadedFile>;
