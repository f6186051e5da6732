// Inference of both networks, from the plan that plan.py writes. Feature maps are [row][column][channel].

const SLOPE = 0.2;

/**
 * Float16 to Float32.
 * @param {Uint16Array} bits
 */
export function fromHalves(bits) {
  const table = new Float32Array(65536);
  for (let i = 0; i < 65536; i += 1) {
    const exponent = (i >> 10) & 31;
    const size = exponent ? (1 + (i & 1023) / 1024) * 2 ** (exponent - 15) : (i & 1023) * 2 ** -24;
    table[i] = i & 32768 ? -size : size;
  }
  const numbers = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i += 1) numbers[i] = table[bits[i]];
  return numbers;
}

/**
 * Surround a map with `padding` zeros on each side. The result is kept for the next call: its border stays zero.
 * @param {Exported.Weights} layer
 * @param {Exported.FeatureMap} map
 * @param {number} padding
 */
function pad(layer, { data, side, channels }, padding) {
  if (!padding) return data;
  const width = side + 2 * padding;
  layer.padded ??= new Float32Array(width * width * channels);
  for (let row = 0; row < side; row += 1) {
    const from = row * side * channels;
    layer.padded.set(data.subarray(from, from + side * channels), ((row + padding) * width + padding) * channels);
  }
  return layer.padded;
}

/**
 * Correlate a padded map with kernels: the sum over `kernel` runs of `run` neighbouring numbers. Four outputs at a time,
 * so that each number that is read serves four products.
 * @param {Exported.Numbers} source
 * @param {Exported.Numbers} weight
 * @param {Exported.Numbers} scale
 * @param {Exported.Numbers} shift
 * @param {Exported.Numbers} out
 * @param {Record<"outputs" | "kernel" | "run" | "pitch" | "start" | "step" | "side" | "first" | "next" | "skip", number>} shape
 */
function correlate(source, weight, scale, shift, out, shape) {
  const { outputs, kernel, run, pitch, start, step, side, first, next, skip } = shape;
  const size = kernel * run;
  for (let row = 0; row < side; row += 1) {
    for (let column = 0; column < side; column += 1) {
      const corner = start + row * step * pitch + column * step * (run / kernel);
      const target = first + row * skip + column * next;
      let o = 0;
      for (; o + 4 <= outputs; o += 4) {
        let [w0, w1, w2, w3] = [o * size, (o + 1) * size, (o + 2) * size, (o + 3) * size];
        let a = 0;
        let b = 0;
        let c = 0;
        let d = 0;
        for (let k = 0; k < kernel; k += 1) {
          const at = corner + k * pitch;
          for (let j = 0; j < run; j += 1) {
            const x = source[at + j];
            a += x * weight[w0 + j];
            b += x * weight[w1 + j];
            c += x * weight[w2 + j];
            d += x * weight[w3 + j];
          }
          w0 += run;
          w1 += run;
          w2 += run;
          w3 += run;
        }
        out[target + o] = a * scale[o] + shift[o];
        out[target + o + 1] = b * scale[o + 1] + shift[o + 1];
        out[target + o + 2] = c * scale[o + 2] + shift[o + 2];
        out[target + o + 3] = d * scale[o + 3] + shift[o + 3];
      }
      for (; o < outputs; o += 1) {
        let sum = 0;
        for (let k = 0; k < kernel; k += 1) {
          const at = corner + k * pitch;
          const w = o * size + k * run;
          for (let j = 0; j < run; j += 1) sum += source[at + j] * weight[w + j];
        }
        out[target + o] = sum * scale[o] + shift[o];
      }
    }
  }
}

/**
 * @param {Exported.Dense} layer
 * @param {Exported.FeatureMap} map
 */
function dense(layer, { data }) {
  const { outputs, inputs } = layer;
  layer.out ??= new Float32Array(outputs);
  const shape = { outputs, kernel: 1, run: inputs, pitch: 0, start: 0, step: 1, side: 1, first: 0, next: 0, skip: 0 };
  correlate(data, layer.matrix, layer.scales, layer.shifts, layer.out, shape);
  return { data: layer.out, side: 1, channels: outputs };
}

/**
 * @param {Exported.Conv} layer
 * @param {Exported.FeatureMap} map
 */
