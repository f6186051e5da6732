// The form of a new training: a recipe and changes to its settings.

import { announce, el } from "./dom.js";
import { describeTerms } from "./explain.js";
import { makeField, readField, reveal, showField } from "./fields.js";

/** A command-line option in a message, with its value if it is a number, two numbers, or a name such as non_saturating. */
const OPTION = /--([a-z][\w-]*\.[\w-]+)(?: (-?\d+(?:\.\d+)?(?: -?\d+(?:\.\d+)?)?|[a-z]+_[a-z]+))?/g;

/**
 * A recipe that fails.
 * @typedef {Api.Recipe & { lesson: Api.Lesson }} Failure
 * @typedef {HTMLInputElement | HTMLSelectElement} Input
 */

export class Recipes {
  /**
   * `options`: the response of /api/presets.
   * @param {Api.Recipes} options
   * @param {{ term: (name: string, label: string, explanation: string) => HTMLElement }} parts
   */
  constructor(options, { term }) {
    this.presets = new Map(options.presets.map((preset) => [preset.name, preset]));
    this.fields = options.fields;
    this.first = options.default;
    this.term = term;
    /** @type {Map<string, Input>} */
    this.inputs = new Map();
  }

  get failures() {
    return /** @type {Failure[]} */ ([...this.presets.values()].filter((preset) => preset.lesson));
  }

  /**
   * Put the recipes into `select`, and an input for each field into `fields` or `advanced`.
   * @param {{ select: HTMLSelectElement, summary: HTMLElement, fields: HTMLElement, advanced: HTMLElement }} places
   */
  fill({ select, summary, fields, advanced }) {
    this.select = select;
    this.summary = summary;
    for (const [label, fails] of /** @type {const} */ ([
      ["Recipes", false],
      ["Recipes that fail", true],
    ])) {
      const of = [...this.presets.values()].filter((preset) => Boolean(preset.lesson) === fails);
      select.append(
        el("optgroup", { label }, ...of.map((preset) => el("option", { value: preset.name }, preset.title))),
      );
    }
    select.value = this.first;
    select.addEventListener("change", () => this.choose());
    for (const field of this.fields) (field.advanced ? advanced : fields).append(this.input(field));
    describeTerms(fields);
    describeTerms(advanced);
    this.choose();
  }

  /** @param {Api.FormField} field */
  input(field) {
    const { element, input } = makeField(field, this.term);
    this.inputs.set(field.name, input);
    input.addEventListener("input", () => this.mark(field));
    return element;
  }

  /** The chosen recipe. */
  get preset() {
    return /** @type {Api.Recipe} */ (this.presets.get(this.select?.value ?? this.first));
  }

  /**
   * The input of a field.
   * @param {Pick<Api.FormField, "name">} field
   */
  inputOf({ name }) {
    return /** @type {Input} */ (this.inputs.get(name));
  }

  /** Show the chosen recipe with its own values. */
  choose() {
    const { summary, minutes, values } = this.preset;
    const time = minutes && minutes < 1 ? `${60 * minutes} seconds` : minutes === 1 ? "a minute" : `${minutes} minutes`;
    if (this.summary) this.summary.textContent = minutes ? `${summary} About ${time} on two processor cores.` : summary;
    for (const field of this.fields) {
      const input = this.inputOf(field);
      const value = values[field.name];
      input.closest(".field")?.toggleAttribute("hidden", value === undefined);
      showField(field, input, value);
      this.mark(field);
    }
  }

  /**
   * Current value of a field; NaN for text that is not a number.
   * @param {Api.FormField} field
   */
  value(field) {
    return readField(field, this.inputOf(field), { optional: this.preset.values[field.name] === null });
  }

  /**
   * Replace the command-line options in a message by the titles of their fields: “R1 penalty” = 1.
   * @param {string} message
   */
  titled(message) {
    return message.replace(OPTION, (option, /** @type {string} */ name, /** @type {string | undefined} */ value) => {
      const field = this.fields.find((each) => each.name === name.replaceAll("-", "_"));
      const shown = value?.replace(" ", " to ").replaceAll("_", " ");
      return field ? `“${field.title}”${shown ? ` = ${shown}` : ""}` : option;
    });
  }

  /**
   * Mark the fields that a message names by option, by name or by title; focus the first.
   * @param {string} message
   */
  blame(message) {
    const names = [...message.matchAll(OPTION)].map(([, name]) => name.replaceAll("-", "_"));
    const wrong = this.fields.filter(
      ({ name, title }) => names.includes(name) || message.includes(name) || message.startsWith(`${title} `),
    );
    for (const field of wrong) this.inputOf(field).setAttribute("aria-invalid", "true");
    if (wrong.length) reveal(this.inputOf(wrong[0]));
  }

  /** @param {Api.FormField} field */
  mark(field) {
    this.inputOf(field).removeAttribute("aria-invalid");
    const changed =
      !Object.is(this.value(field), this.preset.values[field.name] ?? null) &&
      this.preset.values[field.name] !== undefined;
    this.inputOf(field).closest(".field")?.classList.toggle("changed", changed);
  }

  /** Values that differ from the recipe, by field. For text that is not a number: shows a message, returns null. */
  changes() {
    /** @type {Api.Cure["changes"]} */
    const found = {};
    for (const field of this.fields) {
      const own = this.preset.values[field.name];
      if (own === undefined) continue;
      const value = this.value(field);
      if (Number.isNaN(value)) {
        announce(`${field.title} must be a number.`);
        this.inputOf(field).setAttribute("aria-invalid", "true");
        reveal(this.inputOf(field));
        return null;
      }
      if (!Object.is(value, own)) found[field.name] = value;
    }
    return found;
  }
}
