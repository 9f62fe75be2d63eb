/** The texts that a person reads: translations, sizes, percentages. */

const UNITS = ["", "kilo", "mega", "giga", "tera"];

const catalog = typeof S3UPLOAD_CATALOG === "undefined" ? { en: [] } : S3UPLOAD_CATALOG;

/**
 * Mark a msgid for extraction where it is written; it is translated where it is shown.
 *
 * @param {string} msgid
 */
export const gettext_noop = (msgid) => msgid;

/**
 * A language by its tag; undefined when that says nothing, or nothing sensible.
 *
 * @param {string} tag
 */
export function localeOf(tag) {
  try {
    return new Intl.Locale(tag);
  } catch {
    return undefined;
  }
}

/**
 * The language of an element, as its closest `lang` attribute says.
 *
 * @param {Element} element
 */
export const languageOf = (element) => localeOf(element.closest("[lang]")?.getAttribute("lang") ?? "");

/**
 * A `gettext` for the language of an element.
 *
 * @param {Element} element
 */
export const gettextFor = (element) => gettextIn(languageOf(element));

/**
 * A `gettext` for a language. A translation of the page's own JavaScriptCatalog wins over ours, so a site can word
 * things its own way.
 *
 * @param {Intl.Locale} [locale]
 * @returns {(msgid: string, status?: string | number) => string} fills in `{status}`
 */
export function gettextIn(locale) {
  const ours = catalog[locale?.language ?? "en"];
  return (msgid, status = "") => {
    const { gettext } = globalThis.django ?? {};
    // An element with the id "django" stands there as well.
    const ofPage = typeof gettext === "function" ? gettext(msgid) : msgid;
    const text = ofPage === msgid ? ours?.[catalog.en.indexOf(msgid)] : ofPage;
    return (text || msgid).replace("{status}", `${status}`);
  };
}

/**
 * A share as text: 0.4 is "40%", or "40 %" in French.
 *
 * @param {Element} element
 * @param {number} share  0 to 1
 */
export const percent = (element, share) =>
  (Math.floor(share * 100) / 100).toLocaleString(languageOf(element), { style: "percent" });

/**
 * A size as text, counted in steps of 1024 as Django's `filesizeformat` does.
 *
 * @param {Element} element
 * @param {number} bytes
 */
export function fileSize(element, bytes) {
  let unit = 0;
  // 1023.95 would be shown as 1,024: the next unit reads better.
  for (; bytes >= 1023.95 && unit < UNITS.length - 1; unit += 1) bytes /= 1024;
  return bytes.toLocaleString(languageOf(element), {
    style: "unit",
    unit: `${UNITS[unit]}byte`,
    unitDisplay: unit ? "short" : "long",
    maximumFractionDigits: 1,
  });
}
