// Interpolation between latents and between label embeddings, as sampling/interpolation.py computes it.

/** @typedef {Float32Array<ArrayBuffer>} Vector */

/** @param {Float32Array | Float64Array} vector */
function length(vector) {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
}

/**
 * Linear interpolation, for label embeddings.
 * @param {Vector} from
 * @param {Vector} to
 * @param {number} t
 */
export const lerp = (from, to, t) => from.map((value, i) => value + t * (to[i] - value));

/**
 * Spherical interpolation, for latents: the direction turns at constant speed, the length changes linearly. Parallel
 * vectors and zero vectors are interpolated linearly.
 * @param {Vector} from
 * @param {Vector} to
 * @param {number} t
 */
export function slerp(from, to, t) {
  if (t === 0 || t === 1) return t ? to : from;
  const [a, b] = [length(from), length(to)];
  if (a === 0 || b === 0) return lerp(from, to, t);
  const along = from.reduce((sum, value, i) => sum + (value / a) * (to[i] / b), 0);
  const across = Float64Array.from(to, (value, i) => value / b - along * (from[i] / a));
  const width = length(across);
  if (width < 1e-9) return lerp(from, to, t);
  const angle = t * Math.atan2(width, along);
  const size = (1 - t) * a + t * b;
  return from.map((value, i) => size * (Math.cos(angle) * (value / a) + Math.sin(angle) * (across[i] / width)));
}
