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
 * the largest change. Returns that change, 0 to 255.
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLImageElement} before
 * @param {HTMLImageElement} after
 */
export function paintDifference(canvas, before, after) {
  const [old, now] = [grayOf(before), grayOf(after)];
  Object.assign(canvas, { width: now.width, height: now.height });
  const [brighter, darker] = ["--real-by-night", "--generated-by-night"].map(colour);
  const largest = now.gray.reduce((most, value, k) => Math.max(most, Math.abs(value - old.gray[k])), 0);
  const picture = new ImageData(now.width, now.height);
  for (let k = 0; k < now.gray.length; k += 1) {
    const change = now.gray[k] - old.gray[k];
    const share = largest ? Math.abs(change) / largest : 0;
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
export function describeChange(before, after, largest) {
  const pixels = largest
    ? `No pixel of the drawings changed by more than ${largest} of 255 levels; the picture amplifies this.`
    : "No pixel of the drawings changed by a whole level.";
  const [old, now] = [before.scores, after.scores];
  if (!old || !now) return pixels;
  const moved = /** @type {const} */ (["real", "generated"]).map(
    (kind) =>
      `of ${kind} images from ${figure(meanOf(old.edges, old[kind]))} to ${figure(meanOf(now.edges, now[kind]))}`,
  );
  return `${pixels} D’s mean score went ${moved.join(", ")}.`;
}
