// Inside the networks: the layers of both for one picture, one channel of a layer, and the sum behind one number of it.

import { get, query } from "./api.js";
import { el, latest, showError } from "./dom.js";
import { count, figure, isNumber, percent } from "./format.js";
import { paint, paintSigned, signedBytes } from "./pictures.js";

/** Maps of each layer at first, and after "All maps". */
const MAPS = 16;
const ALL_MAPS = 128;
const NETWORKS = /** @type {const} */ (["generator", "discriminator"]);
/** Pixels of the enlarged map, at most. */
const ENLARGED = 224;

/**
 * A number of a layer, or only a channel of it.
 * @typedef {{ network: "G" | "D", layer: string, channel: number, y: number | null, x: number | null }} Place
 * @typedef {Record<string, string | number | null>} Parameters
 */

/**
 * Read a place from an address: "G:trunk.4:3", or "G:trunk.4:3:10:12" with a row and a column.
 * @param {string} text
 * @returns {Place | null}
 */
export function readPlace(text) {
  const found = /^([GD]):([^:]+):(\d{1,6})(?::(\d{1,6}):(\d{1,6}))?$/.exec(text);
  if (!found) return null;
  const [, network, layer, channel, y, x] = found;
  const place = (/** @type {string | undefined} */ part) => (part === undefined ? null : Number(part));
  return { network: network === "G" ? "G" : "D", layer, channel: Number(channel), y: place(y), x: place(x) };
}

/** @param {Place} place */
const writePlace = ({ network, layer, channel, y, x }) =>
  [network, layer, channel, ...(y === null ? [] : [y, x])].join(":");

/**
 * A canvas with a map.
 * @param {Api.Maps} maps
 * @param {number} index
 * @param {boolean} gray
 */
function mapCanvas({ height, width, values }, index, gray) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  paintSigned(canvas, signedBytes(values).subarray(index * height * width, (index + 1) * height * width), {
    height,
    width,
    gray,
  });
  return canvas;
}

/**
 * A canvas with a small table of numbers, and the numbers as its text.
 * @param {string} name
 * @param {number[][]} rows
 * @param {number} limit
 */
function numbersCanvas(name, rows, limit) {
  const text = `${name}: ${rows.map((row) => row.map(figure).join(", ")).join("; ")}`;
  const canvas = el("canvas", { role: "img", "aria-label": text, title: text, class: "cells" });
  const signed = Int8Array.from(rows.flat(), (value) => (limit > 0 ? Math.round((127 * value) / limit) : 0));
  paintSigned(canvas, signed, { height: rows.length, width: rows[0].length, gray: false });
  return canvas;
}

/** @param {number[][][]} tables */
const largest = (tables) => Math.max(0, ...tables.flat(2).map(Math.abs));

export class Inside {
  /**
   * `view()`: parameters of the picture; `choose(text)`: called with a chosen place, as in the address.
   * @param {HTMLElement} root
   * @param {{ view: () => Parameters, choose: (text: string) => void }} actions
   */
  constructor(root, { view, choose }) {
    this.root = root;
    this.view = view;
    this.choose = choose;
    /** @type {string | undefined} */
    this.shown = undefined;
    this.maps = MAPS;
    /** @type {Place | null} */
    this.place = null;
    /** Layers by network and name. @type {Map<string, { layer: Api.InsideLayer, item: HTMLElement, isPicture: boolean }>} */
    this.layers = new Map();
    this.openChannel = latest(() => this.fillChannel().catch(showError));
    this.openUnit = latest(() => this.fillUnit().catch(showError));
  }

  /**
   * Show the layers for the picture, and open a place of them; the first time, scroll to it.
   * @param {string} place
   */
  async show(place) {
    const asked = query({ ...this.view(), maps: this.maps });
    this.place = readPlace(place);
    const isFirst = this.shown === undefined;
    if (asked !== this.shown) {
      const found = await get(`/api/inside?${asked}`);
      this.shown = asked;
      this.fill(found);
    }
    this.open();
    if (isFirst) this.current?.item.scrollIntoView();
  }

