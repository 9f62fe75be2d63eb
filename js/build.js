/**
 * Bundle src/ with its style sheet and the translations to the files that are served: the script, and beside it what
 * other interfaces need to use it.
 *
 * `node build.js` writes them; `node build.js --check` fails when they are not what the sources give; `node build.js
 * --package` makes what the npm package has beside its declarations, which is not committed.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import { minify } from "terser";
import { parsePo } from "./po.js";

/**
 * What is served: for each file its entry in src/, the largest size in bytes as a server sends it, and the texts that it
 * needs of the catalog, all when left out.
 *
 * @type {Record<string, {entry: string, budget: number, texts?: string[]}>}
 */
export const SERVED = {
  "s3upload.js": { entry: "index.js", budget: 11.3 * 1024 },
  "filepond.js": { entry: "filepond.js", budget: 3.25 * 1024, texts: ["The form is sent when the uploads are done."] },
  "uppy.js": { entry: "uppy.js", budget: 3.375 * 1024, texts: ["The form is sent when the uploads are done."] },
};

/** What the npm package has, with its entry. The script is without what looks after the inputs of a page. */
const PACKAGED = { "s3upload.js": "upload.js", "filepond.js": "filepond.js", "uppy.js": "uppy.js" };

const SOURCES = new URL("src/", import.meta.url);
const LOCALES = new URL("../s3upload/locale/", import.meta.url);
const STATIC = new URL("../s3upload/static/s3upload/", import.meta.url);
const DIST = new URL("dist/", import.meta.url);
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
 * @param {string[]} [only]  the msgids that are wanted; by default all
 * @returns {Record<string, string[]>}
 */
export function readCatalog(only) {
  const languages = readdirSync(LOCALES)
    .filter((language) => existsSync(new URL(`${language}/LC_MESSAGES/djangojs.po`, LOCALES)))
    .sort();
  const translations = languages.map((language) =>
    parsePo(readFileSync(new URL(`${language}/LC_MESSAGES/djangojs.po`, LOCALES), "utf8")),
  );
  const all = new Set(translations.flatMap((texts) => [...texts.keys()]));
  const unknown = only?.find((msgid) => !all.has(msgid));
  if (unknown) throw new Error(`No catalog has the text "${unknown}".`);
  const en = [...(only ?? all)].sort();
  const columns = translations.map((texts) => en.map((msgid) => texts.get(msgid) ?? ""));
  return { en, ...Object.fromEntries(languages.map((language, index) => [language, columns[index]])) };
}

/** The script is a file of its own: what imports it is bundled without it, and finds it beside itself. */
const scriptBeside = {
  name: "script-beside",
  /** @param {import("esbuild").PluginBuild} bundler */
  setup(bundler) {
    bundler.onResolve({ filter: /^\.\/index\.js$/ }, () => ({ path: "./s3upload.js", external: true }));
  },
};

/**
 * A bundle, byte for byte the same for the same sources.
 *
 * @param {string} [entry]  in src/; by default that of the page
 * @param {string[]} [texts]  that it needs of the catalog; by default all
 */
export async function bundle(entry = "index.js", texts) {
  const style = readFileSync(new URL("s3upload.css", SOURCES), "utf8");
  const css = await transform(style, { loader: "css", minify: true, target: BROWSERS, charset: "utf8" });
  // What a custom property holds is left as written by esbuild: any space could be meant. Here none is.
  const sheet = css.code.trim().replaceAll(", ", ",").replaceAll(": ", ":");
  const result = await build({
    entryPoints: [fileURLToPath(new URL(entry, SOURCES))],
    absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
    bundle: true,
    charset: "utf8",
    define: { S3UPLOAD_CSS: JSON.stringify(sheet), S3UPLOAD_CATALOG: JSON.stringify(readCatalog(texts)) },
    format: "esm",
    legalComments: "none",
    logLevel: "warning",
    minify: true,
    plugins: [scriptBeside],
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
    mkdirSync(DIST, { recursive: true });
    for (const [name, entry] of Object.entries(PACKAGED))
      writeFileSync(new URL(name, DIST), await bundle(entry, SERVED[name].entry === entry ? SERVED[name].texts : undefined));
    copyFileSync(LICENSE, new URL("LICENSE", import.meta.url));
    return;
  }
  for (const [name, { entry, budget, texts }] of Object.entries(SERVED)) {
    const text = await bundle(entry, texts);
    const size = gzipSync(text, { level: 9 }).length;
    if (size > budget) throw new Error(`${name} has ${size} bytes gzipped; no more than ${budget} are wanted.`);
    const file = new URL(name, STATIC);
    if (!process.argv.includes("--check")) {
      mkdirSync(STATIC, { recursive: true });
      writeFileSync(file, text);
      console.log(`${name}: ${text.length} characters, ${size} bytes gzipped`);
    } else if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
      console.error(`s3upload/static/s3upload/${name} is stale: run \`npm run build\` in js/ and commit it.`);
      process.exitCode = 1;
    }
  }
}

// Not awaited: that would make every module that imports this one asynchronous. A failure still ends the process.
if (process.argv[1] === fileURLToPath(import.meta.url)) void main();