function conv(layer, map) {
  const { inputs, outputs, kernel, stride, padding } = layer;
  const pitch = (map.side + 2 * padding) * inputs;
  const side = Math.floor((map.side + 2 * padding - kernel) / stride) + 1;
  layer.out ??= new Float32Array(side * side * outputs);
  correlate(pad(layer, map, padding), layer.matrix, layer.scales, layer.shifts, layer.out, {
    outputs,
    kernel,
    run: kernel * inputs,
    pitch,
    start: 0,
    step: stride,
    side,
    first: 0,
    next: outputs,
    skip: side * outputs,
  });
  return { data: layer.out, side, channels: outputs };
}

/**
 * A transposed 4x4 convolution with stride 2: a 2x2 convolution for each parity of row and column.
 * @param {Exported.Up} layer
 * @param {Exported.FeatureMap} map
 */
function up(layer, map) {
  const { inputs, outputs } = layer;
  const side = 2 * map.side;
  const pitch = (map.side + 2) * inputs;
  const size = 4 * inputs * outputs;
  const source = pad(layer, map, 1);
  layer.out ??= new Float32Array(side * side * outputs);
  for (let parity = 0; parity < 4; parity += 1) {
    const [down, right] = [parity >> 1, parity & 1];
    const matrix = layer.matrix.subarray(parity * size, (parity + 1) * size);
    correlate(source, matrix, layer.scales, layer.shifts, layer.out, {
      outputs,
      kernel: 2,
      run: 2 * inputs,
      pitch,
      start: down * pitch + right * inputs,
      step: 1,
      side: map.side,
      first: (down * side + right) * outputs,
      next: 2 * outputs,
      skip: 2 * side * outputs,
    });
  }
  return { data: layer.out, side, channels: outputs };
}

/** @param {Exported.FeatureMap} map */
function leaky(map) {
  const { data } = map;
  for (let i = 0; i < data.length; i += 1) if (data[i] < 0) data[i] *= SLOPE;
  return map;
}

/**
 * Mean of 2x2 pixels.
 * @param {Exported.FeatureMap} map
 */
function pool({ data, side, channels }) {
  const half = side >> 1;
  const out = new Float32Array(half * half * channels);
  for (let row = 0; row < 2 * half; row += 1)
    for (let column = 0; column < 2 * half; column += 1)
      for (let c = 0; c < channels; c += 1)
        out[((row >> 1) * half + (column >> 1)) * channels + c] += data[(row * side + column) * channels + c] / 4;
  return { data: out, side: half, channels };
}

/**
 * Each pixel as 2x2 pixels.
 * @param {Exported.FeatureMap} map
 */
function upsample({ data, side, channels }) {
  const twice = 2 * side;
  const out = new Float32Array(twice * twice * channels);
  for (let row = 0; row < twice; row += 1)
    for (let column = 0; column < twice; column += 1)
      for (let c = 0; c < channels; c += 1)
        out[(row * twice + column) * channels + c] = data[((row >> 1) * side + (column >> 1)) * channels + c];
  return { data: out, side: twice, channels };
}

/**
 * @param {Exported.Residual} layer
 * @param {Exported.FeatureMap} map
 */
function residual(layer, map) {
  const { data } = run(layer.layers, map);
  const sum = map.data.slice();
  for (let i = 0; i < sum.length; i += 1) sum[i] += data[i];
  return { ...map, data: sum };
}

/**
 * Features of the layers, then mean and maximum of each row and column, channel by channel.
 * @param {Exported.Profiles} layer
 * @param {Exported.FeatureMap} map
 */
function profiles(layer, map) {
  const { data, side, channels } = map;
  const lines = channels * side;
  const found = new Float32Array(4 * lines);
  for (let row = 0; row < side; row += 1)
    for (let column = 0; column < side; column += 1)
      for (let c = 0; c < channels; c += 1) {
        const value = data[(row * side + column) * channels + c] + 1; // above black
        for (const [place, line] of [row, column].entries()) {
          const index = place * lines + c * side + line;
          found[index] += (layer.gain * value) / side;
          found[index + 2 * lines] = Math.max(found[index + 2 * lines], value);
        }
      }
  const { data: features } = run(layer.layers, map);
  const all = new Float32Array(features.length + found.length);
  all.set(features);
  all.set(found, features.length);
  return { data: all, side: 1, channels: all.length };
}

