// The Plane page: a game on points of the plane. The address contains its settings.

import { get, query } from "./api.js";
import { Board } from "./board.js";
import { DOTS, LineChart } from "./charts.js";
import { announce, byId, el, latest, setText, showError, speak } from "./dom.js";
import { describeTerms, term } from "./explain.js";
import { makeField, readField, reveal, showField } from "./fields.js";
import { count, figure, images, isNumber, percent } from "./format.js";
import { Game } from "./game.js";
import { Pad } from "./pad.js";
import { startPage } from "./shell.js";
import { describeMove, describePicture } from "./told.js";

const MAX_POINTS = 600;
/** The best possible D takes longer than all the rest, so a game that plays shows it a few times a second. */
const OPTIMUM_MS = 400;
/** Time between two moves in slow motion. */
const SLOW_MS = 700;
const TOLD_MS = 500;
const CHART_MS = 300;
const PAD_SIDE = 280;
const LAYERS = /** @type {const} */ (["real", "points", "field", "arrows", "lines", "average"]);
const MOVES = /** @type {const} */ (["play", "step", "reset", "move-d", "move-g"]);

/** Recordings of a game for the charts: clock, losses of G and D, modes and quality. */
const nothingYet = () => ({
  clock: /** @type {number[]} */ ([]),
  losses: /** @type {(number | null)[][]} */ ([[], []]),
  coverage: /** @type {(number | null)[][]} */ ([[], []]),
});

/** @type {Game} */
let game;
/** @type {Api.PlaneInfo} */
let about;
/** @type {Map<string, import("./fields.js").Input>} */
const inputs = new Map();
let past = nothingYet();
/** @type {{ losses: LineChart, coverage: LineChart }} */
let charts;
/** @type {Board} */
let board;
/** @type {Board} */
let optimumBoard;
/** @type {Pad} */
let pad;
/** @type {[number, number][][]} */
let strokes = [];
let playing = false;
/** @type {import("./game.js").Picture | null} */
let picture = null;
let lastOptimum = 0;
let lastTold = 0;
let lastChart = 0;

const recipe = () => about.data.find((each) => each.name === byId("data").value) ?? about.data[0];
const checked = (/** @type {(typeof LAYERS)[number]} */ layer) => byId(`show-${layer}`).checked;
const inputOf = (/** @type {Api.PlaneField} */ { name }) =>
  /** @type {import("./fields.js").Input} */ (inputs.get(name));

// Settings

/** Settings that differ from those of the data; null after a message if one is not a number. */
function changes() {
  /** @type {Record<string, string | number | boolean | null>} */
  const found = {};
  for (const field of about.fields) {
    const value = readField(field, inputOf(field));
    if (Number.isNaN(value)) {
      announce(`${field.title} must be a number.`);
      reveal(inputOf(field));
      return null;
    }
    if (!Object.is(value, recipe().values[field.name])) found[field.name] = value;
  }
  return found;
}

/** Number of training points; undefined for all. */
const limit = () => (byId("limit").value ? Number(byId("limit").value) : undefined);
const width = () => (Number(byId("width").value) === recipe().width ? undefined : Number(byId("width").value));

/**
 * @param {Record<string, unknown>} values
 * @param {string | number | null | undefined} chosenWidth
 * @param {string | number | null | undefined} chosenLimit
 */
function showSettings(values, chosenWidth, chosenLimit) {
  for (const field of about.fields) {
    const input = inputOf(field);
    showField(field, input, values[field.name] ?? recipe().values[field.name]);
    input.closest(".field")?.classList.toggle("changed", values[field.name] !== undefined);
  }
  byId("width").value = String(chosenWidth ?? recipe().width);
  byId("width-field").classList.toggle("changed", width() !== undefined);
  byId("limit").value = about.limits.includes(Number(chosenLimit)) ? String(chosenLimit) : "";
  byId("limit-field").classList.toggle("changed", limit() !== undefined);
}

/** @param {Record<string, string | number | boolean | null>} changed */
function writeAddress(changed) {
  const address = query({ data: byId("data").value, ...changed, width: width(), limit: limit() });
  history.replaceState(null, "", `/plane?${address}`);
  byId("command").replaceChildren(...commandOf(changed));
}

/** Options of a training without an end, as a game is. */
const ENDLESS = "--optimizer.decay constant --optimizer.warmup-nimg 0";

/**
 * The command that trains a run with these settings.
 * @param {Record<string, unknown>} changed
 */
