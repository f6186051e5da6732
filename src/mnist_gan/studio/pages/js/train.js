// The Train page: start, control and watch a training.

import { get, listen, post, query, statusOf } from "./api.js";
import { describeChange, describeTrial, paintDifference } from "./change.js";
import { DigitChart, DOTS, HistogramChart, LineChart } from "./charts.js";
import { announce, byId, capitalize, el, setText, showError, speak, chosenValue } from "./dom.js";
import { term } from "./explain.js";
import { count, duration, figure, images, isNumber, rate } from "./format.js";
import { Recipes } from "./recipes.js";
import { startPage } from "./shell.js";

/** @typedef {Record<string, number>} Row */

const STATE_TITLES = {
  starting: "Getting ready",
  training: "Training",
  paused: "Paused",
  stopping: "Stopping",
  finished: "Finished",
  stopped: "Stopped",
  failed: "Failed",
  damaged: "Damaged",
};
const MAX_POINTS = 800;
const STEPS_PER_POINT = 16;
const SHUTDOWN_MS = 8000;
/** A training that is watched reports about twice a second. */
const SILENCE_MS = 10_000;
/** Space for all controls beside the picture; see the style sheet. */
const WIDE = matchMedia("(min-width: 60.01rem)");
const NO_PICTURE = byId("board").src;
const ALARMS = new Set(["collapsing", "discriminator too strong", "discriminator too weak", "diverging"]);

/** The run that is shown. */
class ShownRun {
  /** @param {string} run */
  constructor(run) {
    this.run = run;
    /** @type {Row[]} */
    this.rows = [];
    /** Losses of status updates. @type {Row[]} */
    this.points = [];
    /** @type {Api.Intervention[]} */
    this.interventions = [];
    /** @type {number | null} */
    this.floor = null;
    /** @type {Api.RunStatus | null} */
    this.status = null;
    /** True while the connection is broken. */
    this.lost = false;
    /** Time at which the training ended; 0 before. */
    this.ended = 0;
    /** The newest drawings and scores. @type {import("./change.js").Moment | null} */
    this.moment = null;
    this.opened = Date.now();
    this.updated = this.opened;
  }

  /** @param {Row[]} rows */
  add(rows) {
    for (const row of rows) if (row.cur_nimg > (this.rows.at(-1)?.cur_nimg ?? -1)) this.rows.push(row);
  }

  /**
   * Add the means of a status update to the losses. While the training runs, updates are merged until they hold
   * `STEPS_PER_POINT` steps, because some losses come only every few steps. A single step is a point of its own.
   * @param {Api.RunStatus} status
   */
  addPoint({ state, cur_nimg, step = 0, stats = {} }) {
    const last = this.points.at(-1);
    if (!("Loss/G/loss" in stats) || cur_nimg <= (last?.cur_nimg ?? -1)) return;
    const steps = last ? step - last.step : 1;
    const merged = state === "training" && last && last.steps < STEPS_PER_POINT ? this.points.pop() : null;
    const before = merged?.steps ?? 0;
    /** @param {string} name */
    const mean = (name) => ((merged?.[name] ?? 0) * before + stats[name] * steps) / (before + steps);
    this.points.push({
      cur_nimg,
      step,
      steps: before + steps,
      "Loss/G/loss": mean("Loss/G/loss"),
      "Loss/D/loss": mean("Loss/D/loss"),
    });
    if (this.points.length > MAX_POINTS) this.points = this.points.filter((_, k) => k % 2);
  }

  /** Losses: rows until the page was opened, then status updates, which are finer. */
  get losses() {
    const opened = this.points[0]?.cur_nimg ?? Infinity;
    return [...this.rows.filter((row) => row.cur_nimg < opened), ...this.points];
  }

  /**
   * Discard what came after a checkpoint that the training has returned to.
   * @param {number} nimg
   */
  discardAfter(nimg) {
    this.rows = this.rows.filter((row) => row.cur_nimg <= nimg);
    this.points = this.points.filter((point) => point.cur_nimg <= nimg);
    this.interventions = this.interventions.filter((change) => change.cur_nimg <= nimg);
  }
}

