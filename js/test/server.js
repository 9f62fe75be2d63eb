/**
 * A server for the tests, on a real connection: the endpoint and the store behind it, as small as can be. It does what
 * it is told to go wrong, and takes down what it was asked.
 */
import { createHash } from "node:crypto";
import { createServer } from "node:http";

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("base64");

const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Headers": "*",
  "Access-Control-Allow-Methods": "*",
  "Access-Control-Expose-Headers": "ETag",
};

export class Server {
  /** Bytes of a part; smaller files go whole. */
  partSize = 10;
  checksum = undefined;
  expires = 3600;
  /** What was asked: path and question, or `PUT 3` for a part, `PUT` for a whole file. */
  asked = [];
  /** Uploads by token: `{size, parts, object}`. */
  uploads = new Map();
  /** Called with each request before it is answered: a promise delays it, `true` says that it has been answered. */
  fault = () => undefined;
  /** Requests for parts that are under way, and how many there were at most. */
  open = 0;
  abreast = 0;

  async start() {
    this.server = createServer((request, response) => void this.#answer(request, response));
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}/`;
    return this;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  /** How often something was asked. */
  count = (what) => this.asked.filter((one) => one === what).length;

  /** The bytes of the one upload that is there. */
  get object() {
    const [{ object }] = this.uploads.values();
    return object;
  }

  async #answer(request, response) {
    if (request.method === "OPTIONS") return response.writeHead(204, CORS).end();
    const { pathname, searchParams } = new URL(request.url, this.url);
    const what = request.method === "PUT" ? `PUT ${searchParams.get("part") ?? ""}`.trim() : pathname.slice(1);
    const isPart = /^PUT \d/.test(what);
    this.asked.push(what);
    this.open += isPart;
    this.abreast = Math.max(this.abreast, this.open);
    response.on("close", () => (this.open -= isPart));
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    const whole = new Promise((resolve) => request.on("end", resolve));
    if (await this.fault({ what, request, response, whole, say: (...answer) => this.#say(response, ...answer) })) return;
    // Who hangs up has changed nothing.
    if (response.destroyed) return;
    await whole;
    const body = Buffer.concat(chunks);
    if (request.method === "PUT") return this.#put(response, searchParams, body);
    const question = JSON.parse(body.toString());
    this.last = question;
    const [status, answer] = this.#reply(pathname.slice(1), question);
    this.#say(response, status, JSON.stringify(answer));
  }

  #say(response, status, body = "", headers = {}) {
    response.writeHead(status, { ...CORS, ...headers }).end(body);
    return true;
  }

  #put(response, query, body) {
    const upload = this.uploads.get(query.get("token"));
    if (!upload) return this.#say(response, 404, "<Error><Code>NoSuchUpload</Code></Error>");
    const sum = query.get("sum");
    if (sum && sum !== sha256(body)) return this.#say(response, 400, "<Error><Code>BadDigest</Code></Error>");
    const part = query.get("part");
    if (part) upload.parts.set(Number(part), body);
    else upload.object = body;
    this.#say(response, 200, "", { ETag: `"${sha256(body)}"` });
  }

  #address = (query) => `${this.url}store?${new URLSearchParams({ ...query, "X-Amz-Expires": this.expires })}`;

  #reply(path, question) {
    if (path === "presign/") {
      const uploads = question.files.map(({ name, size }) => {
        const token = `token ${this.uploads.size + 1} of ${name}`;
        this.uploads.set(token, { size, parts: new Map() });
        if (size <= this.partSize) return { token, method: "PUT", url: this.#address({ token }), headers: {} };
        return { token, method: "MULTIPART", part_size: this.partSize, checksum: this.checksum };
      });
      return [200, { uploads }];
    }
    const { token } = question;
    const upload = this.uploads.get(token);
    if (path === "abort/") {
      this.uploads.delete(token);
      return [200, {}];
    }
    if (!upload) return [400, { error: "The upload is gone." }];
    if (path === "parts/") {
      const parts = question.parts.map((number, index) => {
        const sum = question.checksums?.[index] ?? "";
        return { number, url: this.#address({ token, part: number, sum }), headers: {} };
      });
      return [200, { parts }];
    }
    if (path === "list/") {
      const parts = [...upload.parts].map(([number, body]) => ({
        number,
        size: body.length,
        etag: upload.object ? "" : `"${sha256(body)}"`,
      }));
      return [200, { parts }];
    }
    const bodies = question.parts.map(({ number }) => upload.parts.get(number));
    if (Buffer.concat(bodies.filter(Boolean)).length !== upload.size) return [400, { error: "Parts are missing." }];
    upload.object = Buffer.concat(bodies);
    return [200, {}];
  }
}
