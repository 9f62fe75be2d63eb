/**
 * Reading translations out of gettext's .po files, as far as this project uses the format: singular messages without a
 * context. Anything else is an error here rather than a text that is silently missing there.
 */

/**
 * @param {string} source  the text of a .po file
 * @returns {Map<string, string>} translation by msgid, without the header and what is untranslated or fuzzy
 */
export function parsePo(source) {
  /** @type {Map<string, string>} */
  const messages = new Map();
  for (const block of source.split(/\r?\n\s*\n/)) {
    /** @type {Record<string, string>} */
    const entry = {};
    let keyword = "";
    let fuzzy = false;
    for (const line of block.split(/\r?\n/)) {
      if (line.startsWith("#,") && line.includes("fuzzy")) fuzzy = true;
      if (line.startsWith("#") || !line.trim()) continue;
      const match = /^(?:(msgid|msgstr)\s+)?(".*")\s*$/.exec(line);
      if (!match) throw new Error(`Not understood in a .po file: ${line}`);
      keyword = match[1] ?? keyword;
      // The escapes that gettext writes are those of JSON.
      entry[keyword] = (entry[keyword] ?? "") + JSON.parse(match[2]);
    }
    if (!fuzzy && entry.msgid && entry.msgstr) messages.set(entry.msgid, entry.msgstr);
  }
  return messages;
}
