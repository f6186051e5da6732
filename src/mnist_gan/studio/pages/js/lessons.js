// The Lessons page: a guess, an experiment, what happened, a question, two sentences. Progress stays in the browser.

import { get } from "./api.js";
import { Board } from "./board.js";
import { announce, byId, el, setText, showError, speak } from "./dom.js";
import { count, figure, isNumber, percent } from "./format.js";
import { Game } from "./game.js";
import { startPage } from "./shell.js";
import { describePicture } from "./told.js";

/**
 * @typedef {"prediction" | "check"} Form
 * @typedef {Api.LessonGame | Api.LessonPicture} Experiment
 */

const STORE = "lessons";
/** Moves between two pictures of an experiment. */
const STRIDE = 6;

/**
 * Titles of figures that experiments show, and their texts.
 * @type {Record<string, [string, (value: number, all: Record<string, number | null>) => string]>}
 */
const FIGURES = {
  reached: ["Groups reached", (value, all) => `${count(value)} of ${all.all_modes}`],
  moved: ["Points moved by", (value) => `${figure(value)} % of the width`],
  slope: ["Push on G’s points", figure],
  fake_logit: ["D’s mean logit at them", figure],
  divergence: ["Divergence", figure],
  quality: ["High quality", percent],
  copying: ["Ratio of both distances", figure],
  to_training: ["Generated to training point", (value) => `${figure(value)} % of the width`],
  held_out_to_generated: ["Held-out to generated point", (value) => `${figure(value)} % of the width`],
  held_out_to_training: ["Held-out to training point", (value) => `${figure(value)} % of the width`],
  "Loss/D/loss": ["Loss of D", figure],
};

/** @type {Api.GuidedLesson[]} */
let lessons = [];
/** @type {Api.GuidedLesson} */
let lesson;
let running = 0;

// Progress

/** @returns {Record<string, { guess?: number, ran?: boolean, answer?: number }>} */
function progress() {
  try {
    return JSON.parse(localStorage.getItem(STORE) ?? "{}");
  } catch {
    return {};
  }
}

const stateOf = (/** @type {string} */ name) => progress()[name] ?? {};

/**
 * @param {string} name
 * @param {{ guess?: number, ran?: boolean, answer?: number }} more
 */
function remember(name, more) {
  const known = progress();
  known[name] = { ...known[name], ...more };
  try {
    localStorage.setItem(STORE, JSON.stringify(known));
  } catch {
    announce("This browser stores nothing, so your progress ends with the page.");
  }
}

const isDone = (/** @type {string} */ name) => stateOf(name).answer !== undefined;

// Showing a lesson