/** @type {ShownRun | null} */
let shown = null;
let stopListening = () => {};
/** @type {Recipes} */
let recipes;
/** @type {ReturnType<typeof makeCharts>} */
let charts;

function makeCharts() {
  const clock = { x: images, xName: "images" };
  /**
   * @param {string} name
   * @param {string} tone
   * @param {{ dash?: number[], points?: boolean }} [more]
   */
  const one = (name, tone, more) => ({ name, tone, ...more });
  return {
    scores: new HistogramChart(byId("scores")),
    distance: new LineChart(byId("distance"), {
      ...clock,
      log: true,
      series: [one("generated", "--generated", { points: true }), one("floor", "--real", { dash: [6, 4] })],
    }),
    losses: new LineChart(byId("losses"), {
      ...clock,
      series: [one("generator", "--generated"), one("discriminator", "--accent", { dash: DOTS })],
    }),
    digits: new DigitChart(byId("digits"), { series: [one("real", "--real"), one("generated", "--generated")] }),
    diversity: new DigitChart(byId("diversity"), {
      series: [one("diversity", "--generated")],
      top: 1.25,
      format: figure,
    }),
  };
}

// Showing a run

/**
 * Distance of a row to real digits; null without an evaluation.
 * @param {Row} row
 */
const distanceOf = (row) => {
  const name = Object.keys(row).find((field) => /^Metric\/(fd|energy)/.test(field));
  return name === undefined ? null : row[name];
};

function showRows() {
  if (!shown) return;
  const { rows, floor, interventions, losses } = shown;
  const rules = interventions.map((change) => change.cur_nimg);
  /** @param {string} name */
  const column = (name) => losses.map((row) => row[name] ?? null);
  const clock = losses.map((row) => row.cur_nimg);
  charts.losses.set(clock, [column("Loss/G/loss"), column("Loss/D/loss")], rules);
  const judged = rows.filter((row) => distanceOf(row) !== null);
  charts.distance.set(
    judged.map((row) => row.cur_nimg),
    [judged.map(distanceOf), judged.map(() => floor)],
    rules,
  );
  const newest = judged.at(-1);
  setText(byId("distance-now"), newest ? figure(distanceOf(newest)) : "–");
  setText(byId("distance-now-beside"), isNumber(floor) ? `floor ${figure(floor)}` : "");
}

/** @param {Api.Preview} live */
function showLive(live) {
  if (!shown) return;
  const board = byId("board");
  const address = `/api/runs/${encodeURIComponent(shown.run)}/live.png?v=${live.version}`;
  const next = new Image();
  next.src = address;
  const of = shown;
  next.decode().then(
    () => {
      if (of !== shown) return;
      showBoardHint("");
      showChange(of, { image: next, step: live.step, scores: live.scores });
      board.src = address;
      board.dataset.version = String(live.version);
      board.alt = `${live.grid.rows * live.grid.columns} drawings after ${count(live.cur_nimg)} images`;
      setText(
        byId("board-caption"),
        `After ${count(live.cur_nimg)} images. The random numbers are always the same; only the generator changes.`,
      );
    },
    () => {},
  );
  if (live.scores) charts.scores.set(live.scores);
  if (live.digits) {
    const { counts, n, real_shares: shares, diversity } = live.digits;
    charts.digits.set([shares, counts.map((number) => number / n)]);
    charts.diversity.set([diversity]);
  }
}

/**
 * Show what a step has changed, if there is a picture before and after it.
 * @param {ShownRun} of
 * @param {import("./change.js").Moment} moment
 */
function showChange(of, moment) {
  const before = of.moment;
  of.moment = moment;
  const isStep = moment.step === (before?.step ?? Number.NaN) + 1; // at full speed, many steps lie between two pictures
  byId("step-change").hidden = !isStep;
  if (!before || !isStep) return;
  const largest = paintDifference(byId("difference"), before.image, moment.image);
  setText(byId("step-change-told"), describeChange(before, moment, largest));
}

/** @param {number} step */
const isPausedAt = (step) => shown?.status?.state === "paused" && shown.status.step === step;

/** True between a click for a trial step and its result. */
let awaitsTrial = false;
const TRIAL_TOLD = byId("trials-told").textContent ?? "";