function commandOf(changed) {
  const data = byId("data").value;
  const isSketch = data === about.sketch;
  const words = isSketch ? ["points", "--data.file YOUR-POINTS.csv"] : [data, ENDLESS];
  const options = Object.entries(changed).map(([name, value]) => ` --${name.replaceAll("_", "-")} ${value}`);
  if (limit()) options.push(` --data.limit ${limit()}`);
  return [["mnist-gan", "train", ...words].join(" "), ...(isSketch ? [] : options)];
}

/** @param {Api.PlaneField} field */
async function settingChanged(field) {
  const changed = changes();
  if (!changed) return;
  inputOf(field)
    .closest(".field")
    ?.classList.toggle("changed", field.name in changed);
  writeAddress(changed);
  if (!field.live) {
    await begin();
    return;
  }
  try {
    showRecord(await game.change({ [field.name]: readField(field, inputOf(field)) }));
    if (!playing) await show("step", 0);
  } catch (error) {
    showError(error);
    showSettings(changed, width(), limit());
  }
}

/** @param {Api.RecordedMove[]} record */
function showRecord(record) {
  const titles = new Map(about.fields.map((field) => [field.name, field.title]));
  const kinds = { step: "step", D: "step of D", G: "step of G" };
  const text = (/** @type {Api.RecordedMove} */ { kind, count: times, changes: made }) =>
    kind === "change"
      ? Object.entries(made)
          .map(([name, value]) => `${titles.get(name) ?? name} is now ${value}`)
          .join("; ")
      : `${count(times)} ${kinds[kind].replace("step", times === 1 ? "step" : "steps")}`;
  byId("record").replaceChildren(...record.map((move) => el("li", {}, text(move))));
}

// Playing

/** Begin a new game with the settings of the page. */
const begin = latest(async () => {
  const changed = changes();
  if (!changed) return;
  stop();
  if (byId("data").value === about.sketch && !strokes.length) {
    sketch(true);
    return;
  }
  try {
    const before = game;
    game = await Game.begin({ data: byId("data").value, changes: changed, width: width(), limit: limit(), strokes });
    before?.end();
  } catch (error) {
    showError(error);
    return;
  }
  sketch(false);
  writeAddress(changed);
  past = nothingYet();
  board.reset();
  optimumBoard.reset();
  byId("record").replaceChildren();
  for (const id of MOVES) byId(id).disabled = false;
  await show("step", 0);
});

/** @param {boolean} withOptimum */
function view(withOptimum) {
  return {
    field: true,
    lines: checked("lines"),
    average: checked("average"),
    optimum: withOptimum,
  };
}

/**
 * Make moves and fetch the picture after them; `whole`: with the best possible D. Null if the game cannot go on.
 * @param {"step" | "D" | "G"} kind
 * @param {number} moves
 * @param {boolean} whole
 */
async function ask(kind, moves, whole = true) {
  const withOptimum = playing ? performance.now() - lastOptimum > OPTIMUM_MS : whole;
  if (withOptimum) lastOptimum = performance.now();
  const of = game;
  try {
    const shown = await of.play(kind, moves, view(withOptimum));
    return of === game ? shown : null;
  } catch (error) {
    stop();
    showError(error);
    return null;
  }
}

/**
 * Make moves and show the picture after them. Returns false if the game cannot go on.
 * @param {"step" | "D" | "G"} kind
 * @param {number} moves
 */
async function show(kind, moves, { whole = true } = {}) {
  const shown = await ask(kind, moves, whole);
  if (shown) draw(shown, moves > 0);
  return shown !== null;
}

/**
 * @param {import("./game.js").Picture} shown
 * @param {boolean} moved
 */
function draw(shown, moved) {
  const { arrays, figures } = shown;
  picture = shown;
  board.draw({
    field: checked("field") ? arrays.field : undefined,
    boundary: figures.boundary,
    real: checked("real") ? game.real : undefined,
    points: checked("points") ? arrays.points : undefined,
    arrows: checked("arrows") ? arrays.arrows : undefined,
    lines: arrays.lines,
  });
  showFigures(figures, arrays);
  if (moved) remember(figures);
}

/**
 * @param {Record<string, number | null>} figures
 * @param {Record<string, Float32Array>} arrays
 */
