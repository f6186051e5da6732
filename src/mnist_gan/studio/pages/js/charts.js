// Charts drawn by uPlot, each with a summary in text and a table of its numbers.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { el, setText } from "./dom.js";
import { figure, percent } from "./format.js";
import { colour } from "./pictures.js";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const FONT = '12px -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

/** A colour of the style sheet, made transparent. */
const veil = (name, share) => `rgba(${colour(name).join(", ")}, ${share})`;

/**
 * Base of all charts: the parts of `<figure class="chart">`, redrawing when the window or the colours change, and the
 * table, which is updated only while it is open.
 */
class Chart {
  constructor(root) {
    this.root = root;
    this.plot = root.querySelector(".plot");
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
    this.drawn = null;
    this.data = null;
    this.shape = null;
  }

  get title() {
    return (
      this.root.querySelector("h3")?.firstElementChild?.textContent ?? this.root.querySelector("h3")?.textContent ?? ""
    );
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

  /** Key of the options: another key rebuilds the chart. */
  shapeOf() {
    return "same";
  }

  base() {
    const axis = {
      stroke: css("--soft"),
      font: FONT,
      grid: { stroke: css("--hair"), width: 1 },
      ticks: { show: false },
      border: { show: false },
    };
    return {
      width: this.plot.clientWidth,
      height: this.plot.clientHeight,
      legend: { show: false },
      padding: [8, 12, this.data?.[0]?.length === 0 ? 8 : 0, 0], // an empty chart has no x axis below its lowest label
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      axes: [
        { ...axis, size: 28, gap: 4, grid: { show: false } },
        {
          ...axis,
          grid: { ...axis.grid },
          size: 48,
          gap: 6,
          values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : figure(tick))),
        },
      ],
      hooks: { setCursor: [(drawn) => this.point(drawn.cursor.idx)] },
    };
  }

  point(index) {
    const told = index === null || index === undefined ? this.summary() : this.describe(index);
    setText(this.readout, told || "\u00a0");
  }

  writeTable() {
    if (!this.details.open) return;
    const { head, rows } = this.tabulate();
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

/** Vertical rules at `places` on the x axis. */
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

/** Lines over images or steps. `series`: [{ name, tone: "--real", dash: [4, 3]?, points: bool? }]; `log`: a logarithmic y axis. */
export class LineChart extends Chart {
  constructor(root, { series, log = false, x, xName, from = null, to = null }) {
    super(root);
    Object.assign(this, { series, log, x, xName, from, to, rules: [] });
  }

  set(xs, columns, rules = []) {
    this.data = [xs, ...columns];
    this.rules = rules;
    this.update();
  }

  /** A logarithmic axis needs numbers above 0. */
  shapeOf() {
    return `${this.data[0].length > 0} ${this.positive()}`;
  }

  positive() {
    return this.data
      .slice(1)
      .every((column) => column.every((value) => value === null || value === undefined || value > 0));
  }

  options() {
    const base = this.base();
    base.axes[0].values = (_, ticks) => ticks.map(this.x);
    base.axes[0].space = 64;
    const log = this.log && this.positive();
    // only whole powers of ten have grid lines
    if (log)
      base.axes[1].grid.filter = (_, splits) =>
        splits.map((split) => (Number.isInteger(Math.log10(split)) ? split : null));
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
            show: (drawn) => Boolean(line.points) || (!line.dash && drawn.data[0].length < 12),
            size: 5,
            fill: css(line.tone),
          },
        })),
      ],
      hooks: { ...base.hooks, drawAxes: [(drawn) => drawRules(drawn, this.rules, "--accent", [3, 3])] },
    };
  }

  describe(index) {
    const told = this.series.map((line, k) => `${line.name} ${figure(this.data[k + 1][index] ?? null)}`);
    return `${this.x(this.data[0][index])} ${this.xName}: ${told.join(", ")}`;
  }

  summary() {
    if (!this.data?.[0].length) return "No data yet.";
    const told = this.series.map((line, k) => {
      const known = this.data[k + 1].filter((value) => value !== null && value !== undefined);
      return known.length ? `${line.name} ${figure(known.at(-1))}` : null;
    });
    return `Now: ${told.filter(Boolean).join(", ") || "nothing yet"}.`;
  }

  tabulate() {
    const rows = this.data[0].map((x, i) => [
      x.toLocaleString("en-US"),
      ...this.data.slice(1).map((column) => figure(column[i] ?? null)),
    ]);
    const shown = rows.filter((row) => row.slice(1).some((cell) => cell !== "–")).slice(-200);
    return { head: [this.xName, ...this.series.map((line) => line.name)], rows: shown.reverse() };
  }
}

