// The form for two runs that differ: a recipe or a run, and what the second has of its own. The address can fill it in:
// preset or run, settings of both by their names, and those of the second by their names after "b.".

import { announce, byId, el, setText } from "./dom.js";
import { describeTerms, term } from "./explain.js";
import { makeField, readField, showField } from "./fields.js";

/**
 * @typedef {{ field: Api.FormField, input: HTMLInputElement | HTMLSelectElement }} Row
 * @typedef {Api.Cure["changes"]} Changes
 * @typedef {Changes[string]} Scalar
 */

const LENGTH = "training.total_nimg";
const FIRST_DIFFERENCE = "objective.r1_gamma";
/** Suggested length: a minute or two. */
const SHORT = 100_000;

/**
 * Value of a field in an address.
 * @param {Api.FormField} field
 * @param {string} text
 */
function parsed(field, text) {
  if (field.kind === "switch") return text === "true";
  return field.kind === "choice" ? text : Number(text);
}

/**
 * Value of a config's setting as the form has it.
 * @param {Api.SettingRow["a"] | undefined} value
 * @returns {Scalar | undefined}
 */
const flat = (value) => (Array.isArray(value) ? value.join(" to ") : value);

/** @param {Scalar | undefined} value */
const shown = (value) =>
  typeof value === "boolean" ? (value ? "on" : "off") : String(value ?? "none").replaceAll("_", " ");

