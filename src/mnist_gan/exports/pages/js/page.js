// The exported page: one image and its random numbers, samples, a way between two images, and a drawing.

import { announce, byId, debounce, el, setText, showError, speak } from "./dom.js";
import { fitStrokes } from "./fit.js";
import { figure, percent, withArticle } from "./format.js";
import { Model, fromHalves } from "./network.js";
import { Pad } from "./pad.js";
import { contextOf } from "./pictures.js";
import { latent } from "./random.js";
import { SampleWall } from "./wall.js";
import { lerp, slerp } from "./way.js";

const TABS = ["samples", "way", "draw"];
const SCALE = 10;
const FILM = 9;
/** Classes up to which each has a button of its own; more are in a list. */
const MAX_CHOICES = 20;
const RANGE = 3;
/** Names of directions that change no property of their own: "stroke width (2)", "direction 9". */
const UNCLEAR = / \(\d+\)$|^direction \d+$/;
/** Milliseconds from one end of the way to the other. */
const TRAVEL_MS = 2500;
/** Milliseconds of computing between two pauses, in which the browser answers the visitor. */
const SLICE_MS = 30;

/** @type {{ digit: number, seed: string, index: number, psi: number, amounts: number[], toDigit: number, toSeed: string,
 *   place: number }} */
const state = { digit: 0, seed: "0", index: 0, psi: 1, amounts: [], toDigit: 0, toSeed: "0", place: 0 };
/** @type {Exported.Plan} */
let plan;
/** @type {Model} */
let model;
/** @type {Pad} */
let pad;
/** @type {SampleWall} */
let wall;
/** @type {number | null} */
let playing = null;

// Images

/** @param {string} base64 */
const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer;

function load() {
  plan = JSON.parse(byId("plan").textContent ?? "");
  const matrices = fromHalves(new Uint16Array(bytesOf(plan.halves)));
  model = new Model(plan, matrices, new Float32Array(bytesOf(plan.singles)));
  plan.directions.forEach((direction) => {
    direction.values = model.vectors.subarray(direction.vector, direction.vector + plan.generator.z_dim);
  });
}

/**
 * z of an image: truncated, then moved along the directions, as by `sample` and the studio.
 * @param {string} seed
 * @param {number} index
 * @param {{ psi: number, amounts: number[] }} [edits]
 */
function edited(seed, index, { psi, amounts } = state) {
  const z = latent(seed, index, plan.generator.z_dim);
  if (psi !== 1) for (let i = 0; i < z.length; i += 1) z[i] *= psi;
  amounts.forEach((amount, k) => {
    if (amount) for (let i = 0; i < z.length; i += 1) z[i] += amount * plan.directions[k].values[i];
  });
  return z;
}

const picture = () => /** @type {HTMLCanvasElement} */ (byId("picture"));
const conditional = () => plan.classes.length > 0;
/** @param {number} digit */
const embedded = (digit) => (conditional() ? model.embed(digit) : null);
const current = () => model.draw(edited(state.seed, state.index), embedded(state.digit));

/**
 * Image of bytes as ImageData of its size.
 * @param {Uint8ClampedArray} image
 */
function imageData(image) {
  const { side, channels } = plan;
  const data = new ImageData(side, side);
  for (let i = 0; i < side * side; i += 1) {
    const pixel = channels === 3 ? image.subarray(3 * i, 3 * i + 3) : [image[i], image[i], image[i]];
    data.data.set([...pixel, 255], 4 * i);
  }
  return data;
}

/**
 * Paint images side by side, each pixel as a square of `scale`.
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8ClampedArray[]} images
 * @param {{ columns: number, scale?: number }} layout
 */
function paintAll(canvas, images, { columns, scale = 1 }) {
  const { side } = plan;
  const small = el("canvas", { width: columns * side, height: Math.ceil(images.length / columns) * side });
  const context = contextOf(small);
  images.forEach((image, k) => {
    context.putImageData(imageData(image), (k % columns) * side, Math.floor(k / columns) * side);
  });
  canvas.width = scale * small.width;
  canvas.height = scale * small.height;
  const large = contextOf(canvas);
  large.imageSmoothingEnabled = false;
  large.drawImage(small, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {Promise<Blob>}
 */
const asBlob = (canvas) =>
  new Promise((done, failed) =>
    canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("The browser cannot save the image"))), "image/png"),
  );

