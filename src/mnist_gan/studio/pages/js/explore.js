// The Explore page: one picture, the numbers behind it, and related pictures. The address contains all state.

import { get, getBlob, query, statusOf } from "./api.js";
import { announce, byId, debounce, el, latest, setText, showError, chosenValue } from "./dom.js";
import { describeTerms, term } from "./explain.js";
import { count, figure, percent, withArticle } from "./format.js";
import { Inside } from "./inside.js";
import { fillModels } from "./models.js";
import { showBlob } from "./pictures.js";
import { startPage } from "./shell.js";
import { SampleWall } from "./wall.js";

const TABS = /** @type {const} */ (["samples", "path", "mix", "timelapse", "inside"]);
/** @typedef {typeof TABS[number]} Tab */
const PATH_STEPS = 8;
/** Names of directions that change no property of their own: "stroke width (2)", "direction 9". */
const UNCLEAR = / \(\d+\)$|^direction \d+$/;
/** Longer than the server's own limit. */
const DIRECTIONS_MS = 150_000;

/** Defaults, in the order of the address, which omits values at their default. */
const START = {
  model: "",
  at: "",
  digit: "",
  seed: "0",
  index: "0",
  z: "",
  psi: "1",
  d: "",
  mix: "",
  t: "0",
  to_seed: "",
  to_index: "",
  unit: "",
  tab: /** @type {Tab} */ ("samples"),
};
/** @typedef {keyof typeof START} Key */
const KEYS = /** @type {Key[]} */ (Object.keys(START));

const state = { ...START };
/** @type {Api.Model} */
let model;
/** @type {Api.Direction[]} */
let directions = [];
/** @type {HTMLInputElement[]} */
let sliders = [];
let shownDirection = 0;
/** @type {SampleWall} */
let wall;
/** @type {Inside} */
let inside;

// The address

function readAddress() {
  const given = new URLSearchParams(location.search);
  Object.assign(state, Object.fromEntries(KEYS.map((key) => [key, given.get(key) ?? START[key]])));
  if (!TABS.includes(state.tab)) state.tab = START.tab;
}

function writeAddress() {
  const changed = Object.fromEntries(KEYS.filter((key) => state[key] !== START[key]).map((key) => [key, state[key]]));
  const address = query(changed);
  history.replaceState(null, "", address ? `/explore?${address}` : "/explore");
}

/** @typedef {Record<string, string | number | null>} Parameters */

/**
 * Parameters of the current picture; `changes` replaces values or, with null, omits them.
 * @param {Parameters} changes
 * @returns {Parameters & { digit: string }}
 */
function view(changes = {}) {
  const { model: id, at, digit, seed, index, z, psi, d, mix, t } = state;
  /** @type {Parameters} */
  const latent = z ? { z } : { seed, index };
  return { model: id, at, digit, ...latent, psi, d, ...(mix === "" ? {} : { mix, t }), ...changes };
}

/**
 * Name of a class; the address has its label.
 * @param {string} label
 */
const nameOf = (label) => model.class_names[Number(label)] ?? label;

/**
 * @template {string} What
 * @param {What} what
 * @param {Parameters} values
 * @returns {`/api/explore/${What}?${string}`}
 */
const address = (what, values) => `/api/explore/${what}?${query(values)}`;

// The picture

const drawPicture = latest(async () => {
  const drawn = view(); // the controls may have moved when the picture arrives
  try {
    const picture = /** @type {HTMLImageElement} */ (byId("picture"));
    await showBlob(picture, await getBlob(address("image", { ...drawn, scale: 10 })));
    picture.dataset.view = query(drawn);
    picture.alt = `A generated ${drawn.digit === "" ? "image" : nameOf(drawn.digit)}`;
  } catch (error) {
    showError(error);
  }
});