  /** @param {Api.Inside} found */
  fill(found) {
    this.layers.clear();
    const titles = {
      generator: "The generator: from random numbers to the picture",
      discriminator: "The discriminator: from the picture to the score",
    };
    const ends = {
      generator: "Its output is the picture above.",
      discriminator: `Its logit is ${figure(found.logit)}: a ${percent(found.score.probability_real)} chance of being real.`,
    };
    const most = Math.max(...NETWORKS.flatMap((name) => found[name].layers.map((layer) => layer.count)));
    this.root.replaceChildren(
      ...NETWORKS.map((name) => {
        const network = name === "generator" ? "G" : "D";
        const { layers } = found[name];
        return el(
          "section",
          { class: "stack tight", "aria-label": titles[name] },
          el("h3", {}, titles[name]),
          el("ol", { class: "inside" }, ...layers.map((_, k) => this.row(network, layers, k))),
          el("p", { class: "small soft" }, ends[name]),
        );
      }),
      el("div", { class: "row" }, this.moreButton(most)),
    );
  }

  /** @param {number} most */
  moreButton(most) {
    if (most <= MAPS) return null;
    const all = this.maps === ALL_MAPS;
    const button = el("button", { type: "button", class: "button" }, all ? `The first ${MAPS} maps` : "All maps");
    button.addEventListener("click", () => {
      this.maps = all ? MAPS : ALL_MAPS;
      this.show(this.place ? writePlace(this.place) : "").catch(showError);
    });
    return button;
  }

  /**
   * @param {"G" | "D"} network
   * @param {Api.InsideLayer[]} layers
   * @param {number} k
   */
  row(network, layers, k) {
    const layer = layers[k];
    const isPicture = network === "G" && k === layers.length - 1 && layer.has_maps;
    const shown = layer.maps.channels.length;
    const cut = layer.has_maps && shown < layer.count ? `, the first ${shown} shown` : "";
    const item = el(
      "li",
      {},
      el(
        "div",
        { class: "inside-head" },
        el("h4", {}, `${k + 1}. ${layer.title}`),
        el("span", { class: "small soft" }, `${layer.shape}${cut} · `, el("code", {}, layer.name)),
      ),
      el("p", { class: "small soft" }, layer.text),
      layer.has_maps ? this.mapsOf(network, layer, isPicture) : this.stripOf(network, layer),
    );
    this.layers.set(`${network}:${layer.name}`, { layer, item, isPicture });
    return item;
  }

