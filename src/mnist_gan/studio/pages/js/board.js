// The picture of a game on points of the plane: D's logit as colours with its zero line, the bent grid of z, real and
// generated points, and the push that each generated point gets.

import { colour, contextOf } from "./pictures.js";

/**
 * Parts of a picture, in the range of the networks; what is missing is not drawn.
 * @typedef {{ field?: Float32Array, boundary?: number | null, real?: [number, number][], points?: Float32Array,
 *   arrows?: Float32Array, lines?: Float32Array, lineSteps?: number, zeroLine?: boolean, limit?: number | null }} Shown
 */

const SIDE = 64;
/** Longest arrow, in the range of the networks; a push of `HALF_PUSH` has half of it. */
const LONGEST = 0.22;
const HALF_PUSH = 4;
/** Share of the old colour scale that a new picture keeps, so that colours do not flicker. */
const KEPT = 0.85;

/** @param {string} name @param {number} [share] */
const tone = (name, share = 1) => `rgb(${colour(name).join(" ")} / ${share})`;

/**
 * Segments of the line on which a field has a value, by marching squares; coordinates from -1 to 1.
 * @param {Float32Array} field rows from low to high y
 * @param {number} level
 * @returns {number[][]} x, y, x, y of each segment
 */
export function contour(field, level) {
  const segments = [];
  const place = (/** @type {number} */ k) => ((k + 0.5) / SIDE) * 2 - 1;
  for (let row = 0; row + 1 < SIDE; row += 1) {
    for (let column = 0; column + 1 < SIDE; column += 1) {
      const at = row * SIDE + column;
      const a = field[at] - level;
      const b = field[at + 1] - level;
      const c = field[at + SIDE + 1] - level;
      const d = field[at + SIDE] - level;
      if (a > 0 === b > 0 && b > 0 === c > 0 && c > 0 === d > 0) continue;
      const corners = [
        [column, row, a],
        [column + 1, row, b],
        [column + 1, row + 1, c],
        [column, row + 1, d],
      ];
      const crossed = [];
      for (let k = 0; k < 4; k += 1) {
        const [x, y, from] = corners[k];
        const [nextX, nextY, to] = corners[(k + 1) % 4];
        if (from > 0 === to > 0 || !Number.isFinite(from - to)) continue;
        const share = from / (from - to);
        crossed.push(place(x + share * (nextX - x)), place(y + share * (nextY - y)));
      }
      for (let k = 0; k + 3 < crossed.length; k += 4) segments.push(crossed.slice(k, k + 4));
    }
  }
  return segments;
}

/**
 * Distance from the boundary that 95 % of the finite values of a field do not exceed.
 * @param {Float32Array} field
 * @param {number} boundary
 */
function spread(field, boundary) {
  const sizes = field.map((value) => Math.abs(value - boundary)).filter(Number.isFinite);
  sizes.sort();
  return sizes[Math.floor(0.95 * (sizes.length - 1))] || 1;
}

/**
 * Median of the finite values.
 * @param {Float32Array} values
 */
