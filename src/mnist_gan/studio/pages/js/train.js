// The Train page: start a training, steer it, and see it learn.

import { get, listen, post, query } from "./api.js";
import { DigitChart, HistogramChart, LineChart } from "./charts.js";
import { announce, byId, complain, el, say } from "./dom.js";
import { term } from "./explain.js";
import { count, duration, figure, images, isNumber, rate } from "./format.js";
import { Recipes } from "./recipes.js";
import { startPage } from "./shell.js";

const WORDS = {
  starting: "Getting ready",
  training: "Training",
  paused: "Paused",
  stopping: "Stopping",
  finished: "Finished",
  stopped: "Stopped",
  failed: "Failed",
  damaged: "Damaged",
};
const MOST_MOMENTS = 800;
const STEPS_A_LOOK = 16;
const JUST_ENDED_MS = 8000;
const ALIVE = new Set(["starting", "training", "paused", "stopping"]);
const VERDICTS_OF_TROUBLE = new Set(["collapsing", "discriminator too strong", "discriminator too weak", "diverging"]);

/** What is known of the run that is shown. */
class Watched {
  constructor(run) {
    this.run = run;
    this.rows = [];
    this.moments = [];
    this.interventions = [];
    this.floor = null;
    this.status = null;
    this.state = null;
  }

  add(rows) {
    for (const row of rows) {
      if (!this.rows.length || row.cur_nimg > this.rows.at(-1).cur_nimg) this.rows.push(row);
    }
  }

  /**
   * A look between two rows: the means of the last few steps. While it runs on, looks are put together until they hold
   * enough steps to mean something (a penalty, say, comes only every few steps); a single step stands for itself.
   */
  look({ state, cur_nimg, step, stats }) {
    const last = this.moments.at(-1);
    if (!("Loss/G/loss" in stats) || cur_nimg <= (last?.cur_nimg ?? -1)) return;
    const steps = last ? step - last.step : 1;
    const together = state === "training" && last && last.steps < STEPS_A_LOOK ? this.moments.pop() : null;
    const before = together?.steps ?? 0;
    const mean = (name) => ((together?.[name] ?? 0) * before + stats[name] * steps) / (before + steps);
    this.moments.push({
      cur_nimg,
      step,
      steps: before + steps,
      "Loss/G/loss": mean("Loss/G/loss"),
      "Loss/D/loss": mean("Loss/D/loss"),
    });
    if (this.moments.length > MOST_MOMENTS) this.moments = this.moments.filter((_, k) => k % 2);
  }

  /** The losses as finely as they are known: rows until one began to watch, and every look since. */
  get losses() {
    const began = this.moments[0]?.cur_nimg ?? Infinity;
    return [...this.rows.filter((row) => row.cur_nimg < began), ...this.moments];
  }

  /** The run went back to a checkpoint. */
  forgetAfter(nimg) {
    this.rows = this.rows.filter((row) => row.cur_nimg <= nimg);
    this.moments = this.moments.filter((look) => look.cur_nimg <= nimg);
    this.interventions = this.interventions.filter((change) => change.cur_nimg <= nimg);
  }
}

let watched = null;
let stopListening = () => {};
let recipes = null;
let charts = null;

function makeCharts() {
  const clock = { x: images, xName: "images" };
  const one = (name, tone, more) => ({ name, tone, ...more });
  return {
    scores: new HistogramChart(byId("scores"), {}),
    distance: new LineChart(byId("distance"), {
      ...clock,
      log: true,
      series: [one("generated", "--generated", { points: true }), one("floor", "--real", { dash: [6, 4] })],
    }),
    losses: new LineChart(byId("losses"), {
      ...clock,
      series: [one("generator", "--generated"), one("discriminator", "--accent")],
    }),
    digits: new DigitChart(byId("digits"), { series: [one("real", "--real"), one("generated", "--generated")] }),
    diversity: new DigitChart(byId("diversity"), {
      series: [one("diversity", "--generated")],
      top: 1.25,
      format: figure,
    }),
  };
}

// What is shown

