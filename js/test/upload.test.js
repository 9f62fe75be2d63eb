import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { beInsecure, beSecure, file, hurry, rest, setOnline, until, window } from "./browser.js";
import { Server } from "./server.js";
import { discard, upload } from "../src/upload.js";

let server;
before(async () => (server = await new Server().start()));
beforeEach(() => {
  beInsecure();
  document.documentElement.lang = "en";
  localStorage.clear();
  server.uploads.clear();
  Object.assign(server, { asked: [], partSize: 10, checksum: undefined, fault: () => undefined });
});
after(() => server.stop());

const options = (more) => ({ policy: "eyJ9:1abc:signature", endpoint: server.url, ...more });
const bytes = (size) => Buffer.from(Array.from({ length: size }, (_, index) => (index * 7919) % 251));
const made = (size, name = "a.bin") =>
  new window.File([bytes(size)], name, { type: "application/x-test", lastModified: 1 });
const arrived = (size) => Buffer.compare(server.object, bytes(size)) === 0;
const refuse = (wanted, status, answer) => {
  server.fault = ({ what, say }) => what === wanted && say(status, JSON.stringify(answer));
};

for (const [how, size, asked] of [
  ["whole", 7, ["presign/", "PUT"]],
  ["in parts", 25, ["presign/", "parts/", "PUT 1", "PUT 2", "PUT 3", "complete/"]],
  ["empty", 0, ["presign/", "PUT"]],
])
  test(`a file arrives ${how}, and its token comes back`, async () => {
    const told = [];
    const result = await upload(made(size), options({ onprogress: (progress) => told.push(progress) }));
    assert.deepEqual(result, { token: "token 1 of a.bin", name: "a.bin", size, type: "application/x-test" });
    assert.ok(arrived(size));
    assert.deepEqual(server.asked.sort(), asked.sort());
    assert.deepEqual(told.at(-1), { loaded: size, total: size, progress: 1 });
    assert.ok(told.every(({ progress }, index) => !index || progress >= told[index - 1].progress));
  });

test("the server is told the checksum and the language, and given the policy as it is", async () => {
  beSecure();
  let language;
  server.fault = ({ request }) => {
    language ??= request.headers["accept-language"];
  };
  await upload(made(7), options({ language: "de-AT" }));
  const { createHash } = await import("node:crypto");
  const sha256 = createHash("sha256").update(bytes(7)).digest("base64");
  assert.deepEqual(server.last, {
    policy: "eyJ9:1abc:signature",
    files: [{ name: "a.bin", size: 7, type: "application/x-test", sha256 }],
  });
  assert.equal(language, "de-AT");
});

test("a blob has no name: it is called file", async () => {
  for (const nameless of [new window.Blob(["abc"], { type: "text/plain" }), new window.File(["abc"], "", { type: "text/plain" })]) {
    const { name, size, type } = await upload(nameless, options());
    assert.deepEqual({ name, size, type }, { name: "file", size: 3, type: "text/plain" });
    assert.equal(server.last.files[0].name, "file");
  }
});

test("what is no file, or has no policy, is refused before anything is asked", async () => {
  for (const wrong of [undefined, null, "a.bin", 7, {}, [made(1)], new Uint8Array(3)])
    await assert.rejects(upload(wrong, options()), { name: "TypeError", message: /File or a Blob/ });
  for (const wrong of [undefined, null, {}, { policy: "" }, { endpoint: server.url }])
    await assert.rejects(upload(made(1), wrong), { name: "TypeError", message: /policy/ });
  assert.deepEqual(server.asked, []);
});

for (const [what, status, answer] of [
  ["a policy that does not allow the file", 200, { uploads: [{ error: "Zu groß." }] }],
  ["a forged policy", 403, { error: "Zu groß." }],
  ["a request that makes no sense", 400, { error: "Zu groß." }],
])
  test(`${what}: the server's own words, and nothing is sent`, async () => {
    refuse("presign/", status, answer);
    await assert.rejects(upload(made(7), options()), (error) => {
      assert.deepEqual([error.constructor, error.name, error.message], [Error, "Error", "Zu groß."]);
      return true;
    });
    assert.deepEqual(server.asked, ["presign/"]);
  });

test("who is signed out is told so, in the language of the page", async () => {
  document.documentElement.lang = "fr";
  refuse("presign/", 401, {});
  await assert.rejects(upload(made(7), options()), { message: /^Reconnectez-vous|onglet/ });
});

test("what the store refuses is said with its status, and given back", async () => {
  refuse("PUT", 403, {});
  await assert.rejects(upload(made(7), options({ language: "es" })), { message: /\(403\)/ });
  await until(() => server.count("abort/") === 1);
});

test("a language that is none is English", async () => {
  refuse("presign/", 401, {});
  for (const language of ["", "no language!"])
    await assert.rejects(upload(made(7), options({ language })), { message: /^Please sign in/ });
});

