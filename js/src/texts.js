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
 * The language of an element, as its closest `lang` attribute says; undefined when nothing says, or nothing sensible.
 *
 * @param {Element} element
 */
export function languageOf(element) {
  try {
    return new Intl.Locale(element.closest("[lang]")?.getAttribute("lang") ?? "");
  } catch {
    return undefined;
  }
}

/**
 * A `gettext` for the language of an element. A translation of the page's own JavaScriptCatalog wins over ours, so a
 * site can word things its own way.
 *
 * @param {Element} element
 * @returns {(msgid: string, status?: string | number) => string} fills in `{status}`
 */
export function gettextFor(element) {
  const ours = catalog[languageOf(element)?.language ?? "en"];
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
