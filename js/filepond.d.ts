/**
 * FilePond's `server`. What is null makes no sense here, and is switched off.
 */
export interface Server {
  process(
    fieldName: string,
    file: Blob & { readonly name: string },
    metadata: object,
    load: (token: string) => void,
    error: (text: string) => void,
    progress: (computable: boolean, loaded: number, total: number) => void,
    abort: () => void,
  ): { abort: () => void };
  revert(token: string, load: () => void, error: (text: string) => void): void;
  restore: null;
  load: null;
  fetch: null;
  remove: null;
  patch: null;
}

/**
 * Take a file input in hand for FilePond: call it before `FilePond.create(input)`, which it changes the input for.
 *
 * @param input a file input that Django has rendered, with `data-s3upload-policy`
 */
export function server(input: HTMLInputElement): Server;