/**
 * Show a trial step of the step at which the training is paused.
 * @param {Api.Trial} trial
 */
async function showTrial(trial) {
  const of = shown;
  if (!of || !isPausedAt(trial.step)) return;
  const run = encodeURIComponent(of.run);
  const pictures = ["before", "after"].map((when) => {
    const image = new Image();
    image.src = `/api/runs/${run}/trial/${when}.png?v=${trial.version}`;
    return image;
  });
  await Promise.all(pictures.map((image) => image.decode()));
  if (of !== shown || !isPausedAt(trial.step)) return;
  byId("trial").hidden = false;
  byId("trial").dataset.version = String(trial.version);
  setText(byId("trial-player"), trial.player);
  const largest = paintDifference(byId("trial-difference"), pictures[0], pictures[1]);
  setText(byId("trial-told"), describeTrial(trial, largest));
  setText(byId("trials-told"), TRIAL_TOLD);
  speak(byId("trial-told").textContent ?? "");
  if (awaitsTrial) byId("trial").scrollIntoView({ block: "nearest" });
  awaitsTrial = false;
}

/** @param {"D" | "G"} player */
function tryStep(player) {
  awaitsTrial = true;
  setText(byId("trials-told"), "Computing it on a copy…");
  return command({ command: "trial", player });
}

/** @param {Api.Diagnosis & { floor?: number | null }} diagnosis */
function showDiagnosis(diagnosis) {
  if (shown && isNumber(diagnosis.floor)) shown.floor = diagnosis.floor;
  byId("next").hidden = false; // an evaluated run has a model
  byId("diagnosis").classList.toggle("alarm", ALARMS.has(diagnosis.state));
  const evidence = diagnosis.evidence.length ? `${capitalize(diagnosis.evidence.join("; "))}.` : "";
  if (byId("diagnosis-state").textContent !== diagnosis.state) speak(`Diagnosis: ${diagnosis.state}. ${evidence}`);
  setText(byId("diagnosis-state"), diagnosis.state);
  setText(byId("diagnosis-evidence"), evidence);
  setText(byId("diagnosis-remedy"), diagnosis.remedy ? `What to try: ${recipes.titled(diagnosis.remedy)}.` : "");
  showRows();
}

function showInterventions() {
  if (!shown) return;
  const changes = shown.interventions.map((change) =>
    el(
      "li",
      {},
      `After ${count(change.cur_nimg)} images: generator ${rate(change.g_lr)}, discriminator ${rate(change.d_lr)}.`,
    ),
  );
  byId("interventions").replaceChildren(...changes);
}

/** @param {Api.RunStatus} status */
function showStatus(status) {
  if (!shown) return;
  shown.updated = Date.now();
  if (shown.status?.active && !status.active) shown.ended = Date.now();
  if (status.state !== "paused" || shown.status?.step !== status.step) byId("trial").hidden = true;
  shown.status = status;
  if (status.stats) shown.addPoint(status);
  showRows();
  showState(shown.run, status);
  setText(byId("images"), count(status.cur_nimg));
  setText(byId("images-beside"), status.total_nimg ? `of ${count(status.total_nimg)}` : "");
  setText(byId("steps"), count(status.step));
  setText(byId("steps-beside"), isNumber(status.epoch) ? `epoch ${status.epoch.toFixed(1)}` : "");
  setText(byId("pace"), isNumber(status.img_per_sec) ? count(status.img_per_sec) : "–");
  setText(byId("pace-beside"), timeLeft(status));
  byId("progress").value = status.total_nimg ? status.cur_nimg / status.total_nimg : 0;
  showWhere();
  const rates = byId("rates");
  if (!rates.contains(document.activeElement)) {
    byId("g-lr").value = rate(status.g_lr);
    byId("d-lr").value = rate(status.d_lr);
  }
  const wanted = isNumber(status.speed_limit) ? String(status.speed_limit) : "";
  for (const choice of /** @type {NodeListOf<HTMLInputElement>} */ (document.getElementsByName("speed"))) {
    if (!byId("speed").contains(document.activeElement)) choice.checked = choice.value === wanted;
  }
}

