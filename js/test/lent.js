/** A form whose input is lent to another interface, in front of a real server. */
import { fileInput, inputHtml, show, window } from "./browser.js";
import { Server } from "./server.js";

// What FilePond and Uppy expect of a browser, beyond what browser.js has.
for (const [name, value] of Object.entries({ window, HTMLElement: window.HTMLElement, getComputedStyle: window.getComputedStyle }))
  Object.defineProperty(globalThis, name, { configurable: true, value, writable: true });

export const server = await new Server().start();

/** Put a form on the page whose input asks the server of the test. */
export function page(attributes = "name=docs multiple", more = "", ofForm = "") {
  const form = show(`${inputHtml(attributes).replace("/__s3upload__/", server.url)}${more}<button name=action value=save>Save</button>`, ofForm);
  return { form, input: fileInput(form), save: form.querySelector("button") };
}

/** The sentence below the input. */
export const note = () => document.querySelector(".s3upload [tabindex]").textContent;