const judge = latest(async () => {
  try {
    const [{ recognition, score }, latent] = await Promise.all([
      get(address("score", view())),
      get(address("z", view())),
    ]);
    byId("reading").hidden = !recognition;
    if (recognition) {
      setText(byId("read"), String(recognition.digit));
      setText(byId("read-beside"), `${percent(recognition.probabilities[recognition.digit])} sure`);
    }
    setText(byId("probability"), percent(score.probability_real));
    setText(byId("probability-beside"), "according to the discriminator");
    setText(byId("norm"), describeNorm(latent));
  } catch (error) {
    showError(error);
  }
});

/**
 * How unusual a latent is, by its length relative to the average.
 * @param {Api.Latent} latent
 */
function describeNorm({ norm, typical_norm: typical }) {
  const ratio = norm / typical;
  const degree =
    ratio < 0.95
      ? "more typical than average"
      : ratio < 1.05
        ? "about average"
        : ratio < 1.25
          ? "a little more unusual than average"
          : "much more unusual than average";
  return `This input is ${degree} (${figure(norm)}; average ${figure(typical)}).`;
}

const judgeSoon = debounce(judge, 180);

const drawStrip = latest(async () => {
  const direction = directions[shownDirection];
  if (!direction) return;
  try {
    await showBlob(
      byId("strip"),
      await getBlob(address("strip", view({ direction: direction.index, n: 7, scale: 2 }))),
    );
    byId("strip").alt = `The picture with ${direction.name} from ${direction.range[0]} to ${direction.range[1]}`;
    setText(byId("strip-caption"), `“${direction.name}”, from ${direction.range[0]} to ${direction.range[1]}.`);
  } catch (error) {
    showError(error);
  }
});

const drawStripSoon = debounce(drawStrip, 120);

function linkDownloads() {
  /**
   * @param {string} id
   * @param {string} what
   * @param {Parameters} values
   */
  const href = (id, what, values) => byId(id).setAttribute("href", address(what, { ...values, download: 1 }));
  href("save-png", "image", view({ scale: 10 }));
  href("save-npz", "image", view({ format: "npz" }));
  const many = { ...view({ index: null, z: null, seed: state.seed }), first: 0, n: 100, columns: 10 };
  href("save-samples-png", "samples", { ...many, scale: 4 });
  href("save-samples-npz", "samples", { ...many, format: "npz" });
  for (const format of ["gif", "png", "npz"]) {
    href(`save-path-${format}`, "path", { ...pathView(), steps: format === "gif" ? 30 : PATH_STEPS, format });
    href(`save-timelapse-${format}`, "timelapse", { ...view({ at: null }), format });
    const save = byId(`save-mix-${format}`);
    save.toggleAttribute("href", state.mix !== "");
    save.setAttribute("aria-disabled", String(state.mix === ""));
    if (state.mix !== "")
      href(save.id, "mix", { ...view({ t: null }), steps: format === "gif" ? 30 : PATH_STEPS, format });
  }
}

// The tabs' pictures

const otherEnd = () => ({
  to_seed: state.to_seed || String(Number(state.seed) + 1),
  to_index: state.to_index || state.index,
});
const pathView = () => view(otherEnd());

const drawPanel = latest(async () => {
  try {
    await PANELS[state.tab]();
  } catch (error) {
    showError(error);
  }
});

const drawPanelSoon = debounce(drawPanel, 200);