/** Current activity, and the age of the last update once it is unusual. */
function showWhere() {
  if (!shown?.status || shown.lost) return;
  const { state, active, activity, message } = shown.status;
  const parts = [message ?? (activity ? `${capitalize(activity)}…` : "")];
  /** @param {number} since */
  const seconds = (since) => duration((Date.now() - since) / 1000);
  if (state === "starting") parts.push(`Loading the program and the data for ${seconds(shown.opened)}.`);
  else if (active && state !== "paused" && Date.now() - shown.updated > SILENCE_MS)
    parts.push(`Last update ${seconds(shown.updated)} ago: the machine is busy, or the training is suspended.`);
  setText(byId("where"), parts.filter(Boolean).join(" "));
}

/**
 * Until its first drawings arrive, a training that starts has a text in their place.
 * @param {string} text
 */
function showBoardHint(text) {
  byId("board-hint").hidden = !text;
  if (text) byId("board-hint").replaceChildren(text);
}

/** @param {Api.RunStatus} status */
function timeLeft(status) {
  if (status.state !== "training" || !status.img_per_sec) return "";
  return `${duration((status.total_nimg - status.cur_nimg) / status.img_per_sec)} left`;
}

/**
 * Show the state, and enable the controls that it allows.
 * @param {string} run
 * @param {Api.RunStatus} status
 */
function showState(run, { state, active, resumable }) {
  const title = STATE_TITLES[state];
  if (byId("state").textContent !== `${title} ${run}`)
    byId("state").replaceChildren(el("strong", {}, title), ` ${run}`);
  const going = state === "training" || state === "starting";
  const pause = byId("pause");
  const resumes = state === "paused" || resumable;
  setText(pause, resumes ? "Resume" : "Pause");
  pause.dataset.command = resumes ? "resume" : "pause";
  pause.disabled = !(going || resumes);
  byId("step").disabled = !(state === "training" || state === "paused");
  byId("stop").disabled = !(going || state === "paused");
  byId("trials").hidden = state !== "paused";
  const accepts = active && state !== "stopping";
  byId("speed").disabled = !accepts;
  for (const id of /** @type {const} */ (["g-lr", "d-lr", "change-rates"])) byId(id).disabled = !accepts;
  for (const button of document.querySelectorAll("button")) if (button.matches(".starts")) button.disabled = accepts;
  for (const note of document.querySelectorAll(".busy")) note.toggleAttribute("hidden", !accepts);
  document.documentElement.dataset.state = state;
}

/** @param {Api.CommandLine[]} commands */
function showCommands(commands) {
  const items = commands.map(({ command, purpose }) =>
    el("li", {}, el("p", { class: "small soft" }, purpose), el("code", {}, command)),
  );
  byId("commands").replaceChildren(...items);
}

// Following a run

/** @param {string} run */
async function show(run) {
  stopListening();
  const of = new ShownRun(run);
  shown = of;
  history.replaceState(null, "", `/train?${query({ run })}`);
  clearStage();
  const known = await get(`/api/runs/${encodeURIComponent(run)}`);
  if (of !== shown) return;
  of.floor = known.floor;
  showCommands(known.commands);
  const { "optimizer.g_lr": g_lr, "optimizer.d_lr": d_lr } = known.settings;
  showStatus({ g_lr: Number(g_lr ?? Number.NaN), d_lr: Number(d_lr ?? Number.NaN), ...known.status });
  if (known.live) showLive(known.live);
  else if (known.samples.length) showLastSamples(run, known.samples[known.samples.length - 1]);
  else if (known.status.active) showBoardHint("Getting ready. The first drawings appear here in a few seconds.");
  if (known.diagnosis) showDiagnosis(known.diagnosis);
  for (const page of /** @type {const} */ (["explore", "draw"]))
    byId(`to-${page}`).href = `/${page}?${query({ model: run })}`;
  byId("next").hidden = !known.has_model;
  /**
   * Handle an event only while the run is shown.
   * @template Data
   * @param {(data: Data) => unknown} handle
   * @returns {(data: Data) => void}
   */
  const mine = (handle) => (data) => {
    if (of === shown) handle(data);
  };
  stopListening = listen(
    `/api/runs/${encodeURIComponent(run)}/events`,
    {
      state: mine(showStatus),
      row: mine((row) => {
        of.add([row]);
        showRows();
      }),
      rows: mine(({ rows }) => {
        of.add(rows);
        showRows();
      }),
      reset: mine(({ cur_nimg: nimg }) => {
        of.discardAfter(nimg);
        showRows();
        showInterventions();
      }),
      live: mine(showLive),
      trial: mine((trial) => showTrial(trial).catch(() => {})),
      diagnosis: mine(showDiagnosis),
      intervention: mine((change) => {
        of.interventions = [...of.interventions.filter((other) => other.cur_nimg !== change.cur_nimg), change];
        showInterventions();
        showRows();
      }),
      end: mine(() => fillRuns(run).catch(showError)),
    },
    {
      whileVisible: true,
      lost: mine((gone) => {
        of.lost = true;
        setText(
          byId("where"),
          gone
            ? "The studio has ended. Start it again, and open the link that its terminal shows."
            : "The connection is lost. Reconnecting…",
        );
      }),
      found: () => {
        of.lost = false;
        if (of === shown && of.status) showStatus(of.status);
      },
    },
  );
}

