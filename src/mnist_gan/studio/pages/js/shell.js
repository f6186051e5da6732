// Common start of all pages: explanations, the version at the bottom, and error messages.

import { get } from "./api.js";
import { byId, setText, showError } from "./dom.js";
import { startExplanations } from "./explain.js";

/** @param {() => Promise<void>} main */
export function startPage(main) {
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    showError(event.reason);
  });
  get("/api/studio")
    .then((studio) => setText(byId("version"), `mnist_gan ${studio.version}`))
    .catch(showError);
  get("/api/figures")
    .then(startExplanations)
    .then(main)
    .catch(showError)
    .finally(() => document.documentElement.setAttribute("data-ready", ""));
}
