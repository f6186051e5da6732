// The Runs page: a table of all runs, and two of them side by side. The address contains which two.

import { get, query, statusOf } from "./api.js";
import { DOTS, LineChart } from "./charts.js";
import { byId, showError, el, latest, setText } from "./dom.js";
import { describeTerms, term } from "./explain.js";
import { count, figure, images, isNumber } from "./format.js";
import { startPage } from "./shell.js";

const REFRESH_MS = 3000;

/** @type {string[]} */
let chosen = [];
/** @type {LineChart} */
let chart;

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

function sorted() {
  const order = ORDERS[byId("sort").value];
  return order ? [...listed].sort(order) : listed;
}

/**
 * A row of the table. Narrow screens show `data-label` in front of the cell.
 * @param {Api.RunRow} run
 */
function rowOf(run) {
  const box = el("input", { type: "checkbox", "aria-label": `Compare ${run.run}`, value: run.run });
  box.checked = chosen.includes(run.run);
  box.addEventListener("change", () => choose(run.run, box.checked));
  const links = [
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

const boxes = () => /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("#rows input"));

/**
 * At most two are chosen; a third replaces the first.
 * @param {string} run
 * @param {boolean} on
 */
function choose(run, on) {
  chosen = on ? [...chosen, run].slice(-2) : chosen.filter((other) => other !== run);
  for (const box of boxes()) box.checked = chosen.includes(box.value);
  writeAddress();
  compare().then(() => {
    if (on && chosen.length === 2) byId("comparison").scrollIntoView();
  });
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
  byId("table").hidden = runs.length === 0;
  byId("none").hidden = runs.length > 0;
}

async function refresh() {
  if (document.hidden) return;
  try {
    listed = (await get("/api/runs")).runs;
    fillTable(sorted());
  } catch (error) {
    if (statusOf(error) === 403) showError(error); // otherwise the next refresh may succeed
  }
}

const compare = latest(async () => {
  byId("comparison").hidden = chosen.length < 2;
  if (chosen.length < 2) return;
  const [a, b] = chosen;
  try {
    showComparison(await get(`/api/compare?${query({ a, b })}`));
    byId("comparison").dataset.shown = `${a} ${b}`;
  } catch (error) {
    showError(error);
  }
});

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

/** @param {Api.Comparison} compared */
function showComparison({ runs, figures, settings, rows }) {
  byId("sides").replaceChildren(...runs.map((run, k) => side(run, k)));
  const names = runs.map((run) => run.run);
  for (const place of ["name", "head", "set"])
    for (const [k, letter] of ["a", "b"].entries()) setText(byId(`${place}-${letter}`), names[k]);
  chart.series[0].name = names[0];
  chart.series[1].name = names[1];
  const measured = rows.map(distancesOf);
  const clock = [...new Set(measured.flatMap((distances) => [...distances.keys()]))].sort((x, y) => x - y);
  const floor = runs.find((run) => isNumber(run.floor))?.floor ?? null;
  chart.set(clock, [
    ...measured.map((distances) => clock.map((at) => distances.get(at) ?? null)),
    clock.map(() => floor),
  ]);
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

/**
 * @param {Api.RunRow} run
 * @param {number} k
 */
function side(run, k) {
  const picture = el("img", { class: "pixels board", width: 280, height: 224, alt: `Drawings of ${run.run}` });
  get(`/api/runs/${here(run.run)}/samples`)
    .then(({ samples }) => {
      const last = samples.at(-1);
      if (last) picture.src = `/api/runs/${here(run.run)}/samples/${last.epoch}.png`;
      else picture.alt = `${run.run} has no drawings yet`;
    })
    .catch(showError);
  return el(
    "figure",
    { class: "stack" },
    el("h3", { class: k ? "second" : "first" }, run.run),
    picture,
    el(
      "figcaption",
      { class: "small soft" },
      `${run.preset}, ${run.state}, ${count(run.cur_nimg)} images. ${run.diagnosis ? `Diagnosis: ${run.diagnosis.state}.` : ""}`,
    ),
  );
}

startPage(async () => {
  chart = new LineChart(byId("distances"), {
    x: images,
    xName: "images",
    log: true,
    series: [
      { name: "first", tone: "--accent", points: true },
      { name: "second", tone: "--soft", points: true, dash: DOTS },
      { name: "floor", tone: "--real", dash: [6, 4] },
    ],
  });
  const parameters = new URLSearchParams(location.search);
  const { runs } = await get("/api/runs");
  const names = new Set(runs.map((run) => run.run));
  chosen = [parameters.get("a") ?? "", parameters.get("b") ?? ""].filter((run) => names.has(run));
  listed = runs;
  byId("sort").addEventListener("change", () => fillTable(sorted()));
  fillTable(sorted());
  setInterval(refresh, REFRESH_MS);
  await compare();
});