  /**
   * Maps as buttons; the arrow keys move between them.
   * @param {"G" | "D"} network
   * @param {Api.InsideLayer} layer
   * @param {boolean} isPicture
   */
  mapsOf(network, layer, isPicture) {
    const buttons = layer.maps.channels.map((channel, k) => {
      const button = el(
        "button",
        {
          type: "button",
          class: "map",
          "aria-label": `Map ${channel} of ${layer.name} in ${network}`,
          "aria-pressed": "false",
        },
        mapCanvas(layer.maps, k, isPicture),
      );
      button.tabIndex = k === 0 ? 0 : -1;
      button.dataset.channel = String(channel);
      button.addEventListener("click", () => this.take({ network, layer: layer.name, channel, y: null, x: null }));
      return button;
    });
    const group = el(
      "div",
      {
        class: "maps",
        role: "group",
        "aria-label": `Maps of ${layer.name} in ${network}: the arrow keys move, Enter chooses`,
      },
      ...buttons,
    );
    group.addEventListener("keydown", (event) => {
      const at = buttons.findIndex((button) => button.matches(":focus"));
      const steps = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 });
      const next = buttons[at + (steps[event.key] ?? 0)];
      if (!(event.key in steps) || !next) return;
      event.preventDefault();
      for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
      next.focus();
    });
    return group;
  }

  /**
   * Numbers of a layer without maps, as a strip; a click chooses one.
   * @param {"G" | "D"} network
   * @param {Api.InsideLayer} layer
   */
  stripOf(network, layer) {
    const n = layer.maps.width;
    const more = n < layer.count ? ` The first ${count(n)} of ${count(layer.count)} are shown.` : "";
    const strip = el(
      "button",
      { type: "button", class: "map numbers", "aria-label": `Numbers of ${layer.name} in ${network}` },
      mapCanvas(layer.maps, 0, false),
    );
    strip.classList.toggle("single", n === 1);
    strip.addEventListener("click", (event) => {
      const box = strip.getBoundingClientRect();
      const channel = event.detail ? Math.floor(((event.clientX - box.left) / box.width) * n) : 0;
      this.take({ network, layer: layer.name, channel: Math.max(0, Math.min(n - 1, channel)), y: null, x: null });
    });
    const told = `This layer has no maps: it is a list, from −${figure(layer.maps.limit)} to ${figure(layer.maps.limit)}.`;
    return el(
      "div",
      { class: "stack tight" },
      strip,
      n === 1 ? null : el("p", { class: "small soft" }, `${told}${more}`),
    );
  }

  /** @param {Place} place */
  take(place) {
    this.place = place;
    this.choose(writePlace(place));
    this.open({ focus: true });
  }

  /** Layer of the open place. */
  get current() {
    return this.place ? this.layers.get(`${this.place.network}:${this.place.layer}`) : undefined;
  }

  /** Open the chosen place below its layer. */
  open({ focus = false } = {}) {
    const found = this.current;
    for (const map of this.root.querySelectorAll(".map[data-channel]"))
      map.setAttribute(
        "aria-pressed",
        String(Boolean(found?.item.contains(map)) && Number(map.getAttribute("data-channel")) === this.place?.channel),
      );
    if (!found || !this.place) {
      this.root.querySelector(".inside-open")?.remove();
      return;
    }
    if (!found.item.querySelector(".inside-open")) {
      this.root.querySelector(".inside-open")?.remove();
      found.item.append(this.panel(found.layer));
    }
    if (focus) found.item.querySelector(".inside-open")?.scrollIntoView({ block: "nearest" });
    this.openChannel();
    this.openUnit();
  }

  /**
   * Places that the answers of the server fill.
   * @param {Api.InsideLayer} layer
   */
  panel(layer) {
    const noun = layer.has_maps ? "Map" : "Number";
    const number = el("input", {
      type: "number",
      min: 0,
      max: layer.count - 1,
      step: 1,
      id: "inside-channel",
      class: "inside-channel",
    });
    number.addEventListener("change", () => {
      const channel = Math.max(0, Math.min(layer.count - 1, Math.floor(Number(number.value)) || 0));
      if (this.place) this.take({ ...this.place, channel });
    });
    return el(
      "div",
      { class: "inside-open panel" },
      el(
        "div",
        { class: "stack tight" },
        el("div", { class: "field" }, el("label", { for: "inside-channel" }, noun), number),
        el("div", { class: "inside-map" }),
      ),
      el("div", { class: "stack tight inside-responses" }),
      el("div", { class: "stack tight inside-unit" }),
    );
  }

  /** @param {"map" | "responses" | "unit" | "channel"} part */
  part(part) {
    return /** @type {HTMLElement} */ (this.root.querySelector(`.inside-${part}`));
  }

  async fillChannel() {
    const { place, current } = this;
    if (!place || !current) return;
    const { network, layer, channel } = place;
    const found = await get(`/api/inside/channel?${query({ ...this.view(), network, layer, channel })}`);
    if (this.place?.layer !== layer || this.place.channel !== channel) return;
    /** @type {HTMLInputElement} */ (this.part("channel")).value = String(channel);
    this.part("map").replaceChildren(...this.enlarged(found, current));
    this.part("responses").replaceChildren(...responses(found, network));
    this.mark();
  }

  /**
   * The map, large enough to choose a pixel of it.
   * @param {Api.InsideChannel} found
   * @param {{ layer: Api.InsideLayer, isPicture: boolean }} current
   */
  enlarged({ maps, low, high }, { layer, isPicture }) {
    const range = `From ${figure(low)} to ${figure(high)}; blue is positive, orange negative.`;
    if (!layer.has_maps) return [];
    const { height, width } = maps;
    const canvas = mapCanvas(maps, 0, isPicture);
    canvas.classList.add("pixels");
    const frame = el(
      "div",
      {
        class: "inside-frame",
        tabindex: 0,
        role: "application",
        "aria-label": "The map: a click or the arrow keys choose a pixel",
      },
      canvas,
      el("span", { class: "inside-mark" }),
    );
    frame.style.width = `${ENLARGED}px`;
    frame.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      const at = (/** @type {number} */ share, /** @type {number} */ n) =>
        Math.max(0, Math.min(n - 1, Math.floor(share * n)));
      this.pick(at((event.clientY - box.top) / box.height, height), at((event.clientX - box.left) / box.width, width));
    });
    frame.addEventListener("keydown", (event) => {
      const steps = /** @type {Record<string, [number, number]>} */ ({
        ArrowUp: [-1, 0],
        ArrowDown: [1, 0],
        ArrowLeft: [0, -1],
        ArrowRight: [0, 1],
      });
      const step = steps[event.key];
      if (!step || !this.place) return;
      event.preventDefault();
      const [y, x] = [(this.place.y ?? 0) + step[0], (this.place.x ?? 0) + step[1]];
      this.pick(Math.max(0, Math.min(height - 1, y)), Math.max(0, Math.min(width - 1, x)));
    });
    return [frame, el("p", { class: "small soft" }, isPicture ? `From ${figure(low)} to ${figure(high)}.` : range)];
  }

  /**
   * @param {number} y
   * @param {number} x
   */
  pick(y, x) {
    if (!this.place) return;
    this.place = { ...this.place, y, x };
    this.choose(writePlace(this.place));
    this.mark();
    this.openUnit();
  }

  /** Frame the chosen pixel. */
  mark() {
    const mark = /** @type {HTMLElement | null} */ (this.root.querySelector(".inside-mark"));
    const found = this.current;
    if (!mark || !found || !this.place) return;
    const { height, width } = found.layer.maps;
    const { y, x } = this.place;
    mark.hidden = y === null;
    Object.assign(mark.style, {
      top: `${(100 * (y ?? 0)) / height}%`,
      left: `${(100 * (x ?? 0)) / width}%`,
      width: `${100 / width}%`,
      height: `${100 / height}%`,
    });
  }

  async fillUnit() {
    const { place, current } = this;
    if (!place || !current) return;
    const target = this.part("unit");
    if (!current.layer.has_units) {
      const words = "This layer adds up no weighted inputs: its text says how it changes each number.";
      target.replaceChildren(el("h5", {}, "One number of it"), el("p", { class: "small soft" }, words));
      return;
    }
    const { network, layer, channel } = place;
    const { height, width } = current.layer.maps;
    const [y, x] = current.layer.has_maps
      ? [place.y ?? Math.floor(height / 2), place.x ?? Math.floor(width / 2)]
      : [0, 0];
    const asked = query({ ...this.view(), network, layer, channel, y, x });
    const found = await get(`/api/inside/unit?${asked}`);
    if (this.place?.layer !== layer || this.place.channel !== channel) return;
    if (current.layer.has_maps && this.place.y === null) {
      this.place = { ...this.place, y, x };
      this.mark();
    }
    target.replaceChildren(...unit(found, current.layer));
  }
}

