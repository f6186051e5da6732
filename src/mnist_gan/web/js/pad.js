// The drawing pad, for mouse, finger, pen and keyboard. Strokes are lists of points in a square of side 280.

import { colour, contextOf } from "./pictures.js";

/** @typedef {[number, number]} Point */

const SIDE = 280;
const PEN = 22;
const STEP = 7;
const LARGE_STEP = 21;
const MIN_DISTANCE = 2;
const MAX_STROKES = 200;
const MAX_POINTS = 5000;

/** @param {number} value */
const within = (value) => Math.min(SIDE, Math.max(0, value));
/** @param {number} value */
const rounded = (value) => Math.round(10 * value) / 10;

export class Pad {
  /**
   * `changed(done)`: called while a stroke grows (false), and when it is finished or undone (true); `width`: of the pen.
   * @param {HTMLCanvasElement} canvas
   * @param {{ changed: (done: boolean) => void, pen: (message: string) => void, width?: number }} options
   */
  constructor(canvas, { changed, pen, width = PEN }) {
    this.canvas = canvas;
    this.changed = changed;
    this.announcePen = pen;
    this.width = width;
    /** @type {Point[][]} */
    this.strokes = [];
    /** @type {Point[] | null} */
    this.stroke = null;
    /** @type {number | null} */
    this.pointer = null;
    /** @type {Point | null} */
    this.cursor = null;
    this.penDown = false;
    this.context = contextOf(canvas);
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.go(event));
    for (const name of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"]))
      canvas.addEventListener(name, (event) => this.end(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => this.draw());
    canvas.addEventListener("blur", () => {
      this.liftPen();
      this.draw();
    });
    this.draw();
  }

  get points() {
    return this.strokes.reduce((sum, stroke) => sum + stroke.length, 0);
  }

  get full() {
    return this.strokes.length >= MAX_STROKES || this.points >= MAX_POINTS;
  }

  // Mouse, finger, pen

  /**
   * @param {PointerEvent} event
   * @returns {Point}
   */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      within(((event.clientX - box.left) * SIDE) / box.width),
      within(((event.clientY - box.top) * SIDE) / box.height),
    ];
  }

  /** @param {PointerEvent} event */
  begin(event) {
    if (event.button !== 0 || this.pointer !== null || this.full) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.liftPen();
    this.cursor = null;
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.stroke = [this.place(event)];
    this.strokes.push(this.stroke);
    this.draw();
    this.changed(false);
  }

  /** @param {PointerEvent} event */
  go(event) {
    if (event.pointerId !== this.pointer) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const each of passed.length ? passed : [event]) this.addPoint(this.place(each));
    this.draw();
    this.changed(false);
  }

  /** @param {PointerEvent} event */
  end(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.stroke = null;
    this.changed(true);
  }

  /** @param {Point} point */
  addPoint([x, y]) {
    const last = this.stroke?.at(-1);
    if (!this.stroke || !last) return;
    if (Math.hypot(x - last[0], y - last[1]) >= MIN_DISTANCE && this.points < MAX_POINTS) this.stroke.push([x, y]);
  }

  // Keyboard

  /** @param {KeyboardEvent} event */
  key(event) {
    /** @type {Record<string, Point>} */
    const moves = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
    if (moves[event.key]) this.walk(moves[event.key], event.shiftKey ? LARGE_STEP : STEP);
    else if (event.key === " ") this.togglePen();
    else if (event.key === "Backspace" || (event.key === "z" && (event.ctrlKey || event.metaKey))) this.undo();
    else if (event.key === "Delete") this.clear();
    else return;
    event.preventDefault();
  }

  /**
   * @param {Point} direction
   * @param {number} step
   */
  walk([dx, dy], step) {
    const [x, y] = this.cursor ?? [SIDE / 2, SIDE / 2];
    this.cursor = [within(x + dx * step), within(y + dy * step)];
    if (this.penDown) {
      this.addPoint(this.cursor);
      this.changed(false);
    }
    this.draw();
  }

  togglePen() {
    if (this.penDown) {
      this.liftPen();
      return;
    }
    if (this.full) return;
    this.cursor ??= [SIDE / 2, SIDE / 2];
    this.penDown = true;
    this.stroke = [this.cursor];
    this.strokes.push(this.stroke);
    this.announcePen("The pen is down.");
    this.draw();
    this.changed(false);
  }

  liftPen() {
    if (!this.penDown) return;
    this.penDown = false;
    this.stroke = null;
    this.announcePen("The pen is up.");
    this.draw();
    this.changed(true);
  }

  // Undo, clear, templates

  undo() {
    this.penDown = false;
    this.stroke = null;
    this.strokes.pop();
    this.draw();
    this.changed(true);
  }

  clear() {
    this.show([]);
  }

  /**
   * Replace the strokes by others, in a square of side 1.
   * @param {Point[][]} strokes
   */
  show(strokes) {
    this.penDown = false;
    this.stroke = null;
    this.cursor = null;
    this.strokes = strokes.map((stroke) => stroke.map(([x, y]) => [x * SIDE, y * SIDE]));
    this.draw();
    this.changed(true);
  }

  /**
   * The drawing for the server, rounded to a tenth of a unit.
   * @returns {{ strokes: Point[][], canvas: number }}
   */
  drawing() {
    return { strokes: this.strokes.map((stroke) => stroke.map(([x, y]) => [rounded(x), rounded(y)])), canvas: SIDE };
  }

  draw() {
    const { context, canvas } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.scale(canvas.width / SIDE, canvas.height / SIDE);
    Object.assign(context, { lineWidth: this.width, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
    for (const stroke of this.strokes) {
      context.beginPath();
      context.moveTo(...stroke[0]);
      context.lineTo(...stroke[0]);
      for (const point of stroke.slice(1)) context.lineTo(...point);
      context.stroke();
    }
    if (document.activeElement === canvas && this.cursor) this.drawCursor(this.cursor);
  }

  /** @param {Point} cursor */
  drawCursor([x, y]) {
    const { context } = this;
    context.beginPath();
    context.arc(x, y, this.width / 2, 0, 2 * Math.PI);
    Object.assign(context, {
      lineWidth: 3,
      strokeStyle: `rgb(${colour(this.penDown ? "--generated-by-night" : "--real-by-night").join(" ")})`,
    });
    context.stroke();
  }
}
