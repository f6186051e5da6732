// A game on points of the plane, played by the server: moves, changes, and pictures of it.

import { get, post, postForBytes, remove } from "./api.js";

/**
 * A picture of a game: numbers by name, and arrays in the range of the networks, -1 to 1.
 * @typedef {{ figures: Record<string, number | null>, arrays: Record<string, Float32Array> }} Picture
 */

/**
 * What a game is played with: the name of the data, changed settings by dotted name, width of the networks, and the
 * strokes of a drawing.
 * @typedef {Api.GameBody} Setup
 */

/**
 * Read a picture: the length of its header, the header, then all arrays.
 * @param {ArrayBuffer} content
 * @returns {Picture}
 */
export function decodePicture(content) {
  const length = new DataView(content).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(content, 4, length)));
  let offset = 4 + length;
  /** @type {Record<string, Float32Array>} */
  const arrays = {};
  for (const [name, size] of header.arrays) {
    arrays[name] = new Float32Array(content, offset, size);
    offset += 4 * size;
  }
  return { figures: header.figures, arrays };
}

export class Game {
  /**
   * Begin a game.
   * @param {Setup} setup
   * @returns {Promise<Game>}
   */
  static async begin(setup) {
    return new Game(await post("/api/plane", setup), setup);
  }

  /**
   * @param {Api.Begun} begun
   * @param {Setup} setup
   */
  constructor(begun, setup) {
    this.id = begun.id;
    this.real = begun.real;
    this.centre = begun.centre;
    this.scale = begun.scale;
    this.setup = setup;
  }

  /** @returns {`/api/plane/${string}`} */
  get address() {
    return `/api/plane/${encodeURIComponent(this.id)}`;
  }

  /** Moves and changes so far. */
  async record() {
    return (await get(this.address)).record;
  }

  /**
   * Make moves; returns the picture after them.
   * @param {"step" | "D" | "G"} kind
   * @param {number} moves
   * @param {Record<string, boolean>} view parts of the picture
   */
  async play(kind, moves, view) {
    return decodePicture(await postForBytes(`${this.address}/moves`, { kind, moves, view }));
  }

  /**
   * Change settings from the next move on; returns the record of the game.
   * @param {Api.ChangesBody["changes"]} changes
   */
  async change(changes) {
    return (await post(`${this.address}/changes`, { changes })).record;
  }

  /** Close the game. The server forgets it by itself later, so a failure does not matter. */
  end() {
    remove(this.address).catch(() => {});
  }
}
