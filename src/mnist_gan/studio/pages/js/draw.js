// The Draw page: a drawing, what both networks say of it, and the generator's version of it.

import { get, listen, post, remove } from "./api.js";
import { DigitChart, LineChart } from "./charts.js";
import { announce, byId, complain, debounce, el, latest, say } from "./dom.js";
import { count, figure, percent } from "./format.js";
import { fillModels } from "./models.js";
import { Pad } from "./pad.js";
import { blank, paint, paintOpinion } from "./pictures.js";
import { startPage } from "./shell.js";
import { TEMPLATES } from "./templates.js";

let pad = null;
let charts = null;
let judged = null;
let job = null;
let stopListening = () => {};
let errors = [];
/** Counts the drawings, so that an answer about an old one is not shown beside a new one. */
let drawing = 0;

const asked = () => {
  const label = byId("label").value;
  return { ...pad.drawing(), model: byId("model").value, label: label === "" ? null : Number(label) };
};

// Judging

const fit = latest(async () => {
  if (!pad.strokes.length) return;
  const of = drawing;
  try {
    const { image } = await post("/api/draw/fit", pad.drawing());
    if (of === drawing || pad.stroke) paint(byId("fitted"), image);
  } catch (error) {
    if (error.status !== 400) complain(error);
  }
});

const judge = latest(async () => {
  if (!pad.strokes.length) return;
  const of = drawing;
  try {
    const answer = await post("/api/draw/judge", asked());
    if (of === drawing) showJudgement(answer);
  } catch (error) {
    complain(error);
  }
});

const judgeSoon = debounce(judge, 250);

function showJudgement(answer) {
  judged = answer;
  const { image, reading, opinion, attribution, nearest, steps } = answer;
  paint(byId("fitted"), image);
  say(byId("probability"), percent(opinion.probability_real));
  say(byId("probability-beside"), opinion.label === null ? "real handwriting" : `a real ${opinion.label}`);
  say(byId("logit"), figure(opinion.logit));
  say(byId("logit-beside"), opinion.probability_real >= 0.5 ? "on the side of real" : "on the side of generated");
  say(byId("read"), String(reading.digit));
  say(byId("read-beside"), `${percent(reading.probabilities[reading.digit])} sure`);
  byId("needle").hidden = false;
  byId("needle").style.left = `${100 * opinion.probability_real}%`;
  const from = `A black image would score ${figure(attribution.baseline_logit)}; the coloured pixels make the difference.`;
  say(byId("words"), `${opinion.words} ${from}`);
  paintOpinion(byId("why"), attribution.values, image, attribution.max_abs);
  byId("fitted").title = steps.join(", ");
  charts.readings.set([reading.probabilities]);
  showNearest(nearest);
  byId("invert").disabled = false;
  if (!job) say(byId("search-words"), "Ready to search.");
  byId("results").dataset.judged = String(drawing);
}

function showNearest({ images, words, unavailable }) {
  say(byId("nearest-words"), unavailable ?? words);
  const shown = images.map((near) => {
    const canvas = el("canvas", { class: "pixels square", role: "img", "aria-label": `A real ${near.digit}` });
    paint(canvas, { side: 28, pixels: near.pixels });
    return el("li", {}, el("figure", {}, canvas, el("figcaption", {}, `a ${near.digit}, no. ${count(near.index)}`)));
  });
  byId("nearest").replaceChildren(...shown);
}

function forgetJudgement() {
  judged = null;
  for (const id of ["fitted", "why"]) blank(byId(id));
  for (const id of ["probability", "logit", "read"]) {
    say(byId(id), "–");
    say(byId(`${id}-beside`), "");
  }
  byId("needle").hidden = true;
  byId("invert").disabled = true;
  say(byId("words"), "Its answer appears here as soon as you have drawn something.");
  byId("results").removeAttribute("data-judged");
}

function changed(done) {
  drawing += 1;
  const empty = pad.strokes.length === 0;
  byId("undo").disabled = empty;
  byId("clear").disabled = empty;
  byId("pad-hint").hidden = !empty;
  if (job) cancelSearch();
  forgetSearch();
  if (empty) forgetJudgement();
  else {
    fit();
    if (done) judgeSoon();
  }
}

