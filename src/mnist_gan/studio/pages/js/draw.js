// The Draw page: a drawing, both networks' judgement of it, and the generator's version.

import { get, listen, post, query, remove, statusOf } from "./api.js";
import { DigitChart, LineChart } from "./charts.js";
import { byId, showError, debounce, el, latest, setText, speak } from "./dom.js";
import { figure, percent, withArticle } from "./format.js";
import { fillModels } from "./models.js";
import { Pad } from "./pad.js";
import { blank, paint, paintAttribution } from "./pictures.js";
import { startPage } from "./shell.js";
import { TEMPLATES } from "./templates.js";

/** @type {Pad} */
let pad;
/** @type {{ recognition: DigitChart, errors: LineChart }} */
let charts;
/** @type {Api.Judgement | null} */
let judged = null;
/** @type {string | null} */
let job = null;
let stopListening = () => {};
/** Step and error of each progress. @type {[number, number][]} */
let errors = [];
/** Number of the current drawing; responses about an older one are discarded. */
let drawing = 0;

const request = () => {
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
    if (statusOf(error) !== 400) showError(error);
  }
});

const judge = latest(async () => {
  if (!pad.strokes.length) return;
  const of = drawing;
  try {
    const answer = await post("/api/draw/judge", request());
    if (of === drawing) showJudgement(answer);
  } catch (error) {
    showError(error);
  }
});

const judgeSoon = debounce(judge, 250);

/** @param {Api.Judgement} answer */
function showJudgement(answer) {
  judged = answer;
  const { image, recognition, score, attribution, nearest, steps } = answer;
  paint(byId("fitted"), image);
  setText(byId("probability"), percent(score.probability_real));
  setText(byId("probability-beside"), score.label === null ? "a real image" : `a real ${score.label_name}`);
  setText(byId("logit"), figure(score.logit));
  setText(byId("logit-beside"), score.probability_real >= 0.5 ? "real" : "generated");
  setText(byId("read"), String(recognition.digit));
  setText(byId("read-beside"), `${percent(recognition.probabilities[recognition.digit])} sure`);
  byId("needle").hidden = false;
  byId("needle").style.left = `${100 * score.probability_real}%`;
  const baseline = `A black image scores ${figure(attribution.baseline_logit)}; the coloured pixels make the difference.`;
  setText(byId("score-sentence"), `${score.sentence} ${baseline}`);
  paintAttribution(byId("why"), attribution.values, image, attribution.max_abs);
  byId("fitted").title = steps.join(", ");
  charts.recognition.set([recognition.probabilities]);
  showNearest(nearest);
  byId("invert").disabled = false;
  if (!job) setText(byId("search-words"), "Ready to search.");
  byId("results").dataset.judged = String(drawing);
}

/** @param {Api.Nearest} nearest */
function showNearest({ images, message }) {
  setText(byId("nearest-words"), message);
  const shown = images.map((near) => {
    const canvas = el("canvas", { class: "pixels square", role: "img", "aria-label": `A real ${near.name}` });
    paint(canvas, near);
    return el(
      "li",
      {},
      el("figure", {}, canvas, el("figcaption", {}, `${withArticle(near.name)}, distance ${figure(near.distance)}`)),
    );
  });
  byId("nearest").replaceChildren(...shown);
}

function clearJudgement() {
  judged = null;
  for (const id of /** @type {const} */ (["fitted", "why"])) blank(byId(id));
  for (const id of ["probability", "logit", "read"]) {
    setText(byId(id), "–");
    setText(byId(`${id}-beside`), "");
  }
  byId("needle").hidden = true;
  byId("invert").disabled = true;
  setText(byId("score-sentence"), "The answer appears here after you have drawn something.");
  byId("results").removeAttribute("data-judged");
}

/** @param {boolean} done */
function changed(done) {
  drawing += 1;
  const empty = pad.strokes.length === 0;
  if (done) remember();
  byId("undo").disabled = empty;
  byId("clear").disabled = empty;
  byId("pad-hint").hidden = !empty;
  if (job) cancelSearch();
  clearSearch();
  if (empty) clearJudgement();
  else {
    fit();
    if (done) judgeSoon();
  }
}

/** Keep the drawing and the model in this entry of the browser's history, for reloads and for the way back. */
function remember() {
  const { value } = byId("model");
  history.replaceState(pad.strokes.length ? pad.drawing() : null, "", value ? `/draw?${query({ model: value })}` : "");
}