/**
 * What a channel responds to.
 * @param {Api.InsideChannel} found
 * @param {"G" | "D"} network
 */
function responses({ classes, strongest, images, sentence, without }, network) {
  const limit = Math.max(...classes.map(({ mean }) => Math.abs(mean)), 0) || 1;
  const bars = classes.map(({ class_name: name, mean }) => {
    const bar = el("span", { class: mean < 0 ? "response is-generated" : "response is-real" });
    bar.style.width = `${(100 * Math.abs(mean)) / limit}%`;
    return el(
      "li",
      {},
      el("span", {}, name),
      el("span", { class: "response-room" }, bar),
      el("span", {}, figure(mean)),
    );
  });
  const pictures = strongest.map((image) => {
    const canvas = el("canvas", { class: "pixels" });
    paint(canvas, image);
    const named = image.class_name === null ? "image" : `image of ${image.class_name}`;
    const frame = el(
      "div",
      { class: "inside-frame", role: "img", "aria-label": `${named}: ${figure(image.value)}` },
      canvas,
    );
    frame.title = `${named}: ${figure(image.value)}`;
    if (image.box) frame.append(boxOf(image.box, image.side));
    return frame;
  });
  const frames = network === "D" ? " The frame is the part of the image that the response depends on." : "";
  return [
    el("h5", {}, "What it responds to"),
    bars.length
      ? el("ul", { class: "responses small", "aria-label": "Mean of its largest number, by class" }, ...bars)
      : null,
    el("p", { class: "small soft" }, sentence),
    el("div", { class: "inside-strongest" }, ...pictures),
    el("p", { class: "small soft" }, `The strongest of ${images}.${frames}`),
    ...withoutIt(without),
  ].filter((each) => each !== null);
}

