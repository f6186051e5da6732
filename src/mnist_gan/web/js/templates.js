// Ten digits as pen strokes in a square of side 1.

/**
 * Points on an arc of an ellipse. Angles in turns: 0 is right, a quarter is down.
 * @param {number} cx
 * @param {number} cy
 * @param {number} rx
 * @param {number} ry
 * @param {number} from
 * @param {number} to
 * @returns {[number, number][]}
 */
function arc(cx, cy, rx, ry, from, to, n = 18) {
  return [...Array(n + 1).keys()].map((k) => {
    const angle = 2 * Math.PI * (from + ((to - from) * k) / n);
    return [cx + rx * Math.cos(angle), cy + ry * Math.sin(angle)];
  });
}

/** @type {[number, number][][][]} */
export const TEMPLATES = [
  [arc(0.5, 0.5, 0.2, 0.31, -0.2, 0.82, 30)],
  [
    [
      [0.42, 0.3],
      [0.53, 0.19],
      [0.5, 0.5],
      [0.47, 0.82],
    ],
  ],
  [[...arc(0.48, 0.35, 0.18, 0.16, -0.45, 0.08), [0.33, 0.77], [0.36, 0.79], [0.72, 0.78]]],
  [[...arc(0.46, 0.34, 0.18, 0.15, -0.42, 0.2), ...arc(0.46, 0.65, 0.21, 0.17, -0.22, 0.42)]],
  [
    [
      [0.36, 0.2],
      [0.31, 0.52],
      [0.68, 0.52],
    ],
    [
      [0.65, 0.2],
      [0.6, 0.82],
    ],
  ],
  [[[0.66, 0.2], [0.4, 0.21], [0.37, 0.45], ...arc(0.47, 0.62, 0.19, 0.19, -0.25, 0.4)]],
  [[[0.62, 0.19], [0.45, 0.38], [0.37, 0.6], ...arc(0.5, 0.66, 0.14, 0.15, 0.5, -0.5, 22)]],
  [
    [
      [0.3, 0.23],
      [0.68, 0.22],
      [0.55, 0.5],
      [0.46, 0.82],
    ],
  ],
  [
    [
      ...arc(0.5, 0.35, 0.14, 0.15, 0, -0.75),
      ...arc(0.5, 0.66, 0.17, 0.16, -0.25, 0.75, 24),
      ...arc(0.5, 0.35, 0.14, 0.15, 0.25, 0),
    ],
  ],
  [[...arc(0.48, 0.36, 0.15, 0.15, 0, -1, 22), [0.63, 0.45], [0.6, 0.82]]],
];