// Searching

function clearSearch() {
  blank(byId("found"));
  errors = [];
  charts.errors.set([], [[]]);
  byId("search").value = 0;
  byId("edit").removeAttribute("href");
  byId("edit").setAttribute("aria-disabled", "true");
  setText(byId("search-words"), judged ? "Ready to search." : "Draw something first.");
  byId("results").removeAttribute("data-search");
}

async function search() {
  if (!judged || job) return;
  clearSearch();
  try {
    const started = await post("/api/draw/invert", request());
    job = started.job;
    showSearching(true);
    stopListening = listen(/** @type {`/api/jobs/${string}/events`} */ (started.events), {
      progress: showProgress,
      done: showFound,
      failed: ({ error }) => endSearch(error),
      cancelled: () => endSearch("The search was stopped."),
    });
  } catch (error) {
    showError(error);
  }
}

/** @param {boolean} on */
function showSearching(on) {
  byId("invert").disabled = on || !judged;
  byId("cancel").disabled = !on;
  byId("results").dataset.search = on ? "running" : "ended";
}

/** @param {Api.Progress} progress */
function showProgress({ step, steps, error, image }) {
  paint(byId("found"), image);
  byId("search").value = step / steps;
  if (step > (errors.at(-1)?.[0] ?? -1)) errors.push([step, error]);
  charts.errors.set(
    errors.map(([at]) => at),
    [errors.map(([, value]) => value)],
  );
  setText(byId("search-words"), `Step ${step} of ${steps}: a difference of ${figure(error)} from your drawing.`);
}

/** @param {Api.Found} found */
function showFound(found) {
  showProgress(found);
  byId("search").value = 1;
  const chance = `The discriminator gives its version a ${percent(found.probability_real)} chance of being real.`;
  endSearch(`Found, with a difference of ${figure(found.error)} from your drawing. ${chance}`);
  byId("edit").href = `/explore?${found.explore}`;
  byId("edit").removeAttribute("aria-disabled");
  byId("results").dataset.search = "done";
}

/** @param {string} message */
function endSearch(message) {
  stopListening();
  job = null;
  showSearching(false);
  setText(byId("search-words"), message);
  speak(message);
}

function cancelSearch() {
  const ended = job;
  endSearch("The search was stopped.");
  if (ended) remove(`/api/jobs/${encodeURIComponent(ended)}`).catch(() => {}); // it may have ended already
}

// The page

async function fillLabels() {
  const model = await get(`/api/models/${encodeURIComponent(byId("model").value)}`);
  const unset = model.digits ? "the digit that was recognized" : "the class with the highest score";
  byId("label").replaceChildren(
    el("option", { value: "" }, model.conditional ? unset : "any image"),
    ...model.classes.map((label) => el("option", { value: label }, withArticle(model.class_names[label]))),
  );
  byId("label").disabled = !model.conditional;
}

startPage(async () => {
  charts = {
    recognition: new DigitChart(byId("readings"), { series: [{ name: "probability", tone: "--accent" }], top: 1 }),
    errors: new LineChart(byId("errors"), {
      series: [{ name: "error", tone: "--generated" }],
      x: String,
      xName: "steps",
      from: 0,
    }),
  };
  pad = new Pad(byId("pad"), { changed, pen: (message) => setText(byId("pen"), message) });
  clearSearch();
  byId("undo").addEventListener("click", () => pad.undo());
  byId("clear").addEventListener("click", () => pad.clear());
  byId("templates").addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-digit]") : null;
    if (button instanceof HTMLElement) pad.show(TEMPLATES[Number(button.dataset.digit)]);
  });
  byId("invert").addEventListener("click", search);
  byId("cancel").addEventListener("click", cancelSearch);
  byId("label").addEventListener("change", () => changed(true));
  byId("model").addEventListener("change", () =>
    fillLabels()
      .then(() => changed(true))
      .catch(showError),
  );
  await fillModels(byId("model"));
  await fillLabels();
  /** @type {Api.DrawingBody | null} */
  const kept = history.state;
  if (kept?.strokes && !pad.strokes.length)
    pad.show(kept.strokes.map((stroke) => stroke.map(([x, y]) => [x / kept.canvas, y / kept.canvas])));
});
