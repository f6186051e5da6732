// Charts drawn by uPlot, each with a summary in text and a table of its numbers.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { el, setText } from "./dom.js";
import { figure, percent } from "./format.js";
import { colour } from "./pictures.js";

/**
 * A line or a kind of bars: its name, and the name of its colour in the style sheet.
 * @typedef {{ name: string, tone: string, dash?: number[], points?: boolean }} Series
 * @typedef {{ head: string[], rows: string[][] }} Table
 */

/** @param {string} name */
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const FONT = '12px -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

/**
 * @param {number[]} xs
 * @param {(number | null)[][]} columns
 */
const aligned = (xs, columns) => /** @type {uPlot.AlignedData} */ ([xs, ...columns]);

/**
 * A colour of the style sheet, made transparent.
 * @param {string} name
 * @param {number} share
 */
const veil = (name, share) => `rgba(${colour(name).join(", ")}, ${share})`;

/**
 * Base of all charts: the parts of `<figure class="chart">`, redrawing when the window or the colours change, and the
 * table, which is updated only while it is open.
 */
class Chart {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.plot = /** @type {HTMLElement} */ (root.querySelector(".plot"));
    this.plot.setAttribute("role", "img");
    this.readout = el("p", { class: "small soft readout" }, "\u00a0");
    this.table = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${this.title}: table` });
    this.details = el(
      "details",
      { class: "table-of" },
      el("summary", { "aria-label": `Show as a table: ${this.title}` }, "Show as a table"),
      this.table,
    );
    root.append(this.readout, this.details);
    this.details.addEventListener("toggle", () => this.writeTable());
    new ResizeObserver(() => this.resize()).observe(this.plot);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.rebuild());
    /** @type {uPlot | null} */
    this.drawn = null;
    /** @type {uPlot.AlignedData | null} */
    this.data = null;
    /** @type {string | null} */
    this.shape = null;
    /** @type {number | null} */
    this.frame = null;
  }

  get title() {
    const heading = this.root.querySelector("h3, h4");
    return heading?.firstElementChild?.textContent ?? heading?.textContent ?? "";
  }

  /** Numbers of the x axis. */
  get xs() {
    return /** @type {number[]} */ (this.data?.[0] ?? []);
  }

  /** Redraw once at the next frame. */
  update() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    if (!this.data || !this.plot.clientWidth) return;
    const shape = this.shapeOf();
    if (!this.drawn || shape !== this.shape) {
      this.drawn?.destroy();
      this.shape = shape;
      this.drawn = new uPlot(this.options(), this.data, this.plot);
    } else {
      this.drawn.setData(this.data);
    }
    this.plot.setAttribute("aria-label", `${this.title}. ${this.summary()}`);
    if (this.drawn.cursor.idx === null || this.drawn.cursor.idx === undefined) setText(this.readout, this.summary());
    this.writeTable();
  }

  rebuild() {
    this.shape = null;
    this.update();
  }

  resize() {
    if (this.drawn) this.drawn.setSize({ width: this.plot.clientWidth, height: this.plot.clientHeight });
    else this.update();
  }

  // Parts of each kind of chart

  /** @returns {uPlot.Options} */
  options() {
    throw new Error("not a chart");
  }

  /**
   * Sentence on one place of the x axis.
   * @param {number} _index
   * @returns {string}
   */
  describe(_index) {
    return "";
  }

  /** Sentence on the whole chart. */
  summary() {
    return "";
  }

  /** @returns {Table} */
  tabulate() {
    return { head: [], rows: [] };
  }

  /** Key of the options: another key rebuilds the chart. */
  shapeOf() {
    return "same";
  }

  /** Options of all charts, and the axes that each completes. */
  base() {
    /** @type {uPlot.Axis} */
    const axis = {
      stroke: css("--soft"),
      font: FONT,
      grid: { stroke: css("--hair"), width: 1 },
      ticks: { show: false },
      border: { show: false },
    };
    /** @type {uPlot.Axis} */
    const x = { ...axis, size: 28, gap: 4, grid: { show: false } };
    /** @type {uPlot.Axis & { grid: uPlot.Axis.Grid }} */
    const y = {
      ...axis,
      grid: { ...axis.grid },
      size: 48,
      gap: 6,
      values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : figure(tick))),
    };
    /** @type {Omit<uPlot.Options, "series">} */
    const options = {
      width: this.plot.clientWidth,
      height: this.plot.clientHeight,
      legend: { show: false },
      padding: [8, 12, this.data?.[0]?.length === 0 ? 8 : 0, 0], // an empty chart has no x axis below its lowest label
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      axes: [x, y],
      hooks: { setCursor: [(drawn) => this.point(drawn.cursor.idx)] },
    };
    return { options, x, y };
  }

  /** @param {number | null | undefined} index */
  point(index) {
    const told = index === null || index === undefined ? this.summary() : this.describe(index);
    setText(this.readout, told || "\u00a0");
  }

  writeTable() {
    if (!this.details.open) return;
    const { head, rows } = this.tabulate();
    /**
     * @param {"th" | "td"} tag
     * @param {string[]} values
     * @param {string} [scope]
     */
    const cells = (tag, values, scope) => values.map((value) => el(tag, scope ? { scope } : {}, value));
    this.table.replaceChildren(
      el(
        "table",
        {},
        el("caption", { class: "visually-hidden" }, this.title),
        el("thead", {}, el("tr", {}, ...cells("th", head, "col"))),
        el(
          "tbody",
          {},
          ...rows.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, first), ...cells("td", rest))),
        ),
      ),
    );
  }
}

/**
 * Vertical rules at `places` on the x axis.
 * @param {uPlot} drawn
 * @param {number[]} places
 * @param {string} tone
 * @param {number[]} dash
 */
function drawRules(drawn, places, tone, dash) {
  const { ctx } = drawn;
  ctx.save();
  ctx.strokeStyle = css(tone);
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
  for (const place of places) {
    const x = Math.round(drawn.valToPos(place, "x", true));
    if (x < drawn.bbox.left || x > drawn.bbox.left + drawn.bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, drawn.bbox.top);
    ctx.lineTo(x, drawn.bbox.top + drawn.bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

/** Dash of the second solid line of a chart: two lines must not differ by colour alone. */
export const DOTS = [2, 2];

/** Lines over images or steps. `series`: [{ name, tone: "--real", dash: [4, 3]?, points: bool? }]; `log`: a logarithmic y axis. */
export class LineChart extends Chart {
  /**
   * `x` writes a place of the x axis, `from` and `to` are the least range of the y axis.
   * @param {HTMLElement} root
   * @param {{ series: Series[], log?: boolean, x: (value: number) => string, xName: string, from?: number | null,
   *   to?: number | null }} options
   */
  constructor(root, { series, log = false, x, xName, from = null, to = null }) {
    super(root);
    this.series = series;
    this.log = log;
    this.x = x;
    this.xName = xName;
    this.from = from;
    this.to = to;
    /** @type {number[]} */
    this.rules = [];
  }

  /**
   * @param {number[]} xs
   * @param {(number | null)[][]} columns
   * @param {number[]} rules
   */
  set(xs, columns, rules = []) {
    this.data = aligned(xs, columns);
    this.rules = rules;
    this.update();
  }

  /** The numbers of each line. */
  get columns() {
    return /** @type {(number | null | undefined)[][]} */ (this.data?.slice(1) ?? []);
  }

  /** A logarithmic axis needs numbers above 0. */
  shapeOf() {
    return `${this.xs.length > 0} ${this.positive()}`;
  }

  positive() {
    return this.columns.every((column) => column.every((value) => value === null || value === undefined || value > 0));
  }

  /** @returns {uPlot.Options} */
  options() {
    const { options: base, x, y } = this.base();
    x.values = (_, ticks) => ticks.map(this.x);
    x.space = 64;
    const log = this.log && this.positive();
    // only whole powers of ten have grid lines
    if (log) y.grid.filter = (_, splits) => splits.map((split) => (Number.isInteger(Math.log10(split)) ? split : null));
    /** @type {uPlot.Range.Function} */
    const range = (_, low, high) => {
      if (low === null || high === null) return [0, 1];
      const spare = 0.08 * (high - low || Math.abs(high) || 1);
      return [Math.min(this.from ?? low - spare, low), Math.max(this.to ?? high + spare, high)];
    };
    return {
      ...base,
      scales: { x: { time: false }, y: log ? { distr: 3 } : { range } },
      series: [
        {},
        ...this.series.map((line) => ({
          label: line.name,
          stroke: css(line.tone),
          width: line.dash ? 1.25 : 1.75,
          dash: line.dash,
          spanGaps: true,
          // a single point makes no line
          points: {
            show: (/** @type {uPlot} */ drawn) => Boolean(line.points) || (!line.dash && drawn.data[0].length < 12),
            size: 5,
            fill: css(line.tone),
          },
        })),
      ],
      hooks: {
        ...base.hooks,
        drawAxes: [(/** @type {uPlot} */ drawn) => drawRules(drawn, this.rules, "--accent", [3, 3])],
      },
    };
  }

  /** @param {number} index */
  describe(index) {
    const told = this.series.map((line, k) => `${line.name} ${figure(this.columns[k][index] ?? null)}`);
    return `${this.x(this.xs[index])} ${this.xName}: ${told.join(", ")}`;
  }

  summary() {
    if (!this.xs.length) return "No data yet.";
    const told = this.series.map((line, k) => {
      const known = this.columns[k].filter((value) => value !== null && value !== undefined);
      return known.length ? `${line.name} ${figure(known.at(-1))}` : null;
    });
    return `Now: ${told.filter(Boolean).join(", ") || "nothing yet"}.`;
  }

  tabulate() {
    const rows = this.xs.map((x, i) => [
      x.toLocaleString("en-US"),
      ...this.columns.map((column) => figure(column[i] ?? null)),
    ]);
    const shown = rows.filter((row) => row.slice(1).some((cell) => cell !== "–")).slice(-200);
    return { head: [this.xName, ...this.series.map((line) => line.name)], rows: shown.reverse() };
  }
}

/** @param {number} share */
const tenths = (share) => `${(100 * share).toFixed(1)} %`;

/**
 * Shares of counts, and 0 for the last edge.
 * @param {number[]} counts
 */
function sharesOf(counts) {
  const total = counts.reduce((sum, value) => sum + value, 0) || 1;
  return [...counts.map((value) => value / total), 0];
}

/** Two histograms over each other, real and generated, with the boundary between the two verdicts. */
export class HistogramChart extends Chart {
  /** @type {number | null} */
  boundary = null;
  /** Shares of the real and of the generated images. @type {[number[], number[]]} */
  shares = [[], []];

  /** @param {Api.Scores} scores */
  set({ edges, real, generated, boundary }) {
    this.shares = [sharesOf(real), sharesOf(generated)];
    this.data = aligned(edges, this.shares);
    this.boundary = boundary;
    this.update();
  }

  /** @returns {uPlot.Options} */
  options() {
    const { options: base, x, y } = this.base();
    const stepped = uPlot.paths.stepped?.({ align: 1 });
    /**
     * @param {string} label
     * @param {string} tone
     * @returns {uPlot.Series}
     */
    const line = (label, tone) => ({
      label,
      stroke: css(tone),
      fill: veil(tone, 0.28),
      width: 1.5,
      paths: stepped,
      points: { show: false },
    });
    x.values = (_, ticks) => ticks.map(figure);
    y.values = (_, ticks) => ticks.map((tick) => `${figure(100 * tick)} %`);
    return {
      ...base,
      scales: {
        x: { time: false, range: (_, low, high) => [low, high] },
        y: { range: (_, __, high) => [0, Math.max(high * 1.08, 0.05)] },
      },
      series: [{}, line("real", "--real"), line("generated", "--generated")],
      hooks: {
        ...base.hooks,
        draw: [(drawn) => drawRules(drawn, this.boundary === null ? [] : [this.boundary], "--ink", [4, 3])],
      },
    };
  }

  /** @param {number[]} shares */
  mean(shares) {
    const edges = this.xs;
    return shares.reduce((sum, share, i) => sum + share * ((edges[i] + (edges[i + 1] ?? edges[i])) / 2), 0);
  }

  /** @param {number} index */
  describe(index) {
    const edges = this.xs;
    const [real, generated] = this.shares;
    if (index + 1 >= edges.length) return this.summary();
    return `Scores ${figure(edges[index])} to ${figure(edges[index + 1])}: ${tenths(real[index])} of real, ${tenths(generated[index])} of generated images`;
  }

  summary() {
    return this.data
      ? `Mean score of real images ${figure(this.mean(this.shares[0]))}, of generated ones ${figure(this.mean(this.shares[1]))}.`
      : "No data yet.";
  }

  tabulate() {
    const edges = this.xs;
    const [real, generated] = this.shares;
    const rows = edges
      .slice(0, -1)
      .map((edge, i) => [`${figure(edge)} to ${figure(edges[i + 1])}`, tenths(real[i]), tenths(generated[i])]);
    return {
      head: ["score", "real images", "generated images"],
      rows: rows.filter((row) => row[1] !== "0.0 %" || row[2] !== "0.0 %"),
    };
  }
}

/** Bars for the ten digits, one or two per digit. `series`: [{ name, tone }]. */
export class DigitChart extends Chart {
  /**
   * @param {HTMLElement} root
   * @param {{ series: Series[], top?: number | null, format?: (value: number) => string }} options
   */
  constructor(root, { series, top = null, format = percent }) {
    super(root);
    this.series = series;
    this.top = top;
    this.format = format;
    /** @type {(number | null)[][]} */
    this.columns = [];
  }

  /**
   * `columns`: ten numbers for each series; null where unknown.
   * @param {(number | null)[][]} columns
   */
  set(columns) {
    this.columns = columns;
    const many = this.series.length;
    /** @type {number[]} */
    const xs = [];
    /** @type {(number | null)[][]} */
    const spread = columns.map(() => []);
    for (let digit = 0; digit < 10; digit += 1) {
      for (let k = 0; k < many; k += 1) {
        xs.push(digit + (k - (many - 1) / 2) * 0.4);
        columns.forEach((column, which) => {
          spread[which].push(which === k ? (column[digit] ?? null) : null);
        });
      }
    }
    this.data = aligned(xs, spread);
    this.update();
  }

  /** @returns {uPlot.Options} */
  options() {
    const { options: base, x, y } = this.base();
    const bars = uPlot.paths.bars?.({ size: [this.series.length > 1 ? 0.8 : 0.55, 40] });
    x.splits = () => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    x.values = (_, ticks) => ticks.map(String);
    y.values = (_, ticks) => ticks.map((tick) => this.format(tick));
    return {
      ...base,
      cursor: { ...base.cursor, points: { show: false } },
      scales: {
        x: { time: false, range: () => [-0.6, 9.6] },
        y: { range: (_, __, high) => [0, this.top ?? Math.max(1.1 * high, 0.05)] },
      },
      series: [
        {},
        ...this.series.map((bar) => ({
          label: bar.name,
          stroke: css(bar.tone),
          fill: css(bar.tone),
          width: 0,
          paths: bars,
          points: { show: false },
        })),
      ],
    };
  }

  /** @param {number} index */
  describe(index) {
    const digit = Math.floor(index / this.series.length);
    return `${digit}: ${this.series.map((bar, k) => `${bar.name} ${this.shown(this.columns[k][digit])}`).join(", ")}`;
  }

  /** @param {number | null | undefined} value */
  shown(value) {
    return value === null || value === undefined ? "–" : this.format(value);
  }

  summary() {
    const drawn = (this.columns.at(-1) ?? []).map((value, digit) => ({ digit, value: value ?? -1 }));
    const known = drawn.filter(({ value }) => value >= 0).sort((a, b) => b.value - a.value);
    const [most, least] = [known[0], known[known.length - 1]];
    if (!known.length) return "No data yet.";
    return `Most: ${most.digit} (${this.format(most.value)}); least: ${least.digit} (${this.format(least.value)}).`;
  }

  tabulate() {
    const digits = [...Array(10).keys()];
    return {
      head: ["digit", ...this.series.map((bar) => bar.name)],
      rows: digits.map((digit) => [String(digit), ...this.columns.map((column) => this.shown(column[digit]))]),
    };
  }
}