export class PairForm {
  /**
   * @param {Api.Recipes} options
   * @param {string[]} runs
   * @param {(first: Api.PairSide, second: Api.PairSide) => void} start
   * @param {(run: string) => Promise<Api.RunDetails["settings"]>} settingsOf
   */
  constructor(options, runs, start, settingsOf) {
    this.options = options;
    this.settingsOf = settingsOf;
    /** Values of the first run by field. @type {Record<string, Scalar | undefined>} */
    this.values = {};
    /** Settings of both runs that the address gives. @type {Changes} */
    this.both = {};
    /** @type {Row[]} */
    this.rows = [];
    this.fill(runs);
    byId("pair-base").addEventListener("change", () => {
      this.both = {};
      this.choose().then(() => this.addRow(FIRST_DIFFERENCE));
    });
    byId("pair-more").addEventListener("click", () => this.addRow(this.unused()?.name));
    byId("pair-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const sides = this.sides();
      if (sides) start(...sides);
    });
  }

  /** @param {string[]} runs */
  fill(runs) {
    const { presets } = this.options;
    const recipes = (/** @type {boolean} */ fails) =>
      presets
        .filter(({ lesson }) => Boolean(lesson) === fails)
        .map(({ name, title }) => el("option", { value: `preset:${name}` }, title));
    byId("pair-base").replaceChildren(
      el("optgroup", { label: "Recipes" }, ...recipes(false)),
      el("optgroup", { label: "Recipes that fail" }, ...recipes(true)),
      el("optgroup", { label: "Runs" }, ...runs.map((run) => el("option", { value: `run:${run}` }, run))),
    );
  }

  /** Name of the run that the second one is made from; null for a recipe. */
  get run() {
    const [kind, name] = this.base;
    return kind === "run" ? name : null;
  }

  /** Kind and name of what both begin with. */
  get base() {
    const { value } = byId("pair-base");
    const at = value.indexOf(":");
    return [value.slice(0, at), value.slice(at + 1)];
  }

  /** Show the values of the chosen recipe or run, without differences. */
  async choose() {
    const [kind, name] = this.base;
    const recipe = this.options.presets.find((each) => each.name === name);
    if (kind === "run") {
      const settings = await this.settingsOf(name);
      this.values = Object.fromEntries(this.options.fields.map((field) => [field.name, flat(settings[field.name])]));
    } else this.values = { ...recipe?.values, ...this.both };
    this.rows = [];
    byId("pair-rows").replaceChildren();
    byId("pair-length-field").hidden = this.run !== null;
    const own = this.values[LENGTH];
    byId("pair-length").value = String(LENGTH in this.both ? own : Math.min(Number(own ?? SHORT), SHORT));
    const more = Object.entries(this.both).filter(([each]) => each !== LENGTH);
    byId("pair-both").hidden = more.length === 0;
    const told = more.map(([each, value]) => `${this.field(each)?.title} ${shown(value)}`);
    setText(byId("pair-both"), `Both with: ${told.join(", ")}.`);
    setText(byId("pair-start"), this.run ? "Start the second" : "Start both");
    setText(
      byId("pair-told"),
      this.run
        ? "Only the second run is trained; the first one exists. The second is a run like any other, with the same number of threads."
        : "Both train at the same time, with half of the processor cores each. Each is a run like any other, and can be repeated bit for bit.",
    );
  }

  /** @param {string} name */
  field(name) {
    return this.options.fields.find((field) => field.name === name);
  }

  /** Settings that the first run has. */
  get known() {
    return this.options.fields.filter((field) => this.values[field.name] !== undefined);
  }

  unused() {
    return this.known.find((field) => this.rows.every((row) => row.field !== field));
  }

  /**
   * Add a difference, or nothing for a setting that the first run lacks.
   * @param {string | undefined} name
   * @param {Scalar} [value]
   */
  addRow(name, value) {
    const field = this.known.find((each) => each.name === name);
    if (!field) return;
    const item = el("li", { class: "few" });
    /** @type {Row} */
    const row = { field, input: document.createElement("input") };
    this.rows.push(row);
    byId("pair-rows").append(item);
    this.showRow(row, item, value);
  }

  /**
   * @param {Row} row
   * @param {HTMLElement} item
   * @param {Scalar} [value]
   */
  showRow(row, item, value) {
    const number = this.rows.indexOf(row) + 1;
    const { field } = row;
    const first = this.values[field.name];
    const select = el(
      "select",
      { id: `difference-${number}` },
      ...this.known.map(({ name, title }) => el("option", { value: name }, title)),
    );
    select.value = field.name;
    select.addEventListener("change", () => {
      row.field = /** @type {Api.FormField} */ (this.field(select.value));
      this.showRow(row, item);
      byId(`difference-${number}`).focus();
    });
    const { element, input } = makeField(field, term);
    row.input = input;
    showField(field, input, value ?? first);
    item.replaceChildren(
      el("div", { class: "field" }, el("label", { for: select.id }, `Difference ${number}`), select),
      element,
      el("p", { class: "small soft whole" }, `The first run has ${shown(first)}.`),
    );
    describeTerms(item);
  }

  /** The two sides as the server takes them; null after a message. @returns {[Api.PairSide, Api.PairSide] | null} */
  sides() {
    /** @type {Changes} */
    const difference = {};
    for (const { field, input } of this.rows) {
      const value = readField(field, input);
      if (Number.isNaN(value)) {
        announce(`${field.title} must be a number.`);
        input.focus();
        return null;
      }
      difference[field.name] = value;
    }
    const [, name] = this.base;
    if (this.run) return [{ run: name }, { run: name, changes: difference }];
    const length = Number(byId("pair-length").value.trim().replaceAll(",", ""));
    if (!(length >= 1)) {
      announce("The number of images must be a whole number, such as 60,000.");
      byId("pair-length").focus();
      return null;
    }
    const both = { ...this.both, [LENGTH]: length };
    return [
      { preset: name, changes: both },
      { preset: name, changes: { ...both, ...difference } },
    ];
  }

  /**
   * Fill the form in from an address. Returns true if the address is for the form.
   * @param {URLSearchParams} parameters
   */
  async read(parameters) {
    const [run, preset] = [parameters.get("run"), parameters.get("preset")];
    byId("pair-base").value = run ? `run:${run}` : `preset:${preset ?? this.options.default}`;
    if (byId("pair-base").selectedIndex < 0) {
      announce(`There is no ${run ? "run" : "recipe"} called “${run ?? preset}”.`);
      byId("pair-base").value = `preset:${this.options.default}`;
    }
    /** @type {Changes} */
    const own = {};
    for (const [name, text] of parameters) {
      const ofSecond = name.startsWith("b.");
      const field = this.field(ofSecond ? name.slice(2) : name);
      if (field && ofSecond) own[field.name] = parsed(field, text);
      else if (field) this.both[field.name] = parsed(field, text);
    }
    await this.choose();
    for (const [name, value] of Object.entries(own)) this.addRow(name, value);
    if (!this.rows.length) this.addRow(FIRST_DIFFERENCE);
    return run !== null || preset !== null;
  }
}