/**
 * @param {string} run
 * @param {number} epoch
 */
function showLastSamples(run, epoch) {
  byId("board").src = `/api/runs/${encodeURIComponent(run)}/samples/${epoch}.png`;
  byId("board").alt = `Drawings after epoch ${epoch}`;
  setText(byId("board-caption"), `Drawings after epoch ${epoch}.`);
}

/**
 * Place one panel before the picture and the other after it, also in the order of reading.
 * @param {"steering" | "new"} first
 * @param {"steering" | "new"} last
 */
function arrange(first, last) {
  byId("areas").prepend(byId(first));
  byId("areas").append(byId(last));
}

function clearStage() {
  arrange("steering", "new");
  setText(byId("live-title"), "This training");
  byId("controls").hidden = false;
  showBoardHint("");
  const board = byId("board");
  board.src = NO_PICTURE; // not the drawings of another run
  board.alt = "No drawings yet";
  byId("step-change").hidden = true;
  byId("trial").hidden = true;
  setText(byId("trials-told"), TRIAL_TOLD);
  delete board.dataset.version;
  byId("interventions").replaceChildren();
  byId("diagnosis").classList.remove("alarm");
  setText(byId("diagnosis-state"), "too early to say");
  setText(byId("diagnosis-evidence"), "It has to check the drawings a few times first.");
  setText(byId("diagnosis-remedy"), "");
  showRows();
}

/** @param {string | null | undefined} chosen */
async function fillRuns(chosen) {
  const { runs } = await get("/api/runs");
  /** @param {Api.RunRow} run */
  const option = (run) => el("option", { value: run.run }, run.active ? `• ${run.run}` : run.run);
  const select = byId("run");
  select.replaceChildren(el("option", { value: "" }, "Choose a run"), ...runs.map(option));
  select.value = chosen ?? "";
  byId("steering").hidden = runs.length === 0;
}

// Commands

/**
 * Send a request, and again while a training that has just ended still holds its folder.
 * @template Answer
 * @param {() => Promise<Answer>} send
 */
async function withRetry(send) {
  for (;;) {
    try {
      return await send();
    } catch (error) {
      const justEnded = shown?.ended && Date.now() - shown.ended < SHUTDOWN_MS;
      if (statusOf(error) !== 409 || !justEnded) throw error;
      await new Promise((done) => setTimeout(done, 400));
    }
  }
}

/** @param {Api.CommandBody} body */
async function command(body) {
  if (!shown) return;
  const run = encodeURIComponent(shown.run);
  try {
    await withRetry(() => post(`/api/runs/${run}/command`, body));
  } catch (error) {
    showError(error);
  }
}

/** @param {Event} event */
async function changeRates(event) {
  event.preventDefault();
  /** @type {{ g_lr?: number, d_lr?: number }} */
  const rates = {};
  for (const [id, name] of /** @type {const} */ ([
    ["g-lr", "g_lr"],
    ["d-lr", "d_lr"],
  ])) {
    const text = byId(id).value.trim();
    const value = Number(text);
    if (!text || !(value >= 0)) {
      announce(`“${text}” is not a learning rate. Enter a number such as 0.001.`);
      byId(id).focus();
      return;
    }
    if (rate(shown?.status?.[name]) !== rate(value)) rates[name] = value;
  }
  if (!Object.keys(rates).length) announce("The learning rates have not changed.");
  else await command({ command: "learning_rates", ...rates });
}