const distanceOf = (row) => {
  const name = Object.keys(row).find((field) => field.startsWith("Metric/fd"));
  return name === undefined ? null : row[name];
};

function showRows() {
  const { rows, floor, interventions } = watched;
  const rules = interventions.map((change) => change.cur_nimg);
  const { losses } = watched;
  const column = (name) => losses.map((row) => row[name] ?? null);
  charts.losses.set(column("cur_nimg"), [column("Loss/G/loss"), column("Loss/D/loss")], rules);
  const judged = rows.filter((row) => distanceOf(row) !== null);
  charts.distance.set(
    judged.map((row) => row.cur_nimg),
    [judged.map(distanceOf), judged.map(() => floor)],
    rules,
  );
  say(byId("distance-now"), judged.length ? figure(distanceOf(judged.at(-1))) : "–");
  say(byId("distance-now-beside"), isNumber(floor) ? `floor ${figure(floor)}` : "");
}

function showLive(live) {
  const board = byId("board");
  const address = `/api/runs/${encodeURIComponent(watched.run)}/live.png?v=${live.version}`;
  const next = new Image();
  next.src = address;
  const of = watched;
  next.decode().then(
    () => {
      if (of !== watched) return;
      board.src = address;
      board.dataset.version = live.version;
      board.alt = `${live.grid.rows * live.grid.columns} drawings after ${count(live.cur_nimg)} images`;
      say(
        byId("board-caption"),
        `After ${count(live.cur_nimg)} images. The same random numbers every time; only the generator changes.`,
      );
    },
    () => {},
  );
  charts.scores.set(live.scores);
  if (live.digits) {
    const { counts, n, real_shares: shares, diversity } = live.digits;
    charts.digits.set([shares, counts.map((number) => number / n)]);
    charts.diversity.set([diversity]);
  }
}

