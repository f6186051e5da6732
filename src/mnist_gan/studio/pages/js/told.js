// A game on points of the plane in sentences: a text alternative for its picture.

import { count, figure, isNumber, percent } from "./format.js";

const SIDE = 64;

/**
 * Value of a field of D's logit at a point.
 * @param {Float32Array} field
 * @param {number} x @param {number} y from -1 to 1
 */
export function fieldAt(field, x, y) {
  const cell = (/** @type {number} */ place) => Math.max(0, Math.min(SIDE - 1, Math.floor(((place + 1) / 2) * SIDE)));
  return field[cell(y) * SIDE + cell(x)];
}

/**
 * Share of points that D calls real.
 * @param {Float32Array} field
 * @param {Float32Array} points
 * @param {number} boundary
 */
function shareReal(field, points, boundary) {
  let real = 0;
  for (let at = 0; at < points.length; at += 2) real += Number(fieldAt(field, points[at], points[at + 1]) > boundary);
  return real / (points.length / 2);
}

/**
 * What the picture shows.
 * @param {Record<string, number | null>} figures
 * @param {Record<string, Float32Array>} arrays
 */
export function describePicture(figures, arrays) {
  const moves = `After ${count(figures.d_moves)} steps of D and ${count(figures.g_moves)} of G:`;
  const covered = isNumber(figures.modes)
    ? `generated points gather near ${figures.reached} of ${figures.all_modes} groups, and ${percent(figures.quality)} are as close to one as real points`
    : `${percent(figures.quality)} of the generated points lie where real ones do`;
  if (!arrays.field || figures.boundary === null) return `${moves} ${covered}.`;
  const share = percent(shareReal(arrays.field, arrays.points, figures.boundary));
  const accuracy = figures["Score/real_accuracy"];
  const real = isNumber(accuracy) ? ` and ${percent(accuracy)} of the real ones` : "";
  return `${moves} ${covered}. D calls ${share} of the generated points${real} real.`;
}

/**
 * Mean distance between the points of two pictures, in percent of the width of the plane.
 * @param {Float32Array} before
 * @param {Float32Array} after
 */
function meanShift(before, after) {
  let sum = 0;
  for (let at = 0; at < after.length; at += 2)
    sum += Math.hypot(after[at] - before[at], after[at + 1] - before[at + 1]);
  return (100 * sum) / after.length; // half as many points as numbers, and the plane is 2 wide
}

/**
 * Mean logit of D at points.
 * @param {Float32Array} field
 * @param {Float32Array} points
 */
function meanLogit(field, points) {
  let sum = 0;
  for (let at = 0; at < points.length; at += 2) sum += fieldAt(field, points[at], points[at + 1]);
  return sum / (points.length / 2);
}

/**
 * What one move changed.
 * @param {"step" | "D" | "G"} kind
 * @param {import("./game.js").Picture | null} before
 * @param {import("./game.js").Picture} after
 */
export function describeMove(kind, before, after) {
  const name = { step: "A whole step", D: "A step of D", G: "A step of G" }[kind];
  if (!before?.arrays.field || !after.arrays.field) return `${name} is done.`;
  const shift = meanShift(before.arrays.points, after.arrays.points);
  const moved =
    shift < 0.005 ? "no generated point moved" : `generated points moved by ${figure(shift)} % of the width`;
  const [old, now] = [before, after].map(({ arrays }) => meanLogit(arrays.field, arrays.points));
  return `${name}: ${moved}; D’s mean logit at them went from ${figure(old)} to ${figure(now)}.`;
}