test("a connection that breaks is tried again, and given up in words", async (t) => {
  // Not so short that a machine with much to do would take a slow answer for none.
  hurry(t, 50);
  let faults = 1;
  server.fault = ({ what, response }) => {
    if (what !== "PUT" || faults-- <= 0) return undefined;
    response.destroy();
    return true;
  };
  await upload(made(7), options());
  assert.equal(server.count("PUT"), 2);
  faults = Infinity;
  await assert.rejects(upload(made(7), options({ language: "de" })), { message: "Die Verbindung ist abgebrochen." });
});

test("while the browser is offline, it waits; a signal ends that", async (t) => {
  hurry(t);
  setOnline(false);
  t.after(() => setOnline(true));
  const stop = new AbortController();
  const waiting = upload(made(7), { ...options(), endpoint: "http://127.0.0.1:9/", signal: stop.signal });
  let ended = false;
  waiting.catch(() => (ended = true));
  for (let turn = 0; turn < 10; turn += 1) await rest();
  assert.equal(ended, false);
  stop.abort();
  await assert.rejects(waiting, { name: "AbortError" });
});

test("a signal ends the upload, and nothing is left in the store", async () => {
  const stop = new AbortController();
  server.fault = ({ what }) => what === "PUT 2" && new Promise(() => {});
  const running = upload(made(25), options({ signal: stop.signal, language: "de" }));
  await until(() => server.count("PUT 2") === 1);
  stop.abort(new Error("The page's own reason."));
  await assert.rejects(running, (error) => {
    assert.ok(error instanceof Error);
    assert.deepEqual([error.name, error.message], ["AbortError", "Das Hochladen wurde abgebrochen."]);
    return true;
  });
  await until(() => server.count("abort/") === 1);
  assert.equal(server.uploads.size, 0);
});

test("a signal that has come already ends it before anything is asked", async () => {
  await assert.rejects(upload(made(7), options({ signal: AbortSignal.abort() })), { name: "AbortError" });
  await rest();
  assert.deepEqual(server.asked, []);
});

test("a signal that comes afterwards takes nothing away", async () => {
  const stop = new AbortController();
  await upload(made(7), options({ signal: stop.signal }));
  stop.abort();
  await rest();
  assert.equal(server.count("abort/"), 0);
});

test("an upload that is taken back is gone; what passes is tried again, what does not is said", async (t) => {
  hurry(t, 50);
  const { token } = await upload(made(7), options());
  let faults = 1;
  server.fault = ({ what, response }) => {
    if (what !== "abort/" || faults-- <= 0) return undefined;
    response.destroy();
    return true;
  };
  await discard(token, { endpoint: server.url });
  assert.deepEqual([server.count("abort/"), server.uploads.size], [2, 0]);
  refuse("abort/", 403, { error: "Zu spät." });
  await assert.rejects(discard(token, { endpoint: server.url }), (error) => {
    assert.deepEqual([error.constructor, error.message], [Error, "Zu spät."]);
    return true;
  });
  refuse("abort/", 401, {});
  document.documentElement.lang = "fr";
  await assert.rejects(discard(token, { endpoint: server.url }), { message: /^Reconnectez-vous/ });
  await assert.rejects(discard(token, { endpoint: server.url, language: "en" }), { message: /^Please sign in/ });
});

test("a large file that failed goes on where it stopped, for the same field only", async () => {
  beSecure();
  const part = 4 * 1024 ** 2;
  server.partSize = part;
  const stored = () => [...server.uploads.values()][0].parts.size;
  server.fault = async ({ what, say }) => {
    if (what !== "PUT 5") return false;
    await until(() => stored() === 4);
    return say(403);
  };
  const film = () => file("film.mp4", 5 * part);
  await assert.rejects(upload(film(), options()), { message: /403/ });
  assert.equal(server.count("abort/"), 0);

  server.fault = () => undefined;
  server.asked = [];
  const other = await upload(film(), options({ policy: "other:1abc:signature" }));
  assert.equal(other.token, "token 2 of film.mp4");
  server.asked = [];
  const { token } = await upload(film(), options({ policy: "eyJ9:2later:signature" }));
  assert.equal(token, "token 1 of film.mp4");
  assert.deepEqual(server.asked, ["list/", "parts/", "PUT 5", "complete/"]);
  assert.equal(localStorage.length, 0);
});

test("whoever leaves the page is warned only while an upload is under way", async () => {
  const warned = () => !window.dispatchEvent(new window.Event("beforeunload", { cancelable: true }));
  let go;
  server.fault = ({ what }) => what === "PUT" && new Promise((resolve) => (go = resolve));
  const running = upload(made(7), options());
  await until(() => go);
  assert.equal(warned(), true);
  go();
  await running;
  assert.equal(warned(), false);
});
