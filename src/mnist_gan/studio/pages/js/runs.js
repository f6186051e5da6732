// The Runs page: a table of all runs, two of them side by side, and a form for two new ones that differ in one setting.
// The address contains which two.

import { Aligned } from "./aligned.js";
import { get, listen, post, query, statusOf } from "./api.js";
import { DOTS, LineChart } from "./charts.js";
import { byId, showError, el, latest, setText, speak } from "./dom.js";
import { describeTerms, term } from "./explain.js";
import { count, figure, images, isNumber } from "./format.js";
import { PairForm } from "./pair.js";
import { startPage } from "./shell.js";

const REFRESH_MS = 3000;

/** @type {string[]} */
let chosen = [];
/** @type {ReturnType<typeof makeCharts>} */
let charts;
/** @type {Aligned} */
let aligned;
/** The newest comparison. @type {Api.Comparison | null} */
let compared = null;
/** Functions that close the event streams of the runs that are followed. @type {Map<string, () => void>} */
const streams = new Map();

/** @param {string} run */
const here = (run) => encodeURIComponent(run);

function writeAddress() {
  const [a, b] = chosen;
  const address = query({ a, b });
  history.replaceState(null, "", address ? `/runs?${address}` : "/runs");
}

/** @param {string} iso */
function day(iso) {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

/**
 * The newest drawings of a run, small; nothing before the first.
 * @param {Api.RunRow} run
 */
function thumbnail(run) {
  if (run.last_sample === null) return null;
  const src = `/api/runs/${here(run.run)}/samples/${run.last_sample}.png`;
  return el("img", { class: "thumb", src, alt: "", width: 60, height: 48, loading: "lazy" });
}

/**
 * Orders of the table by the value of `#sort`; the server sends the newest first.
 * @type {Record<string, ((a: Api.RunRow, b: Api.RunRow) => number) | null>}
 */
const ORDERS = {
  newest: null,
  name: (a, b) => a.run.localeCompare(b.run, "en", { numeric: true }),
  distance: (a, b) => (a.best_distance ?? Infinity) - (b.best_distance ?? Infinity),
  images: (a, b) => b.cur_nimg - a.cur_nimg,
};

/** @type {Api.RunRow[]} */
let listed = [];

/** Runs in the chosen order; of those, the ones that have every word of the search. */
function sorted() {
  const order = ORDERS[byId("sort").value];
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (/** @type {Api.RunRow} */ run) =>
    [run.run, run.preset, run.data, run.state, run.diagnosis?.state, run.note].join(" ").toLowerCase();
  const found = words.length ? listed.filter((run) => words.every((word) => text(run).includes(word))) : listed;
  setText(byId("find-told"), words.length ? `${count(found.length)} of ${count(listed.length)}` : "");
  return order ? [...found].sort(order) : found;
}

/**
 * A row of the table. Narrow screens show `data-label` in front of the cell.
 * @param {Api.RunRow} run
 */
function rowOf(run) {
  const box = el("input", { type: "checkbox", "aria-label": `Compare ${run.run}`, value: run.run });
  box.checked = chosen.includes(run.run);
  box.addEventListener("change", () => choose(run.run, box.checked));
  const note = el("button", { type: "button", class: "link", "aria-label": `Note about ${run.run}` }, "Note");
  note.addEventListener("click", () => editNote(run));
  const links = [
    run.total_nimg > 0 || run.problem ? note : null,
    !run.problem &&
      el(
        "a",
        { href: `/runs?${query({ run: run.run })}`, "aria-label": `Try ${run.run} with one difference` },
        "One difference",
      ),
    run.has_model &&
      el("a", { href: `/explore?${query({ model: run.run })}`, "aria-label": `Explore ${run.run}` }, "Explore"),
    run.has_report &&
      el(
        "a",
        {
          href: `/api/runs/${here(run.run)}/report`,
          target: "_blank",
          rel: "noopener",
          "aria-label": `Report of ${run.run}`,
        },
        "Report",
      ),
  ].filter((link) => link instanceof Node);
  const best = isNumber(run.best_distance) ? figure(run.best_distance) : "–";
  return el(
    "tr",
    {},
    el("td", { class: "words pick" }, box),
    el(
      "th",
      { scope: "row", class: "words" },
      thumbnail(run),
      el("a", { href: `/train?${query({ run: run.run })}` }, run.run),
      el("span", { class: "under" }, `${run.preset}, ${day(run.updated)}`),
      run.note ? el("span", { class: "under written" }, run.note) : null,
    ),
    el("td", { class: "words", "data-label": "State" }, run.state),
    el("td", { "data-label": "Images" }, count(run.cur_nimg)),
    el(
      "td",
      { "data-label": "Best distance" },
      best,
      isNumber(run.floor) ? el("span", { class: "under" }, `floor ${figure(run.floor)}`) : null,
    ),
    el(
      "td",
      { class: "words", "data-label": "Diagnosis", title: run.diagnosis?.evidence?.join("; ") ?? run.problem },
      run.diagnosis?.state ?? "–",
    ),
    el(
      "td",
      { class: "words open", "data-label": "Open" },
      ...links.flatMap((link, k) => (k ? [" · ", link] : [link])),
    ),
  );
}

/** Run whose note is being edited. @type {string} */
let noted = "";

/** @param {Api.RunRow} run */
function editNote(run) {
  noted = run.run;
  setText(byId("note-title"), `Note about ${run.run}`);
  byId("note").value = run.note;
  byId("note-dialog").showModal();
}

/** @param {SubmitEvent} event */
async function saveNote(event) {
  event.preventDefault(); // the dialog stays open if the server refuses
  try {
    await post(`/api/runs/${here(noted)}/note`, { note: byId("note").value });
    byId("note-dialog").close();
    await refresh();
  } catch (error) {
    byId("note-dialog").close(); // a message would be behind it
    showError(error);
  }
}

const boxes = () => /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("#rows input"));

