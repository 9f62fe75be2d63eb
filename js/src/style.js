/** The style sheet, put in by script: a strict Content-Security-Policy allows that, and one file less is fetched. */

export function adoptStyle() {
  if (typeof S3UPLOAD_CSS === "undefined") return;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(S3UPLOAD_CSS);
  document.adoptedStyleSheets.push(sheet);
}
