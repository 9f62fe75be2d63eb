import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["dist/**"] },
  js.configs.recommended,
  {
    rules: {
      eqeqeq: "error",
      "no-shadow": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  {
    files: ["src/**"],
    languageOptions: { globals: { ...globals.browser, S3UPLOAD_CATALOG: "readonly", S3UPLOAD_CSS: "readonly" } },
    rules: {
      // Names, errors and whatever a server says go into the page as text.
      "no-restricted-properties": [
        "error",
        { property: "innerHTML" },
        { property: "outerHTML" },
        { property: "insertAdjacentHTML" },
      ],
      "no-console": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
    },
  },
  { files: ["*.js", "test/**"], languageOptions: { globals: { ...globals.node } } },
  { files: ["test/**"], languageOptions: { globals: { ...globals.browser } } },
];