/**
 * @param {string} preset
 * @param {Api.Cure["changes"]} changes
 */
async function start(preset, changes) {
  try {
    const { run } = await withRetry(() => post("/api/train", { preset, changes }));
    byId("new").open = false;
    await fillRuns(run);
    await show(run);
    scrollTo(0, 0);
    byId("pause").focus({ preventScroll: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    recipes.blame(message);
    showError(new Error(recipes.titled(message)));
  }
}

/**
 * Address of the form for two runs: a failure, and the same with its cure.
 * @param {import("./recipes.js").Failure} preset
 */
function pairAddress({ name, lesson }) {
  const own = Object.entries(lesson.start.changes).map(([field, value]) => [`b.${field}`, String(value)]);
  return `/runs?${query({ preset: name, ...Object.fromEntries(own) })}`;
}

function fillGallery() {
  /** @param {import("./recipes.js").Failure} preset */
  const card = (preset) =>
    el(
      "li",
      { class: "stack" },
      el("h3", {}, preset.title),
      el("p", { class: "small" }, preset.summary),
      el(
        "dl",
        { class: "small" },
        el("dt", {}, "Look at"),
        el("dd", {}, preset.lesson.look_at),
        el("dt", {}, "The cure"),
        el("dd", {}, preset.lesson.cure),
      ),
      el(
        "div",
        { class: "row" },
        el(
          "button",
          {
            type: "button",
            class: "button starts",
            "aria-label": `Let it fail: ${preset.title}`,
            onclick: () => start(preset.name, {}),
          },
          "Let it fail",
        ),
        el(
          "button",
          {
            type: "button",
            class: "button starts",
            "aria-label": `Try the cure: ${preset.title}`,
            onclick: () => start(preset.lesson.start.preset, preset.lesson.start.changes),
          },
          "Try the cure",
        ),
        el(
          "a",
          { class: "button", href: pairAddress(preset), "aria-label": `Both side by side: ${preset.title}` },
          "Both side by side",
        ),
      ),
    );
  byId("gallery").replaceChildren(...recipes.failures.map(card));
}

startPage(async () => {
  charts = makeCharts();
  byId("adjust").open = WIDE.matches;
  byId("pause").addEventListener("click", () =>
    command({ command: byId("pause").dataset.command === "resume" ? "resume" : "pause" }),
  );
  byId("step").addEventListener("click", () => command({ command: "step", steps: 1 }));
  byId("stop").addEventListener("click", () => command({ command: "stop" }));
  byId("try-d").addEventListener("click", () => tryStep("D"));
  byId("try-g").addEventListener("click", () => tryStep("G"));
  byId("rates").addEventListener("submit", changeRates);
  byId("speed").addEventListener("change", (event) => {
    const limit = chosenValue(event);
    command({ command: "speed", steps_per_second: limit === "" ? null : Number(limit) });
  });
  byId("run").addEventListener("change", () => {
    const run = byId("run").value;
    if (run) show(run).catch(showError);
    else location.assign("/train?new");
  });

  recipes = new Recipes(await get("/api/presets"), { term });
  recipes.fill({
    select: byId("preset"),
    summary: byId("preset-summary"),
    fields: byId("fields"),
    advanced: byId("advanced"),
  });
  fillGallery();
  byId("start").disabled = false;
  byId("setup").addEventListener("submit", (event) => {
    event.preventDefault();
    const changes = recipes.changes();
    if (changes) start(byId("preset").value, changes);
  });
  byId("start").classList.add("starts");
  setInterval(showWhere, 1000);

  const parameters = new URLSearchParams(location.search);
  const studio = await get("/api/studio");
  const run = parameters.get("run") ?? (parameters.has("new") ? null : (studio.training ?? studio.run));
  if (!run) {
    arrange("new", "steering");
    setText(byId("live-title"), "An earlier training");
  }
  await fillRuns(run);
  if (run) {
    byId("new").open = false;
    await show(run);
  }
});