/** Two histograms over each other, real and generated, with the boundary between the two verdicts. */
export class HistogramChart extends Chart {
  set({ edges, real, generated, boundary }) {
    const share = (counts) => {
      const total = counts.reduce((sum, value) => sum + value, 0) || 1;
      return [...counts.map((value) => value / total), 0];
    };
    this.data = [edges, share(real), share(generated)];
    this.boundary = boundary;
    this.update();
  }

  options() {
    const base = this.base();
    const stepped = uPlot.paths.stepped({ align: 1 });
    const line = (label, tone) => ({
      label,
      stroke: css(tone),
      fill: veil(tone, 0.28),
      width: 1.5,
      paths: stepped,
      points: { show: false },
    });
    base.axes[0].values = (_, ticks) => ticks.map(figure);
    base.axes[1].values = (_, ticks) => ticks.map((tick) => `${figure(100 * tick)} %`);
    return {
      ...base,
      scales: {
        x: { time: false, range: (_, low, high) => [low, high] },
        y: { range: (_, __, high) => [0, Math.max(high * 1.08, 0.05)] },
      },
      series: [{}, line("real", "--real"), line("generated", "--generated")],
      hooks: {
        ...base.hooks,
        draw: [(drawn) => this.boundary !== null && drawRules(drawn, [this.boundary], "--ink", [4, 3])],
      },
    };
  }

  mean(column) {
    const edges = this.data[0];
    return this.data[column].reduce((sum, share, i) => sum + share * ((edges[i] + (edges[i + 1] ?? edges[i])) / 2), 0);
  }

  describe(index) {
    const [edges, real, generated] = this.data;
    if (index + 1 >= edges.length) return this.summary();
    const share = (value) => `${(100 * value).toFixed(1)} %`;
    return `Scores ${figure(edges[index])} to ${figure(edges[index + 1])}: ${share(real[index])} of real, ${share(generated[index])} of generated images`;
  }

  summary() {
    return this.data
      ? `Mean score of real images ${figure(this.mean(1))}, of generated ones ${figure(this.mean(2))}.`
      : "No data yet.";
  }

  tabulate() {
    const [edges, real, generated] = this.data ?? [[], [], []];
    const share = (value) => `${(100 * value).toFixed(1)} %`;
    const rows = edges
      .slice(0, -1)
      .map((edge, i) => [`${figure(edge)} to ${figure(edges[i + 1])}`, share(real[i]), share(generated[i])]);
    return {
      head: ["score", "real images", "generated images"],
      rows: rows.filter((row) => row[1] !== "0.0 %" || row[2] !== "0.0 %"),
    };
  }
}

/** Bars for the ten digits, one or two per digit. `series`: [{ name, tone }]. */
export class DigitChart extends Chart {
  constructor(root, { series, top = null, format = percent }) {
    super(root);
    Object.assign(this, { series, top, format });
  }

  /** `columns`: ten numbers for each series; null where unknown. */
  set(columns) {
    this.columns = columns;
    const many = this.series.length;
    const xs = [];
    const spread = columns.map(() => []);
    for (let digit = 0; digit < 10; digit += 1) {
      for (let k = 0; k < many; k += 1) {
        xs.push(digit + (k - (many - 1) / 2) * 0.4);
        columns.forEach((column, which) => {
          spread[which].push(which === k ? (column[digit] ?? null) : null);
        });
      }
    }
    this.data = [xs, ...spread];
    this.update();
  }

  options() {
    const base = this.base();
    const bars = uPlot.paths.bars({ size: [this.series.length > 1 ? 0.8 : 0.55, 40] });
    base.axes[0].splits = () => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    base.axes[0].values = (_, ticks) => ticks.map(String);
    base.axes[1].values = (_, ticks) => ticks.map((tick) => this.format(tick));
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

  describe(index) {
    const digit = Math.floor(index / this.series.length);
    return `${digit}: ${this.series.map((bar, k) => `${bar.name} ${this.shown(this.columns[k][digit])}`).join(", ")}`;
  }

  shown(value) {
    return value === null || value === undefined ? "–" : this.format(value);
  }

  summary() {
    if (!this.columns) return "No data yet.";
    const drawn = this.columns.at(-1).map((value, digit) => ({ digit, value: value ?? -1 }));
    const known = drawn.filter(({ value }) => value >= 0).sort((a, b) => b.value - a.value);
    if (!known.length) return "No data yet.";
    return `Most: ${known[0].digit} (${this.format(known[0].value)}); least: ${known.at(-1).digit} (${this.format(known.at(-1).value)}).`;
  }

  tabulate() {
    const digits = [...Array(10).keys()];
    return {
      head: ["digit", ...this.series.map((bar) => bar.name)],
      rows: digits.map((digit) => [String(digit), ...(this.columns ?? []).map((column) => this.shown(column[digit]))]),
    };
  }
}
