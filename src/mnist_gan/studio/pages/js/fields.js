// Inputs for settings that the server describes: a choice, a number, an integer or a switch.

import { el } from "./dom.js";

/** @typedef {HTMLInputElement | HTMLSelectElement} Input */

/** @type {(mode: string) => (field: Api.FormField, id: string) => Input} */
const text = (mode) => (_, id) => el("input", { type: "text", inputmode: mode, id });

/** @type {Record<Api.FormField["kind"], (field: Api.FormField, id: string) => Input>} */
const INPUTS = {
  choice: (field, id) =>
    el(
      "select",
      { id },
      ...field.choices.map((choice) => el("option", { value: choice }, String(choice).replaceAll("_", " "))),
    ),
  number: text("decimal"),
  integer: text("numeric"),
  switch: (_, id) => el("input", { type: "checkbox", id }),
};

/**
 * Make the input of a setting with its label and its explanation.
 * @param {Api.FormField} field
 * @param {(name: string, label: string, explanation: string) => HTMLElement} term
 * @returns {{ element: HTMLElement, input: Input }}
 */
export function makeField(field, term) {
  const id = `field-${field.name.replaceAll(".", "-")}`;
  const input = INPUTS[field.kind](field, id);
  const label = el("label", { for: id }, field.title, field.unit ? ` (${field.unit})` : "");
  const why = term(field.name, "?", field.explanation);
  why.classList.add("why");
  why.setAttribute("aria-label", `What is ${field.title}?`);
  const wide = field.kind === "switch" ? " switch whole" : field.kind === "choice" ? " whole" : "";
  return { element: el("div", { class: `field${wide}` }, el("span", { class: "row ends" }, label, why), input), input };
}

/**
 * Show a value in an input.
 * @param {Api.FormField} field
 * @param {Input} input
 * @param {unknown} value
 */
export function showField(field, input, value) {
  if (input instanceof HTMLInputElement && field.kind === "switch") input.checked = Boolean(value);
  else input.value = String(value ?? "");
}

/**
 * Current value of an input; NaN for text that is not a number. An empty input is null if it is `optional`.
 * @param {Api.FormField} field
 * @param {Input} input
 * @param {{ optional?: boolean }} [options]
 */
export function readField(field, input, { optional = false } = {}) {
  if (input instanceof HTMLInputElement && field.kind === "switch") return input.checked;
  if (field.kind === "choice") return input.value;
  const typed = input.value.trim().replaceAll(",", "");
  return typed === "" ? (optional ? null : Number.NaN) : Number(typed);
}

/**
 * Focus an input, and open the parts of the page that hide it.
 * @param {HTMLElement} input
 */
export function reveal(input) {
  let part = input.closest("details");
  while (part) {
    part.open = true;
    part = part.parentElement?.closest("details") ?? null;
  }
  input.focus();
}