/**
 * At most two are chosen; a third replaces the first.
 * @param {string} run
 * @param {boolean} on
 */
function choose(run, on) {
  show(on ? [...chosen, run].slice(-2) : chosen.filter((other) => other !== run)).then(() => {
    if (on && chosen.length === 2) byId("comparison").scrollIntoView();
  });
}

/**
 * Choose runs, and compare them if they are two.
 * @param {string[]} runs
 */
function show(runs) {
  chosen = runs;
  for (const box of boxes()) box.checked = chosen.includes(box.value);
  writeAddress();
  aligned.reset();
  compared = null;
  follow();
  return compare();
}

/** Follow the two chosen runs as long as they train. */
function follow() {
  const training = listed.filter(({ run, active }) => active && chosen.length === 2 && chosen.includes(run));
  const names = training.map(({ run }) => run);
  for (const run of streams.keys()) if (!names.includes(run)) unfollow(run);
  for (const run of names) if (!streams.has(run)) streams.set(run, followed(run));
}

/** @param {string} run */
function unfollow(run) {
  streams.get(run)?.();
  streams.delete(run);
}

/**
 * Listen to a run. What its events leave out, such as the kept drawings, is asked for with each new row.
 * @param {string} run
 */
function followed(run) {
  const again = () => compare();
  const lost = (/** @type {boolean} */ gone) => {
    if (!gone) return; // the browser reconnects by itself
    unfollow(run); // the next refresh tries again
    again();
  };
  return listen(
    `/api/runs/${here(run)}/events`,
    {
      row: again,
      rows: again,
      reset: again,
      state(status) {
        if (!status.active) refresh();
        else showProgress(run, status);
      },
      live({ cur_nimg, version, scores }) {
        const k = chosen.indexOf(run);
        aligned.setNewest(k, { cur_nimg, picture: `/api/runs/${here(run)}/live.png?v=${version}`, scores });
        if (!aligned.moments[k].length) again();
      },
    },
    { whileVisible: true, lost },
  );
}

/**
 * @param {string} run
 * @param {Api.RunStatus} status
 */
function showProgress(run, { state, cur_nimg }) {
  const row = compared?.runs.find((each) => each.run === run);
  if (!row) return;
  Object.assign(row, { state, cur_nimg });
  showStates();
}

function showStates() {
  const states = compared?.runs.map((run) => `${run.run} is ${run.state} after ${count(run.cur_nimg)} images`);
  if (states) setText(byId("states"), `${states.join("; ")}.`);
}

/**
 * Rows of the table by run, with the response that they show.
 * @type {Map<string, { text: string, element: HTMLTableRowElement }>}
 */
const known = new Map();

/**
 * Show all runs; rows that have not changed stay, with the focus in them.
 * @param {Api.RunRow[]} runs
 */
