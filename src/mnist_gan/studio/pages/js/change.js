// What a single step of a training changed: the difference of its drawings, and of the discriminator's scores.

import { figure } from "./format.js";
import { colour, contextOf } from "./pictures.js";

/**
 * The picture and the scores of one moment of a training.
 * @typedef {{ image: HTMLImageElement, step: number, scores: Api.Scores | null }} Moment
 */

/**
 * Gray levels of an image, drawn at its own size.
 * @param {HTMLImageElement} image
 */
function grayOf(image) {
  const canvas = Object.assign(document.createElement("canvas"), {
    width: image.naturalWidth,
    height: image.naturalHeight,
  });
  const context = contextOf(canvas);
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return { width: canvas.width, height: canvas.height, gray: data.filter((_, k) => k % 4 === 0) };
}

/**
 * Paint the difference of two pictures: blue where pixels became brighter, orange where they became darker, amplified to
 * the largest change. Without any, the canvas is hidden. Returns the largest change, 0 to 255.
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLImageElement} before
 * @param {HTMLImageElement} after
 */
export function paintDifference(canvas, before, after) {
  const [old, now] = [grayOf(before), grayOf(after)];
  Object.assign(canvas, { width: now.width, height: now.height });
  const [brighter, darker] = ["--real-by-night", "--generated-by-night"].map(colour);
  const largest = now.gray.reduce((most, value, k) => Math.max(most, Math.abs(value - old.gray[k])), 0);
  canvas.hidden = largest === 0;
  const picture = new ImageData(now.width, now.height);
  for (let k = 0; k < now.gray.length; k += 1) {
    const change = now.gray[k] - old.gray[k];
    const share = largest ? Math.sqrt(Math.abs(change) / largest) : 0; // small changes remain visible
    const tint = change > 0 ? brighter : darker;
    picture.data.set([...tint.map((channel) => channel * share), 255], 4 * k);
  }
  contextOf(canvas).putImageData(picture, 0, 0);
  return largest;
}

/**
 * Mean of a histogram over edges.
 * @param {number[]} edges
 * @param {number[]} counts
 */
function meanOf(edges, counts) {
  const total = counts.reduce((sum, value) => sum + value, 0) || 1;
  return counts.reduce((sum, value, k) => sum + (value * (edges[k] + edges[k + 1])) / 2, 0) / total;
}

/**
 * What changed between two moments, in sentences.
 * @param {Moment} before
 * @param {Moment} after
 * @param {number} largest the largest change of a pixel
 */
export const describeChange = (before, after, largest) =>
  `${describePixels(largest)} ${describeScores(before.scores, after.scores)}`.trim();

/**
 * What one step of a single network changes, in sentences.
 * @param {Api.Trial} trial
 * @param {number} largest the largest change of a pixel
 */
export function describeTrial({ player, before, after }, largest) {
  if (player === "G")
    return `D is the same. ${describePixels(largest)} ${describeScores(before, after, ["generated"])}`;
  const drawings = largest ? "" : "The drawings are the same: a step of D changes only D. ";
  return `${drawings}${describeScores(before, after)}`;
}

/** @param {number} largest the largest change of a pixel */
const describePixels = (largest) =>
  largest
    ? `Blue pixels became brighter, orange ones darker, by at most ${largest} of 255 levels; the picture amplifies this.`
    : "No pixel of the drawings changed by a whole level.";

/**
 * How D’s mean scores moved; empty where a score was not finite.
 * @param {Api.Scores | null} old
 * @param {Api.Scores | null} now
 * @param {("real" | "generated")[]} kinds
 */
function describeScores(old, now, kinds = ["real", "generated"]) {
  if (!old || !now) return "";
  const moved = kinds.map(
    (kind) =>
      `of ${kind} images from ${figure(meanOf(old.edges, old[kind]))} to ${figure(meanOf(now.edges, now[kind]))}`,
  );
  return `D’s mean score moved: ${moved.join(", ")}.`;
}
