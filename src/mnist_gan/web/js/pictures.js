// Gray images painted on a canvas.

/**
 * Bytes from base64.
 * @param {string} base64
 */
function bytes(base64) {
  const text = atob(base64);
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/**
 * Context for drawing on a canvas.
 * @param {HTMLCanvasElement} canvas
 */
export function contextOf(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("the browser cannot draw");
  return context;
}

/**
 * Paint `{ side, pixels }` on a canvas, one canvas pixel for each of the picture's.
 * @param {HTMLCanvasElement} canvas
 * @param {{ side: number, pixels: string }} image
 */
export function paint(canvas, image) {
  const { side } = image;
  canvas.width = side;
  canvas.height = side;
  const grey = bytes(image.pixels);
  const data = new ImageData(side, side);
  for (let i = 0; i < side * side; i += 1) data.data.set([grey[i], grey[i], grey[i], 255], 4 * i);
  contextOf(canvas).putImageData(data, 0, 0);
}

/**
 * Signed bytes from base64.
 * @param {string} base64
 */
export const signedBytes = (base64) => new Int8Array(bytes(base64).buffer);

/**
 * Paint signed bytes: in the colour of real where they are positive, in that of generated where negative, on black; or
 * as gray levels from black to white.
 * @param {HTMLCanvasElement} canvas
 * @param {Int8Array} values
 * @param {{ height: number, width: number, gray: boolean }} options
 */
export function paintSigned(canvas, values, { height, width, gray }) {
  canvas.width = width;
  canvas.height = height;
  const [positive, negative] = [colour("--real-by-night"), colour("--generated-by-night")];
  const data = new ImageData(width, height);
  for (let i = 0; i < values.length; i += 1) {
    const share = values[i] / 127;
    const tint = gray ? [255, 255, 255] : share < 0 ? negative : positive;
    const strength = gray ? (share + 1) / 2 : Math.sqrt(Math.abs(share)); // small numbers remain visible
    data.data.set([...tint.map((channel) => Math.round(channel * strength)), 255], 4 * i);
  }
  contextOf(canvas).putImageData(data, 0, 0);
}

/**
 * Clear a canvas.
 * @param {HTMLCanvasElement} canvas
 */
export function blank(canvas, side = 28) {
  canvas.width = side;
  canvas.height = side;
}

/**
 * The red, green and blue of a colour in the style sheet, 0 to 255.
 * @param {string} name
 */
export function colour(name) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((start) => Number.parseInt(text.slice(start, start + 2), 16));
}

/**
 * Paint the contribution of each pixel: in the colour of real where it is positive, in that of generated where it is
 * negative, over the drawing in gray.
 * @param {HTMLCanvasElement} canvas
 * @param {number[]} values
 * @param {{ side: number, pixels: string }} image
 * @param {number} maximum
 */
export function paintAttribution(canvas, values, image, maximum) {
  const { side } = image;
  canvas.width = side;
  canvas.height = side;
  const [real, generated] = [colour("--real-by-night"), colour("--generated-by-night")];
  const grey = bytes(image.pixels);
  const data = new ImageData(side, side);
  for (let i = 0; i < side * side; i += 1) {
    const strength = maximum > 0 ? Math.min(1, Math.sqrt(Math.abs(values[i]) / maximum)) : 0;
    const tint = values[i] > 0 ? real : generated;
    const shadow = 0.25 * grey[i];
    const mixed = tint.map((channel) => Math.round(shadow * (1 - strength) + channel * strength));
    data.data.set([...mixed, 255], 4 * i);
  }
  contextOf(canvas).putImageData(data, 0, 0);
}

/**
 * Show a blob in an <img> once it is decoded, and release the one before.
 * @param {HTMLImageElement} image
 * @param {Blob} blob
 */
export async function showBlob(image, blob) {
  const before = image.src;
  const address = URL.createObjectURL(blob);
  const ready = new Image();
  ready.src = address;
  await ready.decode();
  image.src = address;
  if (before.startsWith("blob:")) URL.revokeObjectURL(before);
}