function fillTable(runs) {
  const rows = runs.map((run) => {
    const text = JSON.stringify(run);
    const row = known.get(run.run);
    if (row?.text === text) return row.element;
    const focused = row?.element.contains(document.activeElement);
    const element = rowOf(run);
    known.set(run.run, { text, element });
    if (focused) requestAnimationFrame(() => element.querySelector("input")?.focus());
    return element;
  });
  const body = /** @type {HTMLTableSectionElement} */ (byId("rows"));
  if (rows.length !== body.rows.length || rows.some((row, k) => row !== body.rows[k])) body.replaceChildren(...rows);
  byId("table").hidden = listed.length === 0;
  byId("none").hidden = listed.length > 0;
}

async function refresh() {
  if (document.hidden) return;
  try {
    listed = (await get("/api/runs")).runs;
    fillTable(sorted());
    follow();
    if (!compared || compared.runs.some(({ run, active }) => active && !streams.has(run))) await compare();
  } catch (error) {
    if (statusOf(error) === 403) showError(error); // otherwise the next refresh may succeed
  }
}

const compare = latest(async () => {
  byId("comparison").hidden = chosen.length < 2;
  if (chosen.length < 2 || isGettingReady()) return;
  const [a, b] = chosen;
  try {
    const found = await get(`/api/compare?${query({ a, b })}`);
    const moments = await Promise.all(chosen.map((run) => get(`/api/runs/${here(run)}/moments`)));
    if (chosen[0] !== a || chosen[1] !== b) return;
    compared = found;
    showComparison(found);
    aligned.update(
      moments.map((each) => each.moments),
      found.runs.map(({ active }) => active),
    );
    byId("comparison").dataset.shown = `${a} ${b}`;
  } catch (error) {
    showError(error);
  }
});

/** True, with a sentence on the page, until both chosen runs have a folder. */
function isGettingReady() {
  const waiting = listed.filter((run) => chosen.includes(run.run) && run.total_nimg === 0);
  const failed = waiting.find((run) => !run.active);
  const told = failed
    ? `${failed.run} has failed: ${failed.problem}`
    : "Getting ready: loading the program and the data.";
  setText(byId("states"), waiting.length ? told : "");
  byId("compared").hidden = waiting.length > 0;
  return waiting.length > 0;
}

/**
 * Start a pair, and show it.
 * @param {Api.PairSide} first
 * @param {Api.PairSide} second
 */
async function startPair(first, second) {
  byId("pair-start").disabled = true;
  try {
    const { a, b, difference } = await post("/api/pair", { first, second });
    byId("pair").open = false;
    await refresh();
    await show([a, b]);
    byId("comparison-title").focus({ preventScroll: true });
    byId("comparison").scrollIntoView();
    speak(difference);
  } catch (error) {
    showError(error);
  } finally {
    byId("pair-start").disabled = false;
  }
}

/** @param {Record<string, number>[]} rows */
function distancesOf(rows) {
  /** @type {Map<number, number>} */
  const distances = new Map();
  for (const row of rows) {
    const name = Object.keys(row).find((field) => /^Metric\/(fd|energy)/.test(field));
    if (name !== undefined) distances.set(row.cur_nimg, row[name]);
  }
  return distances;
}

/**
 * Columns of a chart of both runs over the images seen.
 * @param {Map<number, number>[]} measured
 */
function overImages(measured) {
  const clock = [...new Set(measured.flatMap((values) => [...values.keys()]))].sort((x, y) => x - y);
  return { clock, columns: measured.map((values) => clock.map((at) => values.get(at) ?? null)) };
}

/**
 * Values of a function of the rows by images seen; rows without it are left out.
 * @param {Record<string, number>[]} rows
 * @param {(row: Record<string, number>) => number} value
 */
const valuesOf = (rows, value) =>
  new Map(rows.map((row) => /** @type {const} */ ([row.cur_nimg, value(row)])).filter(([, found]) => isNumber(found)));

/** Lines of the charts that are not evaluations. */
const LINES = /** @type {const} */ ({
  gaps: (/** @type {Record<string, number>} */ row) => row["Loss/scores/real"] - row["Loss/scores/fake"],
  "g-losses": (/** @type {Record<string, number>} */ row) => row["Loss/G/loss"],
  "d-losses": (/** @type {Record<string, number>} */ row) => row["Loss/D/loss"],
});

/**
 * Draw all charts, with a mark at the number of images that is shown.
 * @param {number} at
 */
