/**
 * One upload, timed by the page itself: from the choice of a file to the answer.
 *
 * The clock runs in milliseconds since 1970 and is kept in the tab's storage: it runs on when the page changes.
 */

const now = () => performance.timeOrigin + performance.now();

/**
 * A request as scripts make it that want to see its progress.
 *
 * @returns {Promise<XMLHttpRequest>}
 */
const request = (method, url, body) =>
  new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.onload = () => (xhr.status < 300 ? resolve(xhr) : reject(new Error(`${xhr.status} ${xhr.responseText}`)));
    xhr.onerror = () => reject(new Error("the connection failed"));
    xhr.open(method, url);
    xhr.send(body);
  });

// Scripts put buttons of their own before it.
const submit = (form) => form.querySelector("button:not([type])").click();

/** For each way to upload: what is done before the clock runs, which returns what is done when a file is chosen. */
const ways = {
  // The script on the page does the rest.
  form() {
    return submit;
  },

  uppy({ sign }) {
    const signRequest = (what) => request("POST", sign, JSON.stringify(what)).then((xhr) => JSON.parse(xhr.responseText));
    const uploader = new uppy.Uppy().use(uppy.AwsS3, { signRequest });
    return async (form, file) => {
      uploader.addFile({ name: file.name, type: file.type, data: file });
      const { successful, failed } = await uploader.upload();
      if (!successful?.length) throw new Error(`Uppy: ${failed?.[0]?.error}`);
      form.elements.key.value = successful[0].response.body.key;
      submit(form);
    };
  },

  // With a key, the form is posted, and its answer is the end.
  put({ url, key }) {
    return async (form, file) => {
      await request("PUT", url, file);
      if (!key) return clock.answered();
      form.elements.key.value = key;
      submit(form);
    };
  },

  parts({ urls, size, abreast, complete }) {
    return async (_form, file) => {
      const etags = [];
      const waiting = urls.entries();
      const send = async () => {
        for (const [index, url] of waiting) {
          const part = await request("PUT", url, file.slice(index * size, (index + 1) * size));
          etags[index] = part.getResponseHeader("ETag");
        }
      };
      await Promise.all(Array.from({ length: abreast }, send));
      const parts = etags.map((etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
      await request("POST", complete, `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
      clock.answered();
    };
  },
};

globalThis.clock = {
  /** What the driver waits for: the times of this page, or what went wrong. */
  result: null,

  /** There is no form to post: the answer of the store is the end. */
  answered() {
    const taken = now() - Number(sessionStorage.getItem("chosen"));
    clock.result = { upload: taken, answer: taken };
  },

  /** Wait for a file to be chosen. */
  set(way, options) {
    const upload = ways[way](options);
    const failed = (error) => (clock.result = { error: String(error) });
    // First of all listeners, and last of all.
    addEventListener("change", () => sessionStorage.setItem("chosen", String(now())), true);
    addEventListener("change", async ({ target }) => {
      try {
        await upload(target.form, target.files[0]);
      } catch (error) {
        failed(error);
      }
    });
    addEventListener("s3upload:error", ({ detail }) => failed(detail.message));
    addEventListener("unhandledrejection", ({ reason }) => failed(reason));
  },
};