function showVerdict(verdict) {
  if (isNumber(verdict.floor)) watched.floor = verdict.floor;
  byId("onwards").hidden = false; // whoever was judged has a model
  byId("verdict").classList.toggle("alarm", VERDICTS_OF_TROUBLE.has(verdict.state));
  say(byId("verdict-state"), verdict.state);
  say(byId("verdict-evidence"), verdict.evidence.length ? `${capital(verdict.evidence.join("; "))}.` : "");
  say(byId("verdict-remedy"), verdict.remedy ? `What to try: ${verdict.remedy}.` : "");
  showRows();
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function showInterventions() {
  const changes = watched.interventions.map((change) =>
    el(
      "li",
      {},
      `After ${count(change.cur_nimg)} images: generator ${rate(change.g_lr)}, discriminator ${rate(change.d_lr)}.`,
    ),
  );
  byId("interventions").replaceChildren(...changes);
}

function showStatus(status) {
  watched.status = status;
  if (status.stats) watched.look(status);
  showRows();
  showState(status.state, status.resumable);
  say(byId("images"), count(status.cur_nimg));
  say(byId("images-beside"), `of ${count(status.total_nimg)}`);
  say(byId("steps"), count(status.step));
  say(byId("steps-beside"), isNumber(status.epoch) ? `epoch ${status.epoch.toFixed(1)}` : "");
  say(byId("pace"), isNumber(status.img_per_sec) ? count(status.img_per_sec) : "–");
  say(byId("pace-beside"), timeLeft(status));
  byId("progress").value = status.total_nimg ? status.cur_nimg / status.total_nimg : 0;
  say(byId("where"), status.message ?? (status.activity ? `${capital(status.activity)}…` : ""));
  const rates = byId("rates");
  if (!rates.contains(document.activeElement)) {
    byId("g-lr").value = rate(status.g_lr);
    byId("d-lr").value = rate(status.d_lr);
  }
  const wanted = isNumber(status.speed_limit) ? String(status.speed_limit) : "";
  for (const choice of document.getElementsByName("speed")) {
    if (!byId("speed").contains(document.activeElement)) choice.checked = choice.value === wanted;
  }
}

function timeLeft(status) {
  if (status.state !== "training" || !status.img_per_sec) return "";
  return `${duration((status.total_nimg - status.cur_nimg) / status.img_per_sec)} left`;
}

/** The state in words, and the controls that make sense in it. */
function showState(state, resumable) {
  if (watched.state && ALIVE.has(watched.state) && !ALIVE.has(state)) watched.ended = Date.now();
  watched.state = state;
  byId("state").replaceChildren(el("strong", {}, WORDS[state] ?? state), ` ${watched.run}`);
  const going = state === "training" || state === "starting";
  const pause = byId("pause");
  const resumes = state === "paused" || (state === "stopped" && resumable);
  say(pause, resumes ? "Go on" : "Pause");
  pause.dataset.command = resumes ? "resume" : "pause";
  pause.disabled = !(going || resumes);
  byId("step").disabled = !(state === "training" || state === "paused");
  byId("stop").disabled = !(going || state === "paused");
  const alive = ALIVE.has(state) && state !== "stopping";
  byId("speed").disabled = !alive;
  for (const id of ["g-lr", "d-lr", "change-rates"]) byId(id).disabled = !alive;
  for (const button of document.querySelectorAll("button.starts")) button.disabled = alive;
  document.documentElement.dataset.state = state;
}

function showCommands(commands) {
  const shown = commands.map(({ command, purpose }) =>
    el("li", {}, el("p", { class: "small soft" }, purpose), el("code", {}, command)),
  );
  byId("commands").replaceChildren(...shown);
}

// Watching

async function watch(run) {
  stopListening();
  watched = new Watched(run);
  history.replaceState(null, "", `/train?${query({ run })}`);
  clearStage();
  const known = await get(`/api/runs/${encodeURIComponent(run)}`);
  if (watched.run !== run) return;
  watched.floor = known.floor;
  showCommands(known.commands);
  if (known.status) showStatus(known.status);
  else showQuietRun(known);
  if (known.live) showLive(known.live);
  else if (known.samples.length) showLastSamples(run, known.samples.at(-1));
  if (known.verdict) showVerdict(known.verdict);
  for (const page of ["explore", "draw"]) byId(`to-${page}`).href = `/${page}?${query({ model: run })}`;
  byId("onwards").hidden = !known.has_model;
  const of = watched;
  const mine = (handle) => (data) => of === watched && handle(data);
  stopListening = listen(
    `/api/runs/${encodeURIComponent(run)}/events`,
    {
      state: mine(showStatus),
      row: mine((row) => (of.add([row]), showRows())),
      rows: mine(({ rows }) => (of.add(rows), showRows())),
      reset: mine(({ cur_nimg: nimg }) => (of.forgetAfter(nimg), showRows(), showInterventions())),
      live: mine(showLive),
      verdict: mine(showVerdict),
      intervention: mine((change) => {
        of.interventions = [...of.interventions.filter((other) => other.cur_nimg !== change.cur_nimg), change];
        showInterventions();
        showRows();
      }),
      end: mine(({ state }) => {
        showState(state, of.status?.resumable ?? false);
        fillRuns(run).catch(complain);
      }),
    },
    {
      lost: mine((gone) =>
        say(
          byId("where"),
          gone
            ? "The studio has ended. Start it again, and reload this page."
            : "The connection was lost; trying again…",
        ),
      ),
      found: mine(() => of.status && showStatus(of.status)),
    },
  );
}

/** A run that nobody trains, and that says nothing of itself any more. */
function showQuietRun(known) {
  const status = { step: null, epoch: null, img_per_sec: null, speed_limit: null, message: known.problem };
  const rates = { g_lr: known.settings?.["optimizer.g_lr"], d_lr: known.settings?.["optimizer.d_lr"] };
  showStatus({ ...status, ...rates, ...known });
}

function showLastSamples(run, epoch) {
  byId("board").src = `/api/runs/${encodeURIComponent(run)}/samples/${epoch}.png`;
  byId("board").alt = `Drawings after epoch ${epoch}`;
  say(byId("board-caption"), `Drawings after epoch ${epoch}.`);
}

function clearStage() {
  byId("side").prepend(byId("steering"));
  say(byId("live-title"), "This training");
  byId("controls").hidden = false;
  byId("board-hint").hidden = true;
  byId("interventions").replaceChildren();
  byId("verdict").classList.remove("alarm");
  say(byId("verdict-state"), "too early to say");
  say(byId("verdict-evidence"), "It needs a few looks at the pictures.");
  say(byId("verdict-remedy"), "");
  showRows();
}

async function fillRuns(chosen) {
  const { runs } = await get("/api/runs");
  const option = (run) => el("option", { value: run.run }, ALIVE.has(run.state) ? `• ${run.run}` : run.run);
  const select = byId("run");
  select.replaceChildren(el("option", { value: "" }, "choose one, or begin a new one"), ...runs.map(option));
  select.value = chosen ?? "";
  byId("steering").hidden = runs.length === 0;
}

// Commands

/** A training that has just ended may hold its folder for a moment longer: ask again before complaining. */
async function postPatiently(address, body) {
  for (;;) {
    try {
      return await post(address, body);
    } catch (error) {
      const justEnded = watched?.ended && Date.now() - watched.ended < JUST_ENDED_MS;
      if (error.status !== 409 || !justEnded) throw error;
      await new Promise((done) => setTimeout(done, 400));
    }
  }
}

async function command(name, more = {}) {
  if (!watched) return;
  try {
    await postPatiently(`/api/runs/${encodeURIComponent(watched.run)}/command`, { command: name, ...more });
  } catch (error) {
    complain(error);
  }
}

async function changeRates(event) {
  event.preventDefault();
  const wanted = {};
  for (const [id, name] of [
    ["g-lr", "g_lr"],
    ["d-lr", "d_lr"],
  ]) {
    const text = byId(id).value.trim();
    const value = Number(text);
    if (!text || !(value >= 0)) {
      announce(`A learning rate is a number such as 0.001, and not “${text}”.`);
      byId(id).focus();
      return;
    }
    if (!watched.status || rate(watched.status[name]) !== rate(value)) wanted[name] = value;
  }
  if (!Object.keys(wanted).length) announce("These are the learning rates already.");
  else await command("learning_rates", wanted);
}

async function start(preset, changes) {
  try {
    const { run } = await postPatiently("/api/train", { preset, changes });
    byId("new").open = false;
    await fillRuns(run);
    await watch(run);
    byId("state").scrollIntoView({ block: "nearest" });
    byId("pause").focus({ preventScroll: true });
  } catch (error) {
    complain(error);
  }
}

function fillGallery() {
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
        el("dd", {}, preset.look_at),
        el("dt", {}, "The cure"),
        el("dd", {}, preset.cure),
      ),
      el(
        "div",
        { class: "row" },
        el("button", { type: "button", class: "button starts", onclick: () => start(preset.name, {}) }, "Let it fail"),
        preset.cure_changes &&
          el(
            "button",
            { type: "button", class: "button starts", onclick: () => start(preset.name, preset.cure_changes) },
            "Try the cure",
          ),
      ),
    );
  byId("gallery").replaceChildren(...recipes.failures.map(card));
}

startPage(async () => {
  charts = makeCharts();
  byId("pause").addEventListener("click", (event) => command(event.target.dataset.command));
  byId("step").addEventListener("click", () => command("step", { steps: 1 }));
  byId("stop").addEventListener("click", () => command("stop"));
  byId("rates").addEventListener("submit", changeRates);
  byId("speed").addEventListener("change", (event) => {
    command("speed", { steps_per_second: event.target.value === "" ? null : Number(event.target.value) });
  });
  byId("run").addEventListener("change", (event) => {
    if (event.target.value) watch(event.target.value).catch(complain);
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

  const asked = new URLSearchParams(location.search);
  const studio = await get("/api/studio");
  const run = asked.get("run") ?? (asked.has("new") ? null : (studio.training ?? studio.run));
  if (!run) {
    byId("side").prepend(byId("new"));
    say(byId("live-title"), "An earlier training");
  }
  await fillRuns(run);
  if (run) {
    byId("new").open = false;
    await watch(run);
  }
});
