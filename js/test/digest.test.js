import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Blob as NodeBlob } from "node:buffer";
import { test } from "node:test";
import { beSecure, file } from "./browser.js";
import { checksumOf } from "../src/digest.js";

beSecure();
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("base64");

test("a file is read piece by piece into a buffer that is used again", async () => {
  const buffers = new Set();
  // Node's own Blob reads into buffers, as browsers do; what it is asked for is noted.
  const noted = (bytes) => {
    const blob = new NodeBlob([bytes]);
    const { stream } = blob;
    blob.stream = () => {
      const all = stream.call(blob);
      return {
        getReader: (options) => {
          const reader = all.getReader(options);
          const { read } = reader;
          reader.read = (view) => (buffers.add(view.buffer.byteLength), read.call(reader, view));
          return reader;
        },
      };
    };
    return blob;
  };
  for (const size of [300_000, 200_000, 1, 0]) {
    const bytes = randomBytes(size);
    assert.equal(await checksumOf(noted(bytes)), sha256(bytes));
  }
  assert.deepEqual([...buffers], [300_000], "the largest is enough for all");
});

test("where the browser can't read into a buffer, the file is read at once", async () => {
  assert.equal(await checksumOf(file("a", 3)), sha256(Buffer.from(await file("a", 3).arrayBuffer())));
});

test("a file that can't be read, or ends early, is refused", async () => {
  const broken = (read) => ({ size: 3, stream: () => ({ getReader: () => ({ read, cancel: async () => {} }) }) });
  for (const read of [async () => Promise.reject(new Error("NotReadableError")), async () => ({ done: true })])
    await assert.rejects(checksumOf(broken(read)), { refused: true });
});
