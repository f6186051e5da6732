// A wall of samples that grows while the page is scrolled. Images arrive in sheets; each tile of a sheet can be chosen.

import { showError, el } from "./dom.js";

const SHEET = 40;
const SHEET_COLUMNS = 10;
const MOST = 2000;
/** Distance in pixels between the end of the wall and the window at which more is loaded. */
const NEAR = 300;

/**
 * The tile of an event.
 * @param {Event} event
 * @returns {HTMLElement | null}
 */
const tileOf = ({ target }) => (target instanceof Element ? target.closest(".tile") : null);

export class SampleWall {
  /**
   * `sheet(values)`: promise of a picture of many samples; `choose(index)`: called with the number of a chosen image.
   * @param {HTMLElement} root
   * @param {HTMLButtonElement} button
   * @param {{ sheet: (values: any) => Promise<Blob>, choose: (index: number) => void }} actions
   */
  constructor(root, button, { sheet, choose }) {
    this.root = root;
    this.button = button;
    this.sheet = sheet;
    this.choose = choose;
    this.generation = 0;
    this.growing = false;
    /** @type {object | undefined} */
    this.view = undefined;
    /** @type {string | undefined} */
    this.key = undefined;
    /** @type {HTMLElement[]} */
    this.tiles = [];
    /** Addresses of the pictures. @type {string[]} */
    this.sheets = [];
    root.addEventListener("click", (event) => this.take(tileOf(event)));
    root.addEventListener("keydown", (event) => this.move(event));
    button.addEventListener("click", () => this.grow());
    new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) this.fill();
      },
      { rootMargin: `${NEAR}px` },
    ).observe(button);
  }

  /**
   * Show the samples of a view.
   * @param {object} view
   */
  async show(view) {
    const key = JSON.stringify(view);
    if (key === this.key) return;
    this.key = key;
    this.view = view;
    this.generation += 1;
    // tiles stay until their new pictures arrive, so that the layout does not jump
    const wanted = Math.max(1, Math.min(this.sheets.length, 3));
    const generation = this.generation;
    for (let sheet = 0; sheet < wanted; sheet += 1) {
      await this.load(sheet);
      if (generation !== this.generation) return; // a later view has the tiles now; removing some would leave a gap
    }
    for (const old of this.sheets.splice(wanted)) URL.revokeObjectURL(old);
    for (const tile of this.tiles.splice(wanted * SHEET)) tile.remove();
    this.fill();
  }

  /** Load sheets until the end of the wall has left the window: the observer reports only changes. */
  async fill() {
    const near = () => this.button.checkVisibility() && this.button.getBoundingClientRect().top < innerHeight + NEAR;
    while (this.tiles.length && this.tiles.length < MOST && near() && (await this.grow()));
  }

  /** Load another sheet. Returns true if it has arrived. */
  async grow() {
    if (this.growing || !this.view) return false;
    this.growing = true;
    try {
      if (this.tiles.length < MOST) await this.load(this.sheets.length);
      this.button.disabled = this.tiles.length >= MOST;
      return true;
    } catch (error) {
      showError(error);
      return false;
    } finally {
      this.growing = false;
    }
  }

  /** @param {number} sheet */
  async load(sheet) {
    const generation = this.generation;
    const first = sheet * SHEET;
    const blob = await this.sheet({ ...this.view, first, n: SHEET, columns: SHEET_COLUMNS, scale: 2 });
    if (generation !== this.generation || first > this.tiles.length) return; // superseded, or the tiles before it are gone
    const picture = URL.createObjectURL(blob);
    const rows = SHEET / SHEET_COLUMNS;
    for (let k = 0; k < SHEET; k += 1) {
      this.tiles[first + k] ??= this.add(first + k);
      const { style } = this.tiles[first + k];
      style.backgroundImage = `url("${picture}")`;
      style.backgroundSize = `${100 * SHEET_COLUMNS}% ${100 * rows}%`;
      const [x, y] = [k % SHEET_COLUMNS, Math.floor(k / SHEET_COLUMNS)];
      style.backgroundPosition = `${(100 * x) / (SHEET_COLUMNS - 1)}% ${(100 * y) / (rows - 1)}%`;
    }
    if (this.sheets[sheet]) URL.revokeObjectURL(this.sheets[sheet]);
    this.sheets[sheet] = picture;
  }

  /** @param {number} index */
  add(index) {
    const tile = el("button", {
      type: "button",
      class: "tile",
      "aria-label": `Image ${index}`,
      "data-index": index,
      tabindex: index === 0 ? "0" : "-1",
    });
    this.root.append(tile);
    return tile;
  }

  /** @param {HTMLElement | null} tile */
  take(tile) {
    if (!tile) return;
    this.focus(tile);
    this.choose(Number(tile.dataset.index));
  }

  /** @param {HTMLElement} tile */
  focus(tile) {
    for (const other of this.tiles) if (other.tabIndex === 0) other.tabIndex = -1;
    tile.tabIndex = 0;
    tile.focus({ preventScroll: false });
  }

  /**
   * Move the focus with the arrow keys.
   * @param {KeyboardEvent} event
   */
  move(event) {
    const at = Number(tileOf(event)?.dataset.index ?? Number.NaN);
    const columns = getComputedStyle(this.root).gridTemplateColumns.split(" ").length;
    /** @type {Record<string, number>} */
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
    const next = this.tiles[at + steps[event.key]];
    if (!next) return;
    event.preventDefault();
    this.focus(next);
  }
}