function showFigures(figures, arrays) {
  setText(byId("moves"), `${count(figures.d_moves)} and ${count(figures.g_moves)}`);
  setText(byId("moves-beside"), `${images(figures.cur_nimg ?? 0)} points seen`);
  setText(byId("modes"), isNumber(figures.modes) ? count(figures.modes) : "–");
  setText(
    byId("modes-beside"),
    isNumber(figures.all_modes) ? `of ${figures.all_modes}; points near ${figures.reached}` : "no groups here",
  );
  setText(byId("quality"), percent(figures.quality));
  setText(byId("slope"), figure(figures.slope));
  setText(byId("d-loss"), figure(figures["Loss/D/loss"]));
  setText(byId("g-loss"), figure(figures["Loss/G/loss"]));
  byId("copying-figure").hidden = limit() === undefined; // of few points, each of which can be copied
  if ("copying" in figures) setText(byId("copying"), figure(figures.copying));
  if ("optimum" in arrays || "least_d_loss" in figures) showOptimum(figures, arrays.optimum);
  if (!playing || performance.now() - lastTold > TOLD_MS) {
    lastTold = performance.now();
    setText(byId("told"), describePicture(figures, arrays));
  }
}

/**
 * @param {Record<string, number | null>} figures
 * @param {Float32Array | undefined} optimum
 */
function showOptimum(figures, optimum) {
  setText(
    byId("d-loss-beside"),
    isNumber(figures.least_d_loss) ? `least possible ${figure(figures.least_d_loss)}` : "",
  );
  byId("optimum").hidden = !optimum;
  if (!optimum) {
    setText(byId("optimum-told"), "This loss has no best D: it falls without end unless a penalty bounds the slope.");
    return;
  }
  optimumBoard.draw({ field: optimum, boundary: figures.boundary, limit: board.limit, zeroLine: false });
  setText(
    byId("optimum-told"),
    "From the exact densities of both kinds, without penalties, in the colours of the plane. Blank: no points.",
  );
}

/**
 * Add the newest figures to the charts; a long game keeps every second point.
 * @param {Record<string, number | null>} figures
 */
function remember(figures) {
  const { clock, losses, coverage } = past;
  clock.push(figures.cur_nimg ?? 0);
  losses[0].push(figures["Loss/G/loss"] ?? null);
  losses[1].push(figures["Loss/D/loss"] ?? null);
  const { modes, all_modes: all } = figures;
  coverage[0].push(isNumber(modes) && isNumber(all) ? modes / all : null);
  coverage[1].push(figures.quality);
  if (clock.length > MAX_POINTS) {
    const half = (/** @type {(number | null)[]} */ values) => values.filter((_, k) => k % 2);
    past = { clock: clock.filter((_, k) => k % 2), losses: losses.map(half), coverage: coverage.map(half) };
  }
  if (!playing || performance.now() - lastChart > CHART_MS) showCharts();
}

function showCharts() {
  lastChart = performance.now();
  charts.losses.set(past.clock, past.losses);
  charts.coverage.set(past.clock, past.coverage);
}

/**
 * A single move, told to screen readers.
 * @param {"step" | "D" | "G"} kind
 */
async function move(kind) {
  stop();
  const before = picture;
  if (!(await show(kind, 1, { whole: false })) || !picture) return; // the moved points first, what takes longer after them
  const told = describeMove(kind, before, picture);
  speak(told);
  await show("step", 0);
  setText(byId("told"), told);
  await showGameRecord();
}

async function showGameRecord() {
  showRecord(await game.record());
}

