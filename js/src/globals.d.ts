/** Put in by build.js: the style sheet, minified. */
declare const S3UPLOAD_CSS: string | undefined;

/** Put in by build.js: the translations, from s3upload/locale, each at the place of its English text. */
declare const S3UPLOAD_CATALOG: Record<string, string[]> | undefined;

/** Django's JavaScriptCatalog, where the page has it. */
declare var django: { gettext?: (msgid: string) => string } | undefined;

/** The script's public functions, set by the first copy that is evaluated. */
declare var s3upload:
  | {
      finished: (form: HTMLFormElement) => Promise<boolean>;
      pause: (target: Node, file?: File) => void;
      resume: (target: Node, file?: File) => void;
      cancel: (target: Node, file?: File) => void;
      upload: typeof import("./upload.js").upload;
    }
  | undefined;