function fillCourse() {
  const item = (/** @type {Api.GuidedLesson} */ each, /** @type {number} */ k) => {
    const mark = isDone(each.name) ? "done" : stateOf(each.name).guess === undefined ? "" : "begun";
    const link = el(
      "a",
      { href: `/lessons?lesson=${each.name}`, "aria-current": each === lesson ? "step" : null, class: mark },
      `${k + 1}. ${each.title}`,
      mark ? el("span", { class: "small soft" }, ` ${mark}`) : null,
    );
    link.addEventListener("click", (/** @type {MouseEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open(each);
      byId("lesson-title").focus();
    });
    return el("li", {}, link);
  };
  byId("course").replaceChildren(...lessons.map(item));
  const done = lessons.filter(({ name }) => isDone(name)).length;
  setText(byId("progress-told"), `${done} of ${lessons.length} done`);
}

/**
 * @param {Form} id
 * @param {Api.LessonQuestion} question
 * @param {number | undefined} chosen
 */
function fillChoices(id, question, chosen) {
  setText(byId(`${id}-text`), question.text);
  const choice = (/** @type {string} */ text, /** @type {number} */ k) => {
    const input = el("input", { type: "radio", name: id, value: k, required: true });
    input.checked = chosen === k;
    return el("label", { class: "answer" }, input, el("span", {}, text));
  };
  byId(`${id}-choices`).replaceChildren(...question.choices.map(choice));
}

const chosenOf = (/** @type {Form} */ id) =>
  Number(document.querySelector(`input[name=${id}]:checked`)?.getAttribute("value") ?? Number.NaN);

/** @param {Form} id */
function fix(id) {
  for (const input of byId(`${id}-choices`).querySelectorAll("input")) input.disabled = true;
}

/**
 * Mark the right choice, and the chosen one if it is wrong; the choices are then fixed.
 * @param {Form} id
 * @param {Api.LessonQuestion} question
 * @param {number | undefined} chosen
 */
function settle(id, question, chosen) {
  const answers = byId(`${id}-choices`).children;
  for (const [k, answer] of [...answers].entries()) {
    answer.classList.toggle("right", k === question.right);
    answer.classList.toggle("wrong", k === chosen && k !== question.right);
  }
  fix(id);
}

/**
 * Show a lesson as far as the visitor has come.
 * @param {Api.GuidedLesson} chosen
 */
function open(chosen) {
  running += 1;
  lesson = chosen;
  history.replaceState(null, "", `/lessons?lesson=${lesson.name}`);
  const { guess, ran, answer } = stateOf(lesson.name);
  setText(byId("lesson-title"), `${lessons.indexOf(lesson) + 1}. ${lesson.title}`);
  setText(byId("idea"), lesson.idea);
  fillChoices("prediction", lesson.prediction, guess);
  fillChoices("check", lesson.check, answer);
  setText(byId("check-told"), "");
  byId("guess").hidden = guess !== undefined;
  byId("answer").hidden = answer !== undefined;
  byId("experiment").hidden = guess === undefined;
  byId("reveal").hidden = !ran;
  byId("check").hidden = !ran;
  byId("takeaway").hidden = answer === undefined;
  if (guess !== undefined) fix("prediction");
  fillBoards();
  if (ran) reveal();
  if (answer !== undefined) showAnswer(answer);
  setText(byId("takeaway-text"), lesson.takeaway);
  byId("digits-told").hidden = lesson.digits === null;
  byId("digits-pair").href = lesson.digits ?? "/runs";
  setText(byId("section"), lesson.section);
  byId("section").href = lesson.section_address;
  setText(byId("function"), lesson.function);
  setText(byId("source"), lesson.source);
  byId("next").hidden = lesson === lessons.at(-1);
  fillCourse();
}

/** A place for each experiment: a plane with figures, or a row of digits. */
function fillBoards() {
  const isPicture = lesson.experiments.some((experiment) => "picture" in experiment);
  byId("boards").classList.toggle("rows", isPicture);
  const frame = (/** @type {Experiment} */ experiment, /** @type {number} */ k) =>
    "picture" in experiment ? pictureFrame(experiment, k) : gameFrame(experiment, k);
  byId("boards").replaceChildren(...lesson.experiments.map(frame));
  byId("run").disabled = false;
  setText(byId("run"), isPicture ? "Draw" : "Run");
}

/**
 * @param {Api.LessonPicture} experiment
 * @param {number} k
 */
function pictureFrame({ title }, k) {
  const image = el("img", {
    class: "pixels",
    id: `digits-${k}`,
    width: 672,
    height: 84,
    alt: `Eight digits, ${title}`,
  });
  image.hidden = true;
  return el("figure", { class: "stack tight" }, el("h4", {}, title), image);
}

/**
 * @param {Api.LessonGame} experiment
 * @param {number} k
 */
function gameFrame({ title, figures, address }, k) {
  const row = (/** @type {string} */ name) =>
    el("div", {}, el("dt", {}, FIGURES[name][0]), el("dd", { id: `figure-${k}-${name.replaceAll("/", "-")}` }, "–"));
  return el(
    "figure",
    { class: "stack tight" },
    el("h4", {}, title),
    el("canvas", {
      class: "plane",
      id: `board-${k}`,
      width: 320,
      height: 320,
      role: "img",
      "aria-label": `The plane: ${title}`,
      "aria-describedby": `told-${k}`,
    }),
    el("dl", { class: "measured small" }, ...figures.map(row)),
    el("figcaption", { class: "small soft", id: `told-${k}` }, "Not run yet."),
    el("a", { class: "small", href: address, "aria-label": `Open in the plane: ${title}` }, "Open in the plane"),
  );
}

// Experiments

async function run() {
  const of = lesson;
  running += 1;
  const turn = running;
  byId("run").disabled = true;
  try {
    const begin = (/** @type {Experiment} */ experiment, /** @type {number} */ k) =>
      "picture" in experiment ? draw(experiment, k) : play(experiment, k, turn);
    await Promise.all(of.experiments.map(begin));
  } catch (error) {
    showError(error);
    return;
  } finally {
    if (turn === running) byId("run").disabled = false;
  }
  if (turn !== running) return;
  setText(byId("run"), "Run again");
  remember(of.name, { ran: true });
  byId("reveal").hidden = false;
  byId("check").hidden = false;
  reveal();
  goTo("reveal");
  speak(byId("verdict").textContent);
  fillCourse();
}

/**
 * @param {Api.LessonPicture} experiment
 * @param {number} k
 */
async function draw({ picture }, k) {
  const image = /** @type {HTMLImageElement} */ (byId(`digits-${k}`));
  image.src = picture;
  await image.decode();
  image.hidden = false;
}

/**
 * Play an experiment from its beginning, and show it on the way; a later run or another lesson ends it.
 * @param {Api.LessonGame} experiment
 * @param {number} k
 * @param {number} turn
 */
async function play(experiment, k, turn) {
  const game = await Game.begin(experiment.setup);
  const board = new Board(/** @type {HTMLCanvasElement} */ (byId(`board-${k}`)));
  for (const { kind, moves } of experiment.moves) {
    for (let left = moves; left > 0 && turn === running; left -= STRIDE) {
      const last = left <= STRIDE;
      const shown = await game.play(kind, Math.min(left, STRIDE), { optimum: last, lines: false });
      if (turn !== running) break;
      board.draw({ ...shown.arrays, lines: undefined, boundary: shown.figures.boundary, real: game.real });
      showFigures(experiment, k, shown);
    }
  }
  game.end();
}

/**
 * @param {Api.LessonGame} experiment
 * @param {number} k
 * @param {import("./game.js").Picture} picture
 */
function showFigures(experiment, k, { figures, arrays }) {
  for (const name of experiment.figures) {
    const value = figures[name];
    if (isNumber(value)) setText(byId(`figure-${k}-${name.replaceAll("/", "-")}`), FIGURES[name][1](value, figures));
  }
  setText(byId(`told-${k}`), describePicture(figures, arrays));
}

// Answers

function reveal() {
  const { guess } = stateOf(lesson.name);
  settle("prediction", lesson.prediction, guess);
  const right = guess === lesson.prediction.right;
  setText(byId("verdict"), `${right ? "You guessed right." : "Not what you guessed."} ${lesson.prediction.why}`);
  setText(byId("reveal-text"), lesson.reveal);
}

/** @param {number} answer */
function showAnswer(answer) {
  settle("check", lesson.check, answer);
  const right = answer === lesson.check.right;
  setText(byId("check-told"), `${right ? "Right." : "Not quite."} ${lesson.check.why}`);
}

/**
 * Continue with a part that has appeared, and leave as much of what is before it on the screen as fits.
 * @param {"reveal" | "takeaway"} part
 */
function goTo(part) {
  byId(part).scrollIntoView({ block: "nearest" });
  byId(`${part}-title`).focus({ preventScroll: true });
}

/** @param {SubmitEvent} event */
function guessed(event) {
  event.preventDefault();
  const guess = chosenOf("prediction");
  remember(lesson.name, { guess });
  fix("prediction");
  byId("guess").hidden = true;
  byId("experiment").hidden = false;
  byId("run").focus({ preventScroll: true });
  byId("experiment").scrollIntoView();
  fillCourse();
}

/** @param {SubmitEvent} event */
function answered(event) {
  event.preventDefault();
  const answer = chosenOf("check");
  remember(lesson.name, { answer });
  showAnswer(answer);
  byId("answer").hidden = true;
  byId("takeaway").hidden = false;
  goTo("takeaway");
  fillCourse();
}

startPage(async () => {
  lessons = (await get("/api/lessons")).lessons;
  byId("prediction").addEventListener("submit", guessed);
  byId("check").addEventListener("submit", answered);
  byId("run").addEventListener("click", () => run().catch(showError));
  byId("next").addEventListener("click", () => {
    open(lessons[lessons.indexOf(lesson) + 1]);
    scrollTo(0, 0);
    byId("lesson-title").focus({ preventScroll: true });
  });
  byId("forget").addEventListener("click", () => {
    localStorage.removeItem(STORE);
    open(lesson);
  });
  const wanted = new URLSearchParams(location.search).get("lesson");
  open(lessons.find(({ name }) => name === wanted) ?? lessons.find(({ name }) => !isDone(name)) ?? lessons[0]);
});