const pace = () => document.querySelector("input[name=pace]:checked")?.getAttribute("value");
const pause = (/** @type {number} */ milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const nextFrame = () => new Promise(requestAnimationFrame);

/**
 * Make whole steps until something changes; the server computes the next picture while this one is drawn. Returns false
 * if the game cannot go on.
 * @param {Game} of
 */
async function playSteps(of) {
  let next = ask("step", Number(pace()));
  for (;;) {
    const shown = await next;
    if (!shown) return false;
    const goesOn = playing && of === game && !document.hidden && pace() !== "slow";
    if (goesOn) next = ask("step", Number(pace()));
    draw(shown, true);
    await nextFrame();
    if (!goesOn) return true;
  }
}

async function play() {
  playing = true;
  setText(byId("play"), "Pause");
  const of = game;
  /** @type {"D" | "G"} */
  let turn = "D";
  while (playing && of === game) {
    if (document.hidden) {
      await pause(SLOW_MS);
      continue;
    }
    if (pace() === "slow") {
      if (!(await show(turn, 1))) break;
      turn = turn === "D" ? "G" : "D";
      await pause(SLOW_MS);
    } else if (!(await playSteps(of))) break;
  }
}

function stop() {
  if (!playing) return;
  playing = false;
  setText(byId("play"), "Play");
}

/** Stop, and complete the picture with what a game that plays shows less often. */
async function halt() {
  stop();
  await show("step", 0);
  showCharts();
  await showGameRecord();
}

// Drawing real points

/**
 * Show the drawing pad in place of the plane, or the plane.
 * @param {boolean} on
 */
function sketch(on) {
  byId("sketch").hidden = !on;
  byId("sketching").hidden = !on;
  byId("plane").hidden = on;
  for (const id of MOVES) byId(id).disabled = on;
  if (on) setText(byId("told"), "Draw the real points: lines, or dots by single clicks. The generator learns them.");
}

async function useSketch() {
  /** @type {(point: number[]) => [number, number]} */
  const unit = ([x, y]) => [(2 * x) / PAD_SIDE - 1, 1 - (2 * y) / PAD_SIDE];
  strokes = pad.drawing().strokes.map((stroke) => stroke.map(unit));
  if (!strokes.length) {
    announce("Draw something first.");
    return;
  }
  await begin();
}

// Page

/** @type {Record<string, (typeof MOVES)[number]>} */
const KEYS = { " ": "play", s: "step", d: "move-d", g: "move-g", r: "reset" };

function listenToKeys() {
  byId("plane").addEventListener("keydown", (event) => {
    const id = KEYS[event.key.toLowerCase()];
    if (!id || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    byId(id).click();
  });
}

function fillForm() {
  byId("data").append(...about.data.map(({ name, title }) => el("option", { value: name }, title)));
  byId("width").append(...about.widths.map((each) => el("option", { value: each }, String(each))));
  byId("limit").append(...about.limits.map((each) => el("option", { value: each }, count(each))));
  for (const field of about.fields) {
    const { element, input } = makeField(field, term);
    inputs.set(field.name, input);
    input.addEventListener("change", () => settingChanged(field).catch(showError));
    byId(field.advanced ? "advanced" : "fields").append(element);
  }
  describeTerms(byId("fields"));
  describeTerms(byId("advanced"));
}

/** Data, changed settings, width and number of points of the address. */
function readAddress() {
  const parameters = new URLSearchParams(location.search);
  const data = parameters.get("data");
  byId("data").value = about.data.find(({ name }) => name === data)?.name ?? about.data[0].name;
  /** @type {Record<string, unknown>} */
  const values = {};
  for (const field of about.fields) {
    const text = parameters.get(field.name);
    if (text !== null) values[field.name] = field.kind === "choice" ? text : Number(text);
  }
  showSettings(values, parameters.get("width"), parameters.get("limit"));
}

startPage(async () => {
  about = await get("/api/plane");
  board = new Board(byId("plane"));
  optimumBoard = new Board(byId("optimum"));
  pad = new Pad(byId("sketch"), { changed: () => {}, pen: speak, width: 9 });
  const clock = { x: images, xName: "points seen" };
  charts = {
    losses: new LineChart(byId("losses"), {
      ...clock,
      series: [
        { name: "generator", tone: "--generated" },
        { name: "discriminator", tone: "--accent", dash: DOTS },
      ],
    }),
    coverage: new LineChart(byId("coverage"), {
      ...clock,
      from: 0,
      to: 1,
      series: [
        { name: "modes", tone: "--accent", dash: DOTS },
        { name: "high quality", tone: "--generated" },
      ],
    }),
  };
  fillForm();
  readAddress();
  listenToKeys();
  byId("settings").addEventListener("submit", (event) => event.preventDefault());
  byId("play").addEventListener("click", () => (playing ? halt() : play()).catch(showError));
  byId("step").addEventListener("click", () => move("step").catch(showError));
  byId("move-d").addEventListener("click", () => move("D").catch(showError));
  byId("move-g").addEventListener("click", () => move("G").catch(showError));
  byId("reset").addEventListener("click", () => begin().catch(showError));
  byId("data").addEventListener("change", () => {
    strokes = [];
    showSettings({}, null, null);
    begin().catch(showError);
  });
  for (const id of /** @type {const} */ (["width", "limit"]))
    byId(id).addEventListener("change", () => begin().catch(showError));
  byId("use-sketch").addEventListener("click", () => useSketch().catch(showError));
  byId("clear-sketch").addEventListener("click", () => pad.clear());
  for (const layer of LAYERS)
    byId(`show-${layer}`).addEventListener("change", () => game && !playing && show("step", 0).catch(showError));
  addEventListener("pagehide", () => game?.end());
  await begin();
});