/**
 * @param {HTMLCanvasElement} canvas
 * @param {string} name
 */
async function download(canvas, name) {
  const address = URL.createObjectURL(await asBlob(canvas));
  const link = el("a", { href: address, download: `${name}.png` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  announce(`${name}.png is saved.`);
}

/** @param {number} digit */
const title = (digit) => plan.names[digit] ?? String(digit);
/** @param {number} digit */
const named = (digit) => withArticle(title(digit));
const fileName = () =>
  `${conditional() ? `${title(state.digit)}-` : ""}seed${state.seed}-${state.index}`.replace(/[^\w-]+/g, "_");

const speakSoon = debounce(speak, 800);

// The page's parts

function showPicture() {
  const image = current();
  paintAll(picture(), [image], { columns: 1, scale: SCALE });
  const { probability, logit } = model.score(image, conditional() ? state.digit : null);
  setText(byId("probability"), percent(probability));
  setText(byId("logit"), figure(plan.calibration.scale * logit + plan.calibration.bias));
  const what = conditional() ? `A generated ${title(state.digit)}` : "A generated image";
  byId("picture").setAttribute("aria-label", what);
  speakSoon(`${what} is shown. It looks real with a probability of ${percent(probability)}.`);
}

function showWay() {
  stopPlaying();
  const { side } = plan;
  paintAll(byId("film"), wayImages(FILM), { columns: FILM });
  byId("film").style.aspectRatio = `${FILM * side} / ${side}`;
  showPlace();
}

/** @param {number} t */
function wayAt(t) {
  const from = edited(state.seed, state.index);
  const to = edited(state.toSeed, state.index);
  const mixed = conditional() ? lerp(model.embed(state.digit), model.embed(state.toDigit), t) : null;
  return model.draw(slerp(from, to, t), mixed);
}

/** @param {number} n */
const wayImages = (n) => Array.from({ length: n }, (_, k) => wayAt(k / (n - 1)));

function showPlace() {
  paintAll(byId("between"), [wayAt(state.place)], { columns: 1 });
  byId("place").value = String(state.place);
  setText(byId("place-value"), `${Math.round(100 * state.place)} %`);
  byId("place").setAttribute("aria-valuetext", `${Math.round(100 * state.place)} %`);
}

function stopPlaying() {
  if (playing !== null) cancelAnimationFrame(playing);
  playing = null;
  setText(byId("play"), "Play");
}

function togglePlaying() {
  if (playing !== null) {
    stopPlaying();
    return;
  }
  setText(byId("play"), "Pause");
  const begun = performance.now() - Math.acos(1 - 2 * state.place) * (TRAVEL_MS / Math.PI);
  /** @param {number} now */
  const step = (now) => {
    state.place = (1 - Math.cos(((now - begun) * Math.PI) / TRAVEL_MS)) / 2;
    showPlace();
    playing = requestAnimationFrame(step);
  };
  playing = requestAnimationFrame(step);
}

function showDrawing() {
  const empty = !pad.strokes.length;
  byId("pad-hint").hidden = !empty;
  byId("undo").disabled = empty;
  byId("clear").disabled = empty;
  if (empty) {
    for (const id of ["drawn-probability", "drawn-logit"]) setText(byId(id), "–");
    setText(byId("drawn-sentence"), "The answer appears here.");
    contextOf(byId("fitted")).clearRect(0, 0, byId("fitted").width, byId("fitted").height);
    return;
  }
  const image = fitStrokes(pad.strokes, plan);
  paintAll(byId("fitted"), [image], { columns: 1 });
  const asked = byId("judge-as").value;
  const { probability, logit, label } = model.score(image, asked === "" ? null : Number(asked));
  setText(byId("drawn-probability"), percent(probability));
  setText(byId("drawn-logit"), figure(plan.calibration.scale * logit + plan.calibration.bias));
  const kind = label === null ? "real" : `a real ${title(label)}`;
  const chosen = asked === "" && label !== null ? " It fits this label best." : "";
  setText(byId("drawn-sentence"), `The probability that your drawing is ${kind} is ${percent(probability)}.${chosen}`);
}

/**
 * A sheet of the wall; computed in slices, so that the page stays responsive.
 * @param {{ digit: number | "any", seed: string, first: number, n: number, columns: number, scale: number }} values
 */
async function sheet({ digit, seed, first, n, columns, scale }) {
  const images = [];
  let begun = performance.now();
  for (let k = 0; k < n; k += 1) {
    const label = digit === "any" ? plan.classes[(first + k) % plan.classes.length] : digit;
    images.push(model.draw(edited(seed, first + k), embedded(label)));
    if (performance.now() - begun > SLICE_MS) {
      await new Promise((done) => setTimeout(done));
      begun = performance.now();
    }
  }
  return asBlob(paintAll(el("canvas"), images, { columns, scale }));
}

/** @type {Record<string, () => void>} */
const showPanel = {
  samples: () => {
    const { digit, seed, psi, amounts } = state;
    wall.show({ digit, seed, psi, amounts }).catch(showError);
  },
  way: showWay,
  draw: showDrawing,
};
const chosenTab = () => TABS.find((tab) => !byId(`panel-${tab}`).hidden) ?? TABS[0];
const showPanelSoon = debounce(() => showPanel[chosenTab()](), 150);

function changed() {
  showPicture();
  if (chosenTab() !== "draw") showPanelSoon();
}

/**
 * @param {string} name
 * @param {{ focus?: boolean }} [options]
 */
function chooseTab(name, { focus = false } = {}) {
  stopPlaying();
  for (const tab of TABS) {
    const selected = tab === name;
    byId(`tab-${tab}`).setAttribute("aria-selected", String(selected));
    byId(`tab-${tab}`).tabIndex = selected ? 0 : -1;
    byId(`panel-${tab}`).hidden = !selected;
  }
  if (focus) byId(`tab-${name}`).focus();
  showPanel[name]();
}

/** @param {KeyboardEvent} event */
function onTabKeys(event) {
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (!step) return;
  event.preventDefault();
  chooseTab(TABS[(TABS.indexOf(chosenTab()) + step + TABS.length) % TABS.length], { focus: true });
}

// Controls

/**
 * Call `take` with the whole number of a field; anything else is refused with a message.
 * @param {"seed" | "index" | "to-seed"} id
 * @param {string} name
 * @param {bigint} most
 * @param {(value: string) => void} take
 */
function onWhole(id, name, most, take) {
  byId(id).addEventListener("change", () => {
    const text = byId(id).value.trim();
    if (/^\d{1,19}$/.test(text) && BigInt(text) <= most) take(String(BigInt(text)));
    else announce(`${name} is a whole number from 0 to ${most.toLocaleString("en-US")}.`);
    showFields();
  });
}

function showFields() {
  byId("seed").value = state.seed;
  byId("index").value = String(state.index);
  byId("to-seed").value = state.toSeed;
  setText(byId("psi-value"), String(state.psi));
}

/**
 * @param {string | number} value
 * @param {string} text
 */
const option = (value, text) => el("option", { value }, text);

function fillDigits() {
  const { classes } = plan;
  const many = classes.length > MAX_CHOICES;
  byId("digit").hidden = !conditional();
  byId("digits").hidden = many;
  byId("digit-list").hidden = !many;
  /** @param {Event} event */
  const choose = ({ target }) => {
    if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) state.digit = Number(target.value);
    changed();
  };
  if (many) byId("digit-list").replaceChildren(...classes.map((label) => option(label, title(label))));
  else
    byId("digits").replaceChildren(
      ...classes.map((value) =>
        el(
          "label",
          { class: "choice" },
          el("input", { type: "radio", name: "digit", value, checked: value === state.digit }),
          el("span", {}, title(value)),
        ),
      ),
    );
  byId("digits").addEventListener("change", choose);
  byId("digit-list").addEventListener("change", choose);
  byId("to-digit-field").hidden = !conditional();
  byId("to-digit").replaceChildren(...classes.map((label) => option(label, title(label))));
  byId("to-digit").value = String(state.toDigit);
  byId("judge-as-field").hidden = !conditional();
  byId("judge-as").replaceChildren(
    option("", "the label that it fits best"),
    ...classes.map((label) => option(label, named(label))),
  );
}

/**
 * @param {Exported.Direction} direction
 * @param {number} k
 */
function sliderOf(direction, k) {
  const id = `direction-${k}`;
  const value = el("span", { class: "value" }, "0");
  const input = el("input", {
    type: "range",
    id,
    min: -RANGE,
    max: RANGE,
    step: 0.1,
    value: 0,
    title: direction.explanation,
  });
  input.addEventListener("input", () => {
    state.amounts[k] = Number(input.value);
    setText(value, figure(state.amounts[k]));
    changed();
  });
  return el("div", { class: "slider" }, el("label", { for: id }, direction.name), value, input);
}

function fillSliders() {
  state.amounts = plan.directions.map(() => 0);
  const made = plan.directions.map(sliderOf);
  const unclear = plan.directions.map(({ name }) => UNCLEAR.test(name));
  byId("sliders").replaceChildren(...made.filter((_, k) => !unclear[k]));
  byId("other-sliders").replaceChildren(...made.filter((_, k) => unclear[k]));
  byId("others").hidden = !byId("other-sliders").hasChildNodes();
}

function wire() {
  const most = 2n ** 63n - 1n;
  onWhole("seed", "A seed", most, (value) => {
    state.seed = value;
    changed();
  });
  onWhole("index", "An image number", 1_000_000n, (value) => {
    state.index = Number(value);
    changed();
  });
  onWhole("to-seed", "A seed", most, (value) => {
    state.toSeed = value;
    showWay();
  });
  byId("another").addEventListener("click", () => {
    state.seed = String(Math.floor(100_000 * Math.random()));
    showFields();
    changed();
  });
  byId("next").addEventListener("click", () => {
    state.index += 1;
    showFields();
    changed();
  });
  byId("psi").addEventListener("input", () => {
    state.psi = Number(byId("psi").value);
    showFields();
    changed();
  });
  byId("reset").addEventListener("click", () => {
    state.psi = 1;
    byId("psi").value = "1";
    fillSliders();
    showFields();
    changed();
  });
  byId("to-digit").addEventListener("change", () => {
    state.toDigit = Number(byId("to-digit").value);
    showWay();
  });
  byId("place").addEventListener("input", () => {
    stopPlaying();
    state.place = Number(byId("place").value);
    showPlace();
  });
  byId("play").addEventListener("click", togglePlaying);
  byId("save").addEventListener("click", () => download(picture(), fileName()));
  byId("save-way").addEventListener("click", () =>
    download(paintAll(el("canvas"), wayImages(FILM), { columns: FILM, scale: 4 }), `${fileName()}-way`),
  );
  byId("judge-as").addEventListener("change", showDrawing);
  byId("undo").addEventListener("click", () => pad.undo());
  byId("clear").addEventListener("click", () => pad.clear());
  for (const tab of TABS) byId(`tab-${tab}`).addEventListener("click", () => chooseTab(tab));
  for (const tab of TABS) byId(`tab-${tab}`).addEventListener("keydown", onTabKeys);
}

/** For the browser's console, and for tests. */
const forConsole = () => ({
  /** Bytes of an image, [row][column][channel]. */
  sample: (
    /** @type {string | number} */ seed,
    /** @type {{ index?: number, digit?: number | null, psi?: number, amounts?: number[] }} */ options = {},
  ) => {
    const { index = 0, digit = plan.classes[0] ?? null, psi = 1, amounts = [] } = options;
    return model.draw(edited(String(seed), index, { psi, amounts }), digit === null ? null : embedded(digit));
  },
  latent: (/** @type {string | number} */ seed, /** @type {number} */ index) =>
    latent(String(seed), index, plan.generator.z_dim),
  score: (/** @type {Uint8ClampedArray} */ image, /** @type {number | null} */ label = null) =>
    model.score(image, label),
  fit: (/** @type {import("./fit.js").Point[][]} */ strokes) => fitStrokes(strokes, plan),
  plan,
});

function start() {
  load();
  state.digit = plan.classes.includes(3) ? 3 : (plan.classes[0] ?? 0);
  state.toDigit = plan.classes.find((each) => each > state.digit + 4) ?? plan.classes.at(-1) ?? 0;
  if (!conditional()) state.toSeed = "1";
  wall = new SampleWall(byId("tiles"), byId("more-samples"), {
    sheet,
    choose: (index) => {
      state.index = index;
      showFields();
      showPicture();
      byId("picture").scrollIntoView({ block: "nearest" });
    },
  });
  pad = new Pad(byId("pad"), { changed: showDrawing, pen: (message) => setText(byId("pen"), message) });
  fillDigits();
  fillSliders();
  wire();
  showFields();
  changed();
  Object.assign(globalThis, { mnistGan: forConsole() });
  document.documentElement.setAttribute("data-ready", "");
}

try {
  start();
} catch (error) {
  showError(error);
}
