import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("..", import.meta.url));
const text = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const manifest = JSON.parse(text("../package.json"));
const run = (program, ...command) => execFileSync(program, command, { cwd: folder, encoding: "utf8", stdio: "pipe" });

test("the package has the name, the version and the licence of the Python package", () => {
  const [metadata] = text("../../setup.cfg").split("\n\n");
  const { name, version, license_expression: license } = Object.fromEntries(
    metadata.split("\n").flatMap((line) => (/^\w/.test(line) ? [line.split(" = ")] : [])),
  );
  assert.deepEqual([manifest.name, manifest.version, manifest.license], [name, version, license]);
  const { packages, ...locked } = JSON.parse(text("../package-lock.json"));
  assert.deepEqual([locked.name, locked.version, packages[""].version], [name, version, version]);
});

test("what is packed are the built files, their types, and what every package has", () => {
  const [{ files }] = JSON.parse(run("npm", "pack", "--dry-run", "--json"));
  assert.deepEqual(
    files.map(({ path }) => path).sort(),
    [
      "LICENSE",
      "README.md",
      "dist/filepond.js",
      "dist/s3upload.js",
      "dist/uppy.js",
      "filepond.d.ts",
      "package.json",
      "s3upload.d.ts",
      "uppy.d.ts",
    ],
  );
  assert.equal(text("../LICENSE"), text("../../LICENSE"));
});

test("the packed file is imported by its name where there is no page, and has the function, and what the others need of it", async () => {
  run("node", "build.js", "--package");
  const script = 'console.log(typeof document, Object.keys(await import("django-s3upload-direct")).join())';
  assert.equal(run("node", "--input-type=module", "--eval", script), "undefined discard,upload\n");
  assert.match(text("../dist/s3upload.js"), /Abbrechen/);
  assert.doesNotMatch(text("../dist/s3upload.js"), /MutationObserver|adoptedStyleSheets|data-s3upload-policy/);
});

test("what FilePond and Uppy need is imported where there is no page, and is what is served", async () => {
  run("node", "build.js", "--package");
  const names = { "filepond.js": "server", "uppy.js": "default" };
  for (const [name, exported] of Object.entries(names)) {
    const script = `console.log(typeof document, Object.keys(await import("django-s3upload-direct/${name}")).join())`;
    assert.equal(run("node", "--input-type=module", "--eval", script), `undefined ${exported}\n`);
    assert.equal(text(`../dist/${name}`), text(`../../s3upload/static/s3upload/${name}`));
  }
});

test("a script in TypeScript compiles against the types, and what is wrong does not", () => {
  run("node", "node_modules/typescript/bin/tsc", "--project", "test");
});