export function median(values) {
  const sorted = values.filter(Number.isFinite).sort();
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Real points that are drawn large. */
const FEW = 50;

export class Board {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = contextOf(canvas);
    this.cells = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    /** Distance from the boundary that has the full colour. @type {number | null} */
    this.limit = null;
    /** @type {Shown | null} */
    this.shown = null;
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** Forget the colour scale of an earlier game. */
  reset() {
    this.limit = null;
  }

  /** @param {Shown} shown */
  draw(shown) {
    this.shown = shown;
    this.redraw();
  }

  redraw() {
    const { canvas, context, shown } = this;
    const side = Math.round(canvas.clientWidth * devicePixelRatio);
    if (!shown || !side) return;
    if (canvas.width !== side) Object.assign(canvas, { width: side, height: side });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = tone("--raised");
    context.fillRect(0, 0, side, side);
    const boundary = shown.field ? (shown.boundary ?? median(shown.field)) : 0;
    if (shown.field) this.paintField(shown.field, boundary, shown.limit);
    // -1 to 1 in both directions, y upwards
    context.setTransform(side / 2, 0, 0, -side / 2, side / 2, side / 2);
    const pixel = (2 / side) * devicePixelRatio;
    if (shown.lines) this.strokeLines(shown.lines, shown.lineSteps ?? 48, pixel);
    const few = shown.real && shown.real.length <= FEW; // each counts, so that they are large and above the others
    if (shown.real && !few) this.dot(shown.real.flat(), "--real", 2.6 * pixel, 0.55, 0);
    if (shown.field && shown.zeroLine !== false) this.strokeZero(contour(shown.field, boundary), pixel);
    if (shown.arrows && shown.points) this.strokeArrows(shown.points, shown.arrows, pixel);
    if (shown.points) this.dot(shown.points, "--generated", 3.6 * pixel, 0.95, 0.8 * pixel);
    if (shown.real && few) this.dot(shown.real.flat(), "--real", 8 * pixel, 1, 1.6 * pixel);
  }

  /**
   * @param {Float32Array} field
   * @param {number} boundary
   * @param {number | null | undefined} limit
   */
  paintField(field, boundary, limit) {
    const found = limit ?? spread(field, boundary);
    const scale = limit ?? (this.limit === null ? found : KEPT * this.limit + (1 - KEPT) * found);
    this.limit = scale;
    const [paper, real, generated] = ["--raised", "--real", "--generated"].map(colour);
    const image = new ImageData(SIDE, SIDE);
    for (let row = 0; row < SIDE; row += 1) {
      for (let column = 0; column < SIDE; column += 1) {
        const value = (field[(SIDE - 1 - row) * SIDE + column] - boundary) / scale;
        const share = Number.isNaN(value) ? 0 : 0.62 * Math.min(1, Math.abs(value));
        const end = value > 0 ? real : generated;
        const at = 4 * (row * SIDE + column);
        for (let k = 0; k < 3; k += 1) image.data[at + k] = paper[k] * (1 - share) + end[k] * share;
        image.data[at + 3] = 255;
      }
    }
    contextOf(this.cells).putImageData(image, 0, 0);
    this.context.imageSmoothingEnabled = true;
    this.context.drawImage(this.cells, 0, 0, this.canvas.width, this.canvas.height);
  }

  /**
   * @param {Float32Array} lines
   * @param {number} steps
   * @param {number} pixel
   */
  strokeLines(lines, steps, pixel) {
    const { context } = this;
    Object.assign(context, { lineWidth: pixel, strokeStyle: tone("--ink", 0.28) });
    context.beginPath();
    for (let at = 0; at < lines.length; at += 2) {
      const isFirst = (at / 2) % steps === 0;
      context[isFirst ? "moveTo" : "lineTo"](lines[at], lines[at + 1]);
    }
    context.stroke();
  }

  /**
   * @param {number[][]} segments
   * @param {number} pixel
   */
  strokeZero(segments, pixel) {
    const { context } = this;
    context.beginPath();
    for (const [x, y, endX, endY] of segments) {
      context.moveTo(x, y);
      context.lineTo(endX, endY);
    }
    // dark on light, or light on dark, over any colour of the field
    Object.assign(context, { lineWidth: 3.6 * pixel, strokeStyle: tone("--raised", 0.7) });
    context.stroke();
    Object.assign(context, { lineWidth: 1.7 * pixel, strokeStyle: tone("--ink") });
    context.stroke();
  }

  /**
   * @param {Float32Array} points
   * @param {Float32Array} arrows
   * @param {number} pixel
   */
  strokeArrows(points, arrows, pixel) {
    const { context } = this;
    context.beginPath();
    for (let at = 0; at < arrows.length; at += 2) {
      const size = Math.hypot(arrows[at], arrows[at + 1]);
      if (!(size > 0)) continue;
      const length = (LONGEST * size) / (size + HALF_PUSH);
      const [dx, dy] = [(arrows[at] / size) * length, (arrows[at + 1] / size) * length];
      const [x, y] = [points[at] + dx, points[at + 1] + dy];
      context.moveTo(points[at], points[at + 1]);
      context.lineTo(x, y);
      if (length < 6 * pixel) continue;
      const head = Math.min(0.35 * length, 7 * pixel) / length;
      context.moveTo(x - head * (dx + 0.6 * dy), y - head * (dy - 0.6 * dx));
      context.lineTo(x, y);
      context.lineTo(x - head * (dx - 0.6 * dy), y - head * (dy + 0.6 * dx));
    }
    Object.assign(context, { lineWidth: 1.6 * pixel, strokeStyle: tone("--ink", 0.85), lineJoin: "round" });
    context.stroke();
  }

  /**
   * Squares look like dots at this size and cost less.
   * @param {ArrayLike<number>} flat
   * @param {string} name
   * @param {number} size
   * @param {number} share
   * @param {number} edge
   */
  dot(flat, name, size, share, edge) {
    const { context } = this;
    const rectangles = (/** @type {number} */ grown) => {
      for (let at = 0; at < flat.length; at += 2)
        context.fillRect(flat[at] - grown / 2, flat[at + 1] - grown / 2, grown, grown);
    };
    if (edge) {
      context.fillStyle = tone("--raised", 0.9);
      rectangles(size + 2 * edge);
    }
    context.fillStyle = tone(name, share);
    rectangles(size);
  }
}