/** @type {Record<Tab, () => Promise<void>>} */
const PANELS = {
  samples: () => wall.show(view({ index: null, z: null, seed: state.seed })),
  path: async () => {
    await showBlob(byId("path"), await getBlob(address("path", { ...pathView(), steps: PATH_STEPS, scale: 4 })));
    byId("path").alt =
      `${PATH_STEPS + 1} pictures from the one above to image ${otherEnd().to_index} of seed ${otherEnd().to_seed}`;
  },
  mix: async () => {
    if (state.mix === "" || !model.conditional) return;
    const from = state.digit === "" ? String(model.classes[Number(state.index) % model.classes.length]) : state.digit;
    await showBlob(
      byId("mixed"),
      await getBlob(address("mix", { ...view({ t: null }), digit: from, steps: PATH_STEPS, scale: 4 })),
    );
    byId("mixed").alt =
      `${PATH_STEPS + 1} pictures from ${withArticle(nameOf(from))} to ${withArticle(nameOf(state.mix))}`;
  },
  inside: () => inside.show(state.unit),
  timelapse: async () => {
    if (!model.snapshots.length) return;
    await showBlob(byId("timelapse"), await getBlob(address("timelapse", { ...view({ at: null }), scale: 4 })));
    byId("timelapse").style.maxWidth = `${8 * (model.snapshots.length + 1)}rem`;
    byId("timelapse").alt = `${model.snapshots.length + 1} pictures, from the start of the training to its end`;
  },
};

// Reacting to changes

/** Update the address, the picture, and what depends on it. */
function changed({ strip = true, panel = true } = {}) {
  writeAddress();
  linkDownloads();
  drawPicture();
  judgeSoon();
  if (strip) drawStripSoon();
  if (panel) drawPanelSoon();
}

/**
 * Show the value of a slider in words.
 * @param {string} id
 * @param {string} text
 */
function describeValue(id, text) {
  setText(byId(`${id}-value`), text);
  byId(id).setAttribute("aria-valuetext", text);
}

/** Set the controls to the state. */
function showState() {
  const share = `${Math.round(100 * Number(state.t))} %`;
  byId("seed").value = state.seed;
  byId("index").value = state.index;
  byId("psi").value = state.psi;
  setText(byId("psi-value"), state.psi);
  byId("at").value = state.at;
  byId("t").value = state.t;
  describeValue("t", share);
  byId("to-seed").value = otherEnd().to_seed;
  byId("to-index").value = otherEnd().to_index;
  byId("latent-note").hidden = !state.z;
  byId("mix-note").hidden = state.mix === "" || Number(state.t) === 0;
  if (state.mix !== "")
    setText(byId("mix-words"), `Every picture is blended with ${withArticle(nameOf(state.mix))}: ${share}.`);
  for (const id of /** @type {const} */ (["seed", "index"])) byId(id).disabled = Boolean(state.z);
  for (const name of /** @type {const} */ (["digit", "mix"]))
    for (const choice of radios(name)) choice.checked = choice.value === state[name];
  const stage = model.snapshots.findIndex((snapshot) => String(snapshot.at) === state.at);
  byId("snapshot").max = String(model.snapshots.length);
  byId("snapshot").value = String(stage < 0 ? model.snapshots.length : stage);
  describeValue("snapshot", stage < 0 ? "the finished model" : model.snapshots[stage].title);
  const values = state.d.split(",").map(Number);
  sliders.forEach((slider, k) => {
    slider.value = String(values[k] || 0);
    const shown = slider.parentElement?.querySelector(".value");
    if (shown) setText(shown, figure(Number(slider.value)));
  });
}

/**
 * @param {Partial<typeof START>} changes
 * @param {{ strip?: boolean, panel?: boolean }} [options]
 */
function set(changes, options) {
  Object.assign(state, changes);
  showState();
  changed(options);
}

/**
 * Integer in a field; shows a message and returns null for anything else.
 * @param {HTMLInputElement} input
 * @param {string} title
 * @param {number} most
 */
function whole(input, title, most) {
  const text = input.value.trim();
  if (/^\d{1,16}$/.test(text) && Number(text) <= most) return String(Number(text));
  announce(`${title} is a whole number from 0 to ${most.toLocaleString("en-US")}.`);
  return null;
}

/**
 * @param {"seed" | "index" | "to-seed" | "to-index"} id
 * @param {Key} key
 * @param {string} title
 * @param {number} most
 */
function onWhole(id, key, title, most) {
  byId(id).addEventListener("change", () => {
    const value = whole(byId(id), title, most);
    if (value === null) showState();
    else set({ [key]: value });
  });
}

/**
 * @param {Tab} name
 * @param {{ focus?: boolean }} [options]
 */
