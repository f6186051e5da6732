// Two runs after the same number of images: drawings, histograms of scores, and a mark in the charts.

import { HistogramChart } from "./charts.js";
import { byId, setText } from "./dom.js";
import { count } from "./format.js";

const LETTERS = /** @type {const} */ (["a", "b"]);

/**
 * The last moment of a run at or before a number of images; its first before that.
 * @param {Api.Moment[]} moments
 * @param {number} nimg
 */
export const momentAt = (moments, nimg) => moments.findLast(({ cur_nimg }) => cur_nimg <= nimg) ?? moments[0];

export class Aligned {
  /** @param {(nimg: number) => void} marked called with the number of images that is shown */
  constructor(marked) {
    this.marked = marked;
    this.slider = byId("moment");
    this.slider.addEventListener("input", () => {
      this.follows = this.slider.value === this.slider.max;
      this.show();
    });
    this.charts = LETTERS.map((letter) => new HistogramChart(byId(`scores-${letter}`)));
    this.reset();
  }

  /** Forget the runs that were shown. */
  reset() {
    /** Show the newest moment that both runs have reached. */
    this.follows = true;
    /** @type {Api.Moment[][]} */
    this.moments = [[], []];
    /** @type {number[]} */
    this.stops = [];
    /** Newest drawings of a run that trains. @type {(Api.Moment | undefined)[]} */
    this.newest = [];
  }

  /**
   * Take the newest drawings of a run that trains; they are shown while the slider follows.
   * @param {number} k
   * @param {Api.Moment} moment
   */
  setNewest(k, moment) {
    this.newest[k] = moment;
    this.show();
  }

  /**
   * Newest drawings of a run that has gone on since its last moment; undefined while the slider looks back.
   * @param {number} k
   */
  live(k) {
    const newest = this.follows ? this.newest[k] : undefined;
    return newest && newest.cur_nimg > (this.moments[k].at(-1)?.cur_nimg ?? -1) ? newest : undefined;
  }

  /**
   * @param {Api.Moment[][]} moments of the first run and of the second
   * @param {boolean[]} training which of them trains
   */
  update(moments, training) {
    const at = this.stops[Number(this.slider.value)];
    this.newest = this.newest.map((moment, k) => (training[k] ? moment : undefined));
    this.moments = moments;
    const clocks = moments.map((each) => each.map(({ cur_nimg }) => cur_nimg));
    this.stops = [...new Set(clocks.flat())].sort((a, b) => a - b);
    this.slider.max = String(Math.max(0, this.stops.length - 1));
    this.slider.disabled = this.stops.length < 2;
    const common = Math.min(...clocks.map((clock) => clock.at(-1) ?? Infinity));
    const wanted = this.follows ? common : at;
    this.slider.value = String(
      Math.max(
        0,
        this.stops.findLastIndex((stop) => stop <= wanted),
      ),
    );
    this.show();
  }

  show() {
    const nimg = this.stops[Number(this.slider.value)];
    if (nimg === undefined) return;
    const live = [0, 1].map((k) => this.live(k));
    const told = live.some(Boolean) ? "now" : `${count(nimg)} images`;
    setText(byId("moment-told"), told);
    this.slider.setAttribute("aria-valuetext", told);
    for (const k of [0, 1]) this.showSide(k, live[k]?.cur_nimg ?? nimg, live[k] ?? momentAt(this.moments[k], nimg));
    this.marked(Math.min(...live.map((each) => each?.cur_nimg ?? nimg)));
  }

  /**
   * @param {number} k
   * @param {number} nimg
   * @param {Api.Moment | undefined} moment
   */
  showSide(k, nimg, moment) {
    const letter = LETTERS[k];
    const board = byId(`board-${letter}`);
    const name = byId(`side-${letter}`).textContent;
    if (!moment) {
      setText(byId(`told-${letter}`), "No drawings yet.");
      return;
    }
    if (board.getAttribute("src") !== moment.picture) board.src = moment.picture;
    board.alt = `Drawings of ${name} after ${count(moment.cur_nimg)} images`;
    const exact = moment.cur_nimg === nimg;
    setText(
      byId(`told-${letter}`),
      exact ? `After ${count(nimg)} images.` : `Its last drawings by then: after ${count(moment.cur_nimg)} images.`,
    );
    byId(`scores-${letter}`).hidden = !moment.scores;
    byId(`no-scores-${letter}`).hidden = Boolean(moment.scores);
    if (moment.scores) this.charts[k].set(moment.scores);
  }
}
