// A drawing in the form of the training images, as the Python package renders it: see data/drawing.py there.

const PEN_WIDTH = 2.5 / 28;
const EDGE_WIDTH = 1.2 / 28;
const BOX_SHARE = 20 / 28;

/** @typedef {[number, number]} Point */

/**
 * Round half to even, as Python does.
 * @param {number} value
 */
function rounded(value) {
  const near = Math.round(value);
  return Math.abs(value % 1) === 0.5 && near % 2 ? near - 1 : near;
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
const within = (value, low, high) => Math.min(high, Math.max(low, value));

/**
 * Distance from a point to the segment between two others.
 * @param {number} x
 * @param {number} y
 * @param {Point} from
 * @param {Point} to
 */
function distance(x, y, [x0, y0], [x1, y1]) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const share = within(((x - x0) * dx + (y - y0) * dy) / Math.max(dx * dx + dy * dy, 1e-12), 0, 1);
  return Math.hypot(x - x0 - share * dx, y - y0 - share * dy);
}

/**
 * Offset that puts the centre of mass at half the side.
 * @param {number[]} masses
 * @param {number} side
 */
function centred(masses, side) {
  const total = masses.reduce((sum, mass) => sum + mass, 0);
  const centre = masses.reduce((sum, mass, i) => sum + mass * i, 0) / total;
  return within(rounded(side / 2 - centre), 0, side - masses.length);
}

/** @param {number[]} values */
const sum = (values) => values.reduce((total, value) => total + value, 0);

/**
 * Grey levels of strokes: lists of points [x, y], in any unit. Returns bytes, [row][column][channel].
 * @param {Point[][]} strokes
 * @param {Pick<Exported.Plan, "side" | "channels" | "form">} plan
 */
export function fitStrokes(strokes, { side, channels, form }) {
  const points = strokes.flat();
  const low = [0, 1].map((axis) => Math.min(...points.map((point) => point[axis])));
  const extent = [0, 1].map((axis) => Math.max(...points.map((point) => point[axis])) - low[axis]);
  const unit = side * (form.box_share / BOX_SHARE);
  const box = rounded(side * form.box_share);
  const edge = EDGE_WIDTH * unit;
  const radius = (PEN_WIDTH * unit) / 2;
  const longest = Math.max(...extent);
  const scale = longest > 0 ? (box - 2 * radius - edge) / longest : 1;
  const [width, height] = extent.map((length) => Math.min(box, Math.ceil(length * scale + 2 * radius + edge - 1e-9)));
  const offset = [width / 2 - (extent[0] * scale) / 2, height / 2 - (extent[1] * scale) / 2];
  /** @param {number} axis @param {number} value */
  const placed = (axis, value) => (value - low[axis]) * scale + offset[axis];
  const segments = strokes.flatMap((stroke) => {
    const points = stroke.map(([x, y]) => /** @type {Point} */ ([placed(0, x), placed(1, y)]));
    return points.length > 1 ? points.slice(1).map((point, i) => [points[i], point]) : [[points[0], points[0]]];
  });
  const rows = Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => {
      const nearest = Math.min(...segments.map(([from, to]) => distance(x + 0.5, y + 0.5, from, to)));
      return rounded(255 * within((radius - nearest) / edge + 0.5, 0, 1));
    }),
  );
  const top = centred(rows.map(sum), side);
  const left = centred(
    rows[0].map((_, x) => sum(rows.map((row) => row[x]))),
    side,
  );
  const image = new Uint8ClampedArray(side * side * channels).fill(form.inverted ? 255 : 0);
  rows.forEach((row, y) => {
    row.forEach((level, x) => {
      const at = ((top + y) * side + left + x) * channels;
      image.fill(form.inverted ? 255 - level : level, at, at + channels);
    });
  });
  return image;
}