/**
 * @param {[number, number, number, number]} box top, left, height and width in pixels
 * @param {number} side
 */
function boxOf([top, left, height, width], side) {
  const mark = el("span", { class: "inside-mark" });
  const share = (/** @type {number} */ pixels) => `${(100 * pixels) / side}%`;
  Object.assign(mark.style, { top: share(top), left: share(left), height: share(height), width: share(width) });
  return mark;
}

/** @param {Api.Without} without */
function withoutIt({ image, logit }) {
  if (image) {
    const canvas = el("canvas", { class: "pixels", role: "img", "aria-label": "The picture without this channel" });
    paint(canvas, image);
    const frame = el("div", { class: "inside-frame inside-without" }, canvas);
    return [frame, el("p", { class: "small soft" }, "The picture if this channel were 0.")];
  }
  return isNumber(logit)
    ? [el("p", { class: "small" }, `If this channel were 0, the logit would be ${figure(logit)}.`)]
    : [];
}

/**
 * Formula, numbers, picture and code of one number.
 * @param {Api.InsideUnit} found
 * @param {Api.InsideLayer} layer
 */
function unit(found, layer) {
  const { inputs } = found;
  const limits = {
    patch: largest(inputs.map(({ patch }) => patch)),
    kernel: largest(inputs.map(({ kernel }) => kernel)),
    products: largest(inputs.map(({ products }) => products)),
  };
  const row = (/** @type {Api.UnitInput} */ input) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, input.name),
      el("td", {}, numbersCanvas("Inputs", input.patch, limits.patch)),
      el("td", {}, numbersCanvas("Weights", input.kernel, limits.kernel)),
      el("td", {}, numbersCanvas("Products", input.products, limits.products)),
      el("td", {}, figure(input.sum)),
    );
  const rest = (/** @type {string} */ name, /** @type {number} */ value) =>
    el("tr", {}, el("th", { scope: "row", colspan: 4 }, name), el("td", {}, figure(value)));
  const where = layer.has_maps
    ? `Row ${found.y}, column ${found.x} of map ${found.channel}`
    : `Number ${found.channel}`;
  const heads = ["Input", "inputs", "× weights", "= products", "sum"];
  return [
    el("h5", {}, "One number of it"),
    el("p", { class: "small" }, `${where}: ${figure(found.value)}`),
    el("p", { class: "small" }, el("code", {}, found.formula)),
    el("p", { class: "small" }, el("code", {}, found.numbers.replaceAll("-", "−"))),
    el(
      "div",
      { class: "scroll unit-scroll", tabindex: 0 },
      el(
        "table",
        { class: "unit small" },
        el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
        el(
          "tbody",
          {},
          ...inputs.map(row),
          found.others ? rest(`${count(found.others)} other inputs`, found.others_sum) : null,
          rest("bias", found.bias),
          rest("together", found.value),
          ...found.steps.map(({ title, value }) => rest(`after ${title}`, value)),
        ),
      ),
    ),
    el("p", { class: "small" }, el("code", {}, found.call)),
    el(
      "details",
      { class: "small" },
      el("summary", {}, el("code", {}, found.function)),
      el("pre", { class: "scroll source", tabindex: 0 }, el("code", {}, found.source || "no source")),
    ),
  ];
}
