// The Theory page: the name of a function shows its source below the paragraph.

import { get } from "./api.js";
import { el, showError } from "./dom.js";
import { startPage } from "./shell.js";

/** @type {Map<HTMLElement, HTMLElement>} */
const listings = new Map();

/** @param {HTMLElement} button */
async function toggle(button) {
  const listing = listings.get(button) ?? (await insertListing(button));
  listing.hidden = button.ariaExpanded === "true";
  button.ariaExpanded = String(!listing.hidden);
}

/** @param {HTMLElement} button */
async function insertListing(button) {
  const name = button.dataset.source ?? "";
  const { source } = await get(`/api/theory/${name}`);
  const code = el("pre", { class: "scroll source", tabindex: 0 }, el("code", {}, source));
  const listing = el(
    "figure",
    { class: "listing" },
    el("figcaption", { class: "small soft" }, name.replace(":", ".")),
    code,
  );
  listings.set(button, listing);
  button.closest("p, li")?.after(listing);
  return listing;
}

startPage(async () => {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-source]"))) {
    button.addEventListener("click", () => toggle(button).catch(showError));
  }
  const { files } = await get("/api/theory");
  if (files === null) return;
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll("[data-file]"))) {
    link.href = files + link.dataset.file;
  }
});
