/**
 * Bundle src/ with its style sheet and the translations to the one file that is served.
 *
 * `node build.js` writes it; `node build.js --check` fails when it is not what the sources give; `node build.js
 * --package` makes what the npm package has beside its declarations, which is not committed.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import { minify } from "terser";
import { parsePo } from "./po.js";

/** Largest bundle, in bytes, as a server sends it. */
const BUDGET = 11.25 * 1024;

const SOURCES = new URL("src/", import.meta.url);
const LOCALES = new URL("../s3upload/locale/", import.meta.url);
const BUNDLE = new URL("../s3upload/static/s3upload/s3upload.js", import.meta.url);
const PACKAGED = new URL("dist/s3upload.js", import.meta.url);
const LICENSE = new URL("../LICENSE", import.meta.url);
const BROWSERS = ["chrome111", "edge111", "firefox121", "safari16.4"];
const BANNER = "// Built from js/src: change it there.";

/**
 * Properties that nothing outside the bundle knows: it has short names for them. A property that is not in the list
 * keeps its name. What the platform, the wire, the events, the store or a page's script calls the same must not be in
 * it, which a test checks.
 */
export const INTERNAL = [
  "abandon",
  "afresh",
  "announce",
  "arrived",
  "ask",
  "choose",
  "goOn",
  "gone",
  "inParts",
  "inStep",
  "keep",
  "large",
  "onwait",
  "passing",
  "place",
  "recall",
  "refused",
  "render",
  "rewind",
  "signed",
  "spend",
  "startable",
  "trouble",
  "whole",
];

/**
 * The translations: for each language the texts, in the order of the msgids, which are the English ones.
 *
 * @returns {Record<string, string[]>}
 */
export function readCatalog() {
  const languages = readdirSync(LOCALES)
    .filter((language) => existsSync(new URL(`${language}/LC_MESSAGES/djangojs.po`, LOCALES)))
    .sort();
  const translations = languages.map((language) =>
    parsePo(readFileSync(new URL(`${language}/LC_MESSAGES/djangojs.po`, LOCALES), "utf8")),
  );
  const en = [...new Set(translations.flatMap((texts) => [...texts.keys()]))].sort();
  const columns = translations.map((texts) => en.map((msgid) => texts.get(msgid) ?? ""));
  return { en, ...Object.fromEntries(languages.map((language, index) => [language, columns[index]])) };
}

/**
 * A bundle, byte for byte the same for the same sources.
 *
 * @param {string} [entry]  in src/; by default that of the page
 */
export async function bundle(entry = "index.js") {
  const style = readFileSync(new URL("s3upload.css", SOURCES), "utf8");
  const css = await transform(style, { loader: "css", minify: true, target: BROWSERS, charset: "utf8" });
  // What a custom property holds is left as written by esbuild: any space could be meant. Here none is.
  const sheet = css.code.trim().replaceAll(", ", ",").replaceAll(": ", ":");
  const result = await build({
    entryPoints: [fileURLToPath(new URL(entry, SOURCES))],
    absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
    bundle: true,
    charset: "utf8",
    define: { S3UPLOAD_CSS: JSON.stringify(sheet), S3UPLOAD_CATALOG: JSON.stringify(readCatalog()) },
    format: "esm",
    legalComments: "none",
    logLevel: "warning",
    minify: true,
    target: BROWSERS,
    tsconfigRaw: {},
    write: false,
  });
  // Terser finds what esbuild does not look for: a function that is called once, a variable that is read once.
  const { code = "" } = await minify(result.outputFiles[0].text, {
    ecma: 2020,
    module: true,
    compress: { passes: 3 },
    mangle: { properties: { keep_quoted: "strict", regex: new RegExp(`^(${INTERNAL.join("|")})$`) } },
    format: { preamble: BANNER },
  });
  return `${code}\n`;
}

async function main() {
  if (process.argv.includes("--package")) {
    mkdirSync(new URL(".", PACKAGED), { recursive: true });
    // Without what looks after the inputs of a page: to import it does nothing, and needs no page.
    writeFileSync(PACKAGED, await bundle("upload.js"));
    copyFileSync(LICENSE, new URL("LICENSE", import.meta.url));
    return;
  }
  const text = await bundle();
  const size = gzipSync(text, { level: 9 }).length;
  if (size > BUDGET) throw new Error(`The bundle has ${size} bytes gzipped; no more than ${BUDGET} are wanted.`);
  if (!process.argv.includes("--check")) {
    mkdirSync(new URL(".", BUNDLE), { recursive: true });
    writeFileSync(BUNDLE, text);
    console.log(`s3upload.js: ${text.length} characters, ${size} bytes gzipped`);
  } else if (readFileSync(BUNDLE, "utf8") !== text) {
    console.error("s3upload/static/s3upload/s3upload.js is stale: run `npm run build` in js/ and commit it.");
    process.exitCode = 1;
  }
}

// Not awaited: that would make every module that imports this one asynchronous. A failure still ends the process.
if (process.argv[1] === fileURLToPath(import.meta.url)) void main();