/**
 * @param {Exported.Layer} layer
 * @param {Exported.FeatureMap} map
 * @returns {Exported.FeatureMap}
 */
function apply(layer, map) {
  switch (layer.kind) {
    case "dense":
      return dense(layer, map);
    case "conv":
      return conv(layer, map);
    case "up":
      return up(layer, map);
    case "residual":
      return residual(layer, map);
    case "profiles":
      return profiles(layer, map);
    case "shape":
      return { data: map.data, side: layer.side, channels: layer.channels };
    case "leaky":
      return leaky(map);
    case "pool":
      return pool(map);
    case "upsample":
      return upsample(map);
  }
}

/**
 * @param {Exported.Layer[]} layers
 * @param {Exported.FeatureMap} map
 */
function run(layers, map) {
  for (const layer of layers) map = apply(layer, map);
  return map;
}

/**
 * Give the layers their weights.
 * @param {Exported.Layer[]} layers
 * @param {Exported.Numbers} matrices
 * @param {Exported.Numbers} vectors
 */
function prepare(layers, matrices, vectors) {
  for (const layer of layers) {
    if ("layers" in layer) prepare(layer.layers, matrices, vectors);
    if (!("weight" in layer)) continue;
    const { inputs, outputs } = layer;
    const taps = layer.kind === "conv" ? layer.kernel * layer.kernel : layer.kind === "up" ? 16 : 1;
    layer.matrix = matrices.subarray(layer.weight, layer.weight + taps * inputs * outputs);
    layer.scales = vectors.subarray(layer.scale, layer.scale + outputs);
    layer.shifts = vectors.subarray(layer.shift, layer.shift + outputs);
  }
}

/** @param {number} x */
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** Both networks. Images are bytes, [row][column][channel]. */
export class Model {
  /**
   * @param {Exported.Plan} plan
   * @param {Exported.Numbers} matrices
   * @param {Exported.Numbers} vectors
   */
  constructor(plan, matrices, vectors) {
    this.plan = plan;
    this.generator = plan.generator;
    this.discriminator = plan.discriminator;
    this.vectors = vectors;
    prepare(this.generator.layers, matrices, vectors);
    prepare(this.discriminator.layers, matrices, vectors);
  }

  /**
   * Embedding of a label, which can be interpolated.
   * @param {number} label
   */
  embed(label) {
    const { embedding, z_dim: size } = this.generator;
    return this.vectors.subarray(embedding + label * size, embedding + (label + 1) * size);
  }

  /**
   * The image of a latent and an embedded label; null for an unconditional model.
   * @param {Exported.Numbers} z
   * @param {Exported.Numbers | null} embedded
   */
  draw(z, embedded) {
    const input = new Float32Array(z.length + (embedded ? embedded.length : 0));
    input.set(z);
    if (embedded) input.set(embedded, z.length);
    const { data } = run(this.generator.layers, { data: input, side: 1, channels: input.length });
    const { overshoot } = this.generator;
    // clamped and rounded to even on storing
    return Uint8ClampedArray.from(
      data,
      (value) => (Math.fround(overshoot * Math.fround(Math.tanh(value))) + 1) * 127.5,
    );
  }

  /**
   * Logits: without a label, and the addition of each label.
   * @param {Uint8ClampedArray} image
   */
  logits(image) {
    const { side, channels, real_range: range } = this.plan;
    const [low, high] = range;
    const data = Float32Array.from(image, (value) => (value / 255) * (high - low) + low);
    return run(this.discriminator.layers, { data, side, channels }).data;
  }

  /**
   * Score an image with a label; null takes the label with the highest logit, as `score` does.
   * @param {Uint8ClampedArray} image
   * @param {number | null} label
   * @returns {Exported.Score}
   */
  score(image, label) {
    const { classes, calibration, best_label_calibration: best } = this.plan;
    const [base, ...additions] = this.logits(image);
    if (!classes.length) return { logit: base, label: null, probability: probability(base, calibration) };
    const chosen = label ?? classes.reduce((most, each) => (additions[each] > additions[most] ? each : most));
    const logit = base + additions[chosen];
    return { logit, label: chosen, probability: probability(logit, label === null && best ? best : calibration) };
  }
}

/**
 * @param {number} logit
 * @param {Exported.Calibration} calibration
 */
const probability = (logit, { scale, bias }) => sigmoid(scale * logit + bias);
