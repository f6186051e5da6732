// Numbers as text.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/**
 * True for a finite number.
 * @param {unknown} value
 * @returns {value is number}
 */
export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/**
 * 12345.6 -> "12,346".
 * @param {unknown} value
 */
export const count = (value) => (isNumber(value) ? whole.format(value) : "–");

/**
 * Three significant figures, without exponents for usual sizes.
 * @param {unknown} value
 */
export function figure(value) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.00001 || size >= 1e7)) return value.toExponential(1);
  if (size >= 1000) return whole.format(value);
  return Number(value.toPrecision(3)).toLocaleString("en-US", { maximumFractionDigits: 8 }).replace("-", "−");
}

/**
 * 0.256 -> "26 %"; never rounded to 0 % or 100 %.
 * @param {unknown} value
 */
export function percent(value) {
  if (!isNumber(value)) return "–";
  if (value > 0 && value < 0.005) return "<1 %";
  if (value < 1 && value > 0.995) return ">99 %";
  return `${Math.round(100 * value)} %`;
}

/**
 * 83 -> "1 min 23 s".
 * @param {unknown} seconds
 */
export function duration(seconds) {
  if (!isNumber(seconds)) return "–";
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/**
 * A learning rate, such as 0.00015.
 * @param {unknown} value
 */
export const rate = (value) => (isNumber(value) ? String(Number(value.toPrecision(3))) : "–");

/**
 * 120000 -> "120k", for the axis of a chart.
 * @param {number} value
 */
export function images(value) {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (value >= 1e3) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(value);
}

/**
 * A number with its article, "a 7" or "an 8"; another name of a class in quotes.
 * @param {string} name
 */
export function withArticle(name) {
  if (!/^\d+$/.test(name)) return `“${name}”`;
  return `${name.startsWith("8") || name === "11" || name === "18" ? "an" : "a"} ${name}`;
}