function drawCharts(at) {
  if (!compared) return;
  const { rows, runs } = compared;
  const distances = overImages(rows.map(distancesOf));
  const floor = runs.find((run) => isNumber(run.floor))?.floor ?? null;
  charts.distances.set(distances.clock, [...distances.columns, distances.clock.map(() => floor)], [at]);
  for (const id of /** @type {const} */ (["gaps", "g-losses", "d-losses"])) {
    const { clock, columns } = overImages(rows.map((each) => valuesOf(each, LINES[id])));
    charts[id].set(clock, columns, [at]);
  }
}

/** @param {Api.Comparison} found */
function showComparison({ runs, difference, figures, settings }) {
  for (const [k, run] of runs.entries()) setText(byId(k ? "side-b" : "side-a"), run.run);
  setText(byId("differs"), difference);
  showStates();
  for (const place of ["head", "set"])
    for (const [k, letter] of ["a", "b"].entries()) setText(byId(`${place}-${letter}`), runs[k].run);
  const body = byId("figures").tBodies[0];
  body.replaceChildren(...figures.map(figureRow));
  describeTerms(body);
  byId("settings").tBodies[0].replaceChildren(
    ...settings.map(({ name, a, b }) =>
      el("tr", {}, el("th", { scope: "row" }, breakable(name)), el("td", {}, shown(a)), el("td", {}, shown(b))),
    ),
  );
  byId("same-settings").hidden = settings.length > 0;
  byId("settings").hidden = settings.length === 0;
}

/**
 * The name of a setting, which breaks between its words only.
 * @param {string} name
 */
const breakable = (name) => el("code", {}, ...name.split(/(?<=[._])/).flatMap((word) => [word, el("wbr")]));

/** @param {unknown} value */
const shown = (value) =>
  value === null || value === undefined ? "–" : Array.isArray(value) ? value.join(", ") : String(value);

/** @param {Api.FigureRow} row */
function figureRow({ name, title, explanation, a, b, better }) {
  /**
   * @param {number | null} value
   * @param {"a" | "b"} letter
   */
  const cell = (value, letter) =>
    el(
      "td",
      { class: better === letter ? "better" : undefined },
      figure(value),
      better === letter ? el("span", { class: "visually-hidden" }, " (better)") : null,
    );
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, term(`figure ${name}`, title, explanation)),
    cell(a, "a"),
    cell(b, "b"),
  );
}

function makeCharts() {
  const clock = { x: images, xName: "images" };
  /** @param {string} name @param {string} tone @param {{ points?: boolean, dash?: number[] }} more */
  const line = (name, tone, more) => ({ name, tone, ...more });
  const both = (/** @type {boolean} */ points) => [
    line("first", "--accent", { points }),
    line("second", "--soft", { points, dash: DOTS }),
  ];
  const floor = line("floor", "--real", { dash: [6, 4] });
  return {
    distances: new LineChart(byId("distances"), { ...clock, log: true, series: [...both(true), floor] }),
    gaps: new LineChart(byId("gaps"), { ...clock, series: both(false) }),
    "g-losses": new LineChart(byId("g-losses"), { ...clock, series: both(false) }),
    "d-losses": new LineChart(byId("d-losses"), { ...clock, series: both(false) }),
  };
}

startPage(async () => {
  charts = makeCharts();
  aligned = new Aligned(drawCharts);
  const parameters = new URLSearchParams(location.search);
  const [{ runs }, options] = await Promise.all([get("/api/runs"), get("/api/presets")]);
  const names = new Set(runs.map((run) => run.run));
  chosen = [parameters.get("a") ?? "", parameters.get("b") ?? ""].filter((run) => names.has(run));
  listed = runs;
  byId("sort").addEventListener("change", () => fillTable(sorted()));
  byId("find").addEventListener("input", () => fillTable(sorted()));
  byId("note-form").addEventListener("submit", (event) => saveNote(event));
  byId("note-cancel").addEventListener("click", () => byId("note-dialog").close());
  fillTable(sorted());
  const form = new PairForm(
    options,
    runs.filter((run) => !run.problem).map((run) => run.run),
    startPair,
    async (run) => (await get(`/api/runs/${here(run)}`)).settings,
  );
  byId("pair").open = await form.read(parameters);
  setInterval(refresh, REFRESH_MS);
  follow();
  await compare();
});