// Searching the generator for it

function forgetSearch() {
  blank(byId("found"));
  errors = [];
  charts.errors.set([], [[]]);
  byId("search").value = 0;
  byId("edit").removeAttribute("href");
  byId("edit").setAttribute("aria-disabled", "true");
  say(byId("search-words"), judged ? "Ready to search." : "Draw something first.");
  byId("results").removeAttribute("data-search");
}

async function search() {
  if (!judged || job) return;
  forgetSearch();
  try {
    const started = await post("/api/draw/invert", asked());
    job = started.job;
    showSearching(true);
    stopListening = listen(started.events, {
      progress: showProgress,
      done: showFound,
      failed: ({ error }) => endSearch(error),
      cancelled: () => endSearch("The search was stopped."),
    });
  } catch (error) {
    complain(error);
  }
}

function showSearching(on) {
  byId("invert").disabled = on || !judged;
  byId("cancel").disabled = !on;
  byId("results").dataset.search = on ? "running" : "ended";
}

function showProgress({ step, steps, error, image }) {
  paint(byId("found"), image);
  byId("search").value = step / steps;
  if (!errors.length || step > errors.at(-1)[0]) errors.push([step, error]);
  charts.errors.set(
    errors.map(([at]) => at),
    [errors.map(([, value]) => value)],
  );
  say(byId("search-words"), `Step ${step} of ${steps}: ${figure(error)} away from your drawing.`);
}

function showFound(found) {
  showProgress({ ...found, step: found.step ?? found.steps });
  byId("search").value = 1;
  const opinion =
    found.probability_real === null
      ? ""
      : ` The discriminator takes its version for real with ${percent(found.probability_real)}.`;
  endSearch(`Found: ${figure(found.error)} away from your drawing.${opinion}`);
  byId("edit").href = `/explore?${found.explore}`;
  byId("edit").removeAttribute("aria-disabled");
  byId("results").dataset.search = "done";
}

function endSearch(words) {
  stopListening();
  job = null;
  showSearching(false);
  say(byId("search-words"), words);
}

function cancelSearch() {
  const ended = job;
  endSearch("The search was stopped.");
  remove(`/api/jobs/${encodeURIComponent(ended)}`).catch(() => {}); // it may have ended by itself
}

// The page

async function fillLabels() {
  const model = await get(`/api/models/${encodeURIComponent(byId("model").value)}`);
  const labels = model.conditional ? [...Array(model.num_classes).keys()] : [];
  byId("label").replaceChildren(
    el("option", { value: "" }, labels.length ? "what is read in it" : "any digit"),
    ...labels.map((label) => el("option", { value: label }, `a ${label}`)),
  );
  byId("label").disabled = !labels.length;
}

function asksAnew() {
  changed(true);
}

startPage(async () => {
  charts = {
    readings: new DigitChart(byId("readings"), { series: [{ name: "how sure", tone: "--accent" }], top: 1 }),
    errors: new LineChart(byId("errors"), {
      series: [{ name: "error", tone: "--generated" }],
      x: String,
      xName: "steps",
      from: 0,
    }),
  };
  pad = new Pad(byId("pad"), { changed, pen: (words) => say(byId("pen"), words) });
  forgetSearch();
  byId("undo").addEventListener("click", () => pad.undo());
  byId("clear").addEventListener("click", () => pad.clear());
  byId("templates").addEventListener("click", (event) => {
    const digit = event.target.closest("[data-digit]")?.dataset.digit;
    if (digit !== undefined) pad.show(TEMPLATES[Number(digit)]);
  });
  byId("invert").addEventListener("click", search);
  byId("cancel").addEventListener("click", cancelSearch);
  byId("label").addEventListener("change", asksAnew);
  byId("model").addEventListener("change", () => fillLabels().then(asksAnew).catch(complain));
  await fillModels(byId("model"));
  await fillLabels();
});
