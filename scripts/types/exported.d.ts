// Plan of the exported page, as mnist_gan.exports.page writes it, and what its scripts add to it.

declare namespace Exported {
  type Numbers = Float32Array<ArrayBuffer>;

  /** Feature map, [row][column][channel]. */
  interface FeatureMap {
    data: Numbers;
    side: number;
    channels: number;
  }

  interface Weights {
    /** Places of the matrix, the factors and the summands of a linear layer. */
    weight: number;
    scale: number;
    shift: number;
    inputs: number;
    outputs: number;
    /** Set by the page. */
    matrix: Numbers;
    scales: Numbers;
    shifts: Numbers;
    out?: Numbers;
    padded?: Numbers;
  }

  interface Dense extends Weights {
    kind: "dense";
  }

  interface Conv extends Weights {
    kind: "conv";
    kernel: number;
    stride: number;
    padding: number;
  }

  interface Up extends Weights {
    kind: "up";
  }

  interface Residual {
    kind: "residual";
    layers: Layer[];
  }

  interface Profiles {
    kind: "profiles";
    gain: number;
    layers: Layer[];
  }

  interface Shape {
    kind: "shape";
    side: number;
    channels: number;
  }

  interface Plain {
    kind: "leaky" | "pool" | "upsample";
  }

  type Layer = Dense | Conv | Up | Residual | Profiles | Shape | Plain;

  interface Calibration {
    scale: number;
    bias: number;
  }

  interface Direction {
    name: string;
    explanation: string;
    vector: number;
    /** Set by the page. */
    values: Numbers;
  }

  interface Plan {
    side: number;
    channels: number;
    classes: number[];
    names: string[];
    generator: { z_dim: number; embedding: number; overshoot: number; layers: Layer[] };
    discriminator: { layers: Layer[] };
    directions: Direction[];
    real_range: [number, number];
    calibration: Calibration;
    best_label_calibration: Calibration | null;
    form: { box_share: number; inverted: boolean };
    halves: string;
    singles: string;
  }

  /** Judgement of an image; `label` is null for an unconditional model. */
  interface Score {
    logit: number;
    label: number | null;
    probability: number;
  }
}