function chooseTab(name, { focus = false } = {}) {
  state.tab = name;
  for (const tab of TABS) {
    const selected = tab === name;
    byId(`tab-${tab}`).setAttribute("aria-selected", String(selected));
    byId(`tab-${tab}`).tabIndex = selected ? 0 : -1;
    byId(`panel-${tab}`).hidden = !selected;
  }
  if (focus) byId(`tab-${name}`).focus();
  writeAddress();
  drawPanel();
}

/** @param {KeyboardEvent} event */
function onTabKeys(event) {
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (!step) return;
  event.preventDefault();
  chooseTab(TABS[(TABS.indexOf(state.tab) + step + TABS.length) % TABS.length], { focus: true });
}

// Filling the controls for a model

/** @param {string} name */
const radios = (name) => /** @type {NodeListOf<HTMLInputElement>} */ (document.getElementsByName(name));

/**
 * @param {string} name
 * @param {string[]} values
 * @param {string[]} labels
 */
function choices(name, values, labels) {
  return values.map((value, k) =>
    el("label", { class: "choice" }, el("input", { type: "radio", name, value }), el("span", {}, labels[k])),
  );
}

function fillModel() {
  const { classes, conditional } = model;
  const [labels, names] = [classes.map(String), classes.map((label) => model.class_names[label])];
  byId("digits").replaceChildren(...choices("digit", ["", ...labels], ["any", ...names]));
  byId("digit").disabled = !conditional;
  byId("mixes").replaceChildren(...choices("mix", ["", ...labels], ["none", ...names]));
  byId("no-mix").hidden = conditional;
  byId("mixing").hidden = !conditional;
  byId("at").replaceChildren(
    el("option", { value: "" }, "the finished model"),
    ...model.snapshots.map((snapshot) => el("option", { value: snapshot.at }, snapshot.title)),
  );
  byId("at").disabled = !model.snapshots.length;
  byId("no-snapshots").hidden = model.snapshots.length > 0;
  byId("snapshots").hidden = model.snapshots.length === 0;
}

/**
 * @param {Api.Direction} direction
 * @param {number} k
 */
function sliderOf(direction, k) {
  const id = `slider-${k}`;
  const [low, high] = direction.range;
  const input = el("input", {
    type: "range",
    id,
    min: low,
    max: high,
    step: direction.step,
    value: 0,
    "aria-label": direction.name,
  });
  input.addEventListener("input", () => {
    const values = sliders.map((slider) => Number(slider.value));
    while (values.length && values.at(-1) === 0) values.pop();
    shownDirection = k;
    set({ d: values.join(",") }, { strip: false });
  });
  input.addEventListener("focus", () => {
    shownDirection = k;
    drawStripSoon();
  });
  const share = direction.share ? ` It makes up ${percent(direction.share)} of all change.` : "";
  const name = term(`direction-${k}`, direction.name, `${direction.explanation}${share}`);
  sliders[k] = input;
  return el("div", { class: "slider" }, name, el("span", { class: "value" }, "0"), input);
}

/**
 * The server computes directions once per model. On a busy machine that takes more than one request.
 * @param {string} id
 */
async function findDirections(id) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await get(`/api/models/${encodeURIComponent(id)}/directions`, { timeout: DIRECTIONS_MS });
    } catch (error) {
      if (statusOf(error) !== 504 || attempt === 5) throw error;
      setText(
        byId("directions-words"),
        "The machine is busy. Still looking for the directions with the largest effect…",
      );
    }
  }
}

