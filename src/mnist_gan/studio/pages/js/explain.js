// Explanations of terms: shown on hover, on focus and on tap; Escape closes them.

import { el } from "./dom.js";
import { TERMS } from "./words.js";

const tip = el("div", { class: "tip", "aria-hidden": "true", hidden: true });
/** @type {HTMLElement | null} */
let shownFor = null;
let counter = 0;
/** Explanations by term: those of words.js, and of the server's table of figures. */
/** @type {Record<string, string>} */
let explanations = TERMS;

/** @param {HTMLElement} term */
const explanationOf = (term) => explanations[term.dataset.term ?? ""] ?? term.dataset.explanation;

/**
 * Place the tip below its term, or above it if there is no room, inside the window.
 * @param {HTMLElement} term
 */
function place(term) {
  const box = (term.closest(".figure") ?? term).getBoundingClientRect(); // below the whole figure
  const margin = 8;
  const width = document.documentElement.clientWidth;
  const left = Math.max(margin, Math.min(box.left, width - tip.offsetWidth - margin));
  const below = box.bottom + margin;
  const fits = below + tip.offsetHeight < innerHeight || box.top < tip.offsetHeight + margin;
  const top = fits ? below : box.top - tip.offsetHeight - margin;
  tip.style.left = `${left + scrollX}px`;
  tip.style.top = `${top + scrollY}px`;
}

/** @param {HTMLElement} term */
function show(term) {
  const text = explanationOf(term);
  if (!text) return;
  shownFor = term;
  tip.textContent = text;
  tip.hidden = false;
  place(term);
}

function hide() {
  shownFor = null;
  tip.hidden = true;
}

/**
 * @param {EventTarget | null} target
 * @returns {HTMLElement | null}
 */
const closestTerm = (target) => (target instanceof Element ? target.closest(".term") : null);

/** @param {Event} event */
const inTip = ({ target }) => target instanceof Node && tip.contains(target);

/**
 * The term of an element: itself, or that of the figure around it.
 * @param {EventTarget | null} target
 * @returns {HTMLElement | null}
 */
function termOf(target) {
  if (!(target instanceof Element)) return null;
  return closestTerm(target) ?? target.closest(".figure")?.querySelector(".term") ?? null;
}

/**
 * Describe every term under `root` to screen readers.
 * @param {ParentNode} root
 */
export function describeTerms(root = document) {
  for (const term of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(".term:not([aria-describedby])"))) {
    const text = explanationOf(term);
    if (!text) throw new Error(`there is no explanation of "${term.dataset.term}"`);
    counter += 1;
    const description = el("span", { id: `explanation-${counter}`, hidden: true }, text);
    term.after(description);
    term.setAttribute("aria-describedby", description.id);
  }
}

/**
 * Make a term with its own explanation.
 * @param {string} name
 * @param {string} label
 * @param {string} explanation
 */
export function term(name, label, explanation) {
  return el("button", { type: "button", class: "term", "data-term": name, "data-explanation": explanation }, label);
}

/**
 * `figures`: titles and explanations by name, from /api/figures.
 * @param {Record<string, Api.FigureText>} figures
 */
export function startExplanations(figures) {
  const explained = Object.entries(figures).map(([name, { explanation }]) => [name, explanation]);
  explanations = { ...TERMS, ...Object.fromEntries(explained) };
  document.body.append(tip);
  describeTerms();
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    const found = termOf(event.target);
    if (found && found !== shownFor) show(found);
    else if (!found && shownFor && !inTip(event) && document.activeElement !== shownFor) hide();
  });
  document.addEventListener("focusin", ({ target }) => {
    const found = closestTerm(target);
    if (found) show(found);
    else hide();
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("click", (event) => {
    const found = closestTerm(event.target);
    if (found) show(found);
    else if (!inTip(event)) hide();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });
  addEventListener("resize", hide);
}