async function fillDirections() {
  const of = state.model;
  const answer = await findDirections(of);
  if (of !== state.model) return;
  directions = answer.directions;
  sliders = [];
  const made = directions.map(sliderOf);
  const unclear = directions.map(({ name }) => UNCLEAR.test(name));
  byId("sliders").replaceChildren(...made.filter((_, k) => !unclear[k]));
  byId("other-sliders").replaceChildren(...made.filter((_, k) => unclear[k]));
  byId("others").hidden = !byId("other-sliders").hasChildNodes();
  byId("others").open = state.d.split(",").some((value, k) => Number(value) && unclear[k]);
  describeTerms(byId("sliders"));
  describeTerms(byId("other-sliders"));
  setText(
    byId("directions-words"),
    "Each slider moves many of the random numbers at once, along a direction in which the pictures change most. It is named after the property that changes.",
  );
  setText(byId("directions-method"), answer.method);
  showState();
  drawStrip();
}

async function loadModel() {
  model = await get(`/api/models/${encodeURIComponent(state.model)}`);
  fillModel();
  showState();
  changed({ strip: false });
  fillDirections().catch(showError);
}

async function copyLink() {
  writeAddress();
  try {
    await navigator.clipboard.writeText(location.href);
    announce("The link is on the clipboard.");
  } catch {
    announce(`The browser does not allow copying. The link is in the address bar: ${location.href}`);
  }
}

function wire() {
  byId("model").addEventListener("change", (event) => {
    Object.assign(state, START, { model: chosenValue(event), seed: state.seed, index: state.index, tab: state.tab });
    loadModel().catch(showError);
  });
  byId("at").addEventListener("change", (event) => set({ at: chosenValue(event) }));
  byId("digits").addEventListener("change", (event) => set({ digit: chosenValue(event) }));
  byId("mixes").addEventListener("change", (event) => {
    const mix = chosenValue(event);
    set({ mix, t: mix === "" ? "0" : state.t === "0" ? "0.5" : state.t });
  });
  byId("t").addEventListener("input", (event) => set({ t: chosenValue(event) }, { panel: false }));
  onWhole("seed", "seed", "A seed", Number.MAX_SAFE_INTEGER);
  onWhole("index", "index", "An image number", 1e6);
  onWhole("to-seed", "to_seed", "A seed", Number.MAX_SAFE_INTEGER);
  onWhole("to-index", "to_index", "An image number", 1e6);
  byId("another").addEventListener("click", () =>
    set({ seed: String(crypto.getRandomValues(new Uint32Array(1))[0] % 100000), z: "" }),
  );
  byId("next").addEventListener("click", () => set({ index: String(Number(state.index) + 1), z: "" }));
  byId("unmix").addEventListener("click", () => set({ mix: "", t: "0" }));
  byId("forget").addEventListener("click", () => set({ z: "" }));
  byId("reset").addEventListener("click", () => set({ d: "" }));
  byId("psi").addEventListener("input", (event) => set({ psi: chosenValue(event) }));
  byId("snapshot").addEventListener("input", (event) => {
    const snapshot = model.snapshots[Number(chosenValue(event))];
    set({ at: snapshot ? String(snapshot.at) : "" }, { panel: false });
  });
  byId("share").addEventListener("click", copyLink);
  for (const name of TABS) byId(`tab-${name}`).addEventListener("click", () => chooseTab(name));
  for (const name of TABS) byId(`tab-${name}`).addEventListener("keydown", onTabKeys);
}

startPage(async () => {
  readAddress();
  wall = new SampleWall(byId("tiles"), byId("more-samples"), {
    sheet: (values) => getBlob(address("samples", values)),
    choose: (index) => {
      set({ index: String(index), z: "" }, { panel: false });
      byId("picture").scrollIntoView({ block: "nearest" });
      announce(`Image ${count(index)} of seed ${state.seed} is shown.`);
    },
  });
  inside = new Inside(byId("inside"), {
    view,
    choose: (unit) => {
      state.unit = unit;
      writeAddress();
    },
  });
  wire();
  const { id, found } = await fillModels(byId("model"), { newest: true });
  if (!found) Object.assign(state, START);
  state.model = id;
  await loadModel();
  chooseTab(state.tab);
  if (state.tab !== START.tab) byId(`tab-${state.tab}`).scrollIntoView(); // a link leads to what it names
});
