// Explanations of the terms on the pages, by `data-term`. Figures are explained by the server's table, /api/figures.

/** @type {Record<string, string>} */
export const TERMS = {
  // networks and training
  grid: "Eighty drawings from the same eighty lists of random numbers. Only the generator changes between two pictures, so what changes here is what it has learned. If the recipe uses labels, each column is one digit.",
  scores:
    "The discriminator gives every image a score. To the right of the dashed line it says real, to the left generated. If the two histograms are far apart, it tells the images apart easily. If they overlap, it can only guess, which is the generator’s goal. That is good news only while the drawings look like digits: a discriminator that is held flat guesses, too.",
  losses:
    "The number that each network tries to make small. The networks work against each other, so neither loss falls steadily. A low loss alone is not a good sign: it can mean that the other network has lost.",
  learning_rate:
    "How far a network moves in one step. If it is too high, the network overshoots; if it is too low, it hardly learns. The run records every change, so that it can be repeated.",
  speed: "Slow the training down to see what a single step does. Only the pace changes, not what is learned.",

  change:
    "The drawings after one step minus those before it: blue pixels became brighter, orange ones darker. The drawings come from the average of the generator over its last steps, so one step changes them little; the picture is amplified.",
  gap: "The mean score of real images minus that of generated ones, over the steps up to here. A large gap means that D tells them apart with ease. Runs with different losses have scores on different scales.",
  trial:
    "An update of one network without the other, made on a copy of the paused training and thrown away. D learns from the batch of the next step; G learns from D as it is now. Resume and One step go on from before it, bit for bit.",
  trial_change:
    "The drawings of G itself after the trial step minus those before it, amplified: blue pixels became brighter, orange ones darker. The drawings above come from the average of G over many steps, which would hide most of a single one.",

  // progress
  images:
    "How many real images the discriminator has seen. Everything here is counted in images, so that runs with different batch sizes can be compared.",
  steps:
    "How often the generator has been updated. In one step, the discriminator learns from a batch of real and generated images; then the generator learns from the discriminator.",

  // the plane
  pace: "Whole steps between two pictures. “Slow” makes one move at a time: a step of D, a pause, a step of G.",
  width:
    "Units in each layer of both networks. Narrow networks bend the plane less, so they find it harder to jump from group to group. Another width starts a new game.",
  limit:
    "Real points that D sees. With a few, G copies them instead of learning where such points lie. Another number starts a new game.",
  copying:
    "How far a generated point is from the nearest training point, over how far a held-out real point is; medians. About 1 for new points, far below 1 for copies.",
  moves:
    "How often each network has been updated. A whole step is as many steps of D as set, then one of G. A single step of D or of G updates that network alone.",
  modes:
    "Groups of real points that have at least one generated point within 3 standard deviations. Too few is mode collapse: the generator has learned some kinds of points and forgotten the others.",
  quality:
    "Share of the generated points within 3 standard deviations of the real distribution. A perfect generator has 99 %.",
  slope:
    "Median length of the gradient of G’s loss at its points: how hard D pushes them. Near 0 the generator learns nothing, whatever its learning rate.",
  plane_losses:
    "D’s newest loss. For two losses the least possible one is known: 2 log 2 minus twice the Jensen-Shannon divergence of the real and the generated points. It is 1.386 when both are the same.",
  optimum:
    "What a discriminator with unlimited ability would say: log p/q, the logarithm of how many times likelier a real point is here than a generated one. Both densities are known exactly in the plane. Compare it with the colours of the learned D.",

  // quality
  best_distance:
    "The smallest distance to real digits of this run; lower is better. The network saved at that point is the run’s model. The floor is the distance between two sets of real digits.",
  diagnosis:
    "How the training is going, judged from its numbers: improving, healthy (most digits are right), collapsing, one network too strong or too weak, diverging, or no longer improving. It lists the evidence and what to try.",

  // judging an image
  recognition:
    "The digit that a small network recognizes. It was trained on real handwriting only, and is right on 99.6 % of real digits.",
  probability:
    "The chance that this image is real handwriting, if half of the pictures that the discriminator was shown were real. It was trained against this generator, so it is strict. It has seen nothing else: what it says of other pictures, such as a scribble, means little.",
  logit:
    "The discriminator’s output before it becomes a probability. It has no upper or lower limit. The probability is 50 % at the boundary between real and generated.",
  fit: "Your drawing in the format of the data set: with soft edges, fitted to a box of 20 by 20 pixels, and moved so that its centre of mass is in the middle. Without this, the discriminator would call every drawing generated.",
  attribution:
    "How much each pixel changed the discriminator’s score, from a black image to yours in small steps (integrated gradients). The contributions add up to the difference in score.",
  inversion:
    "The generator’s closest image to yours, found by the search below. It shows what the generator has learned to draw.",
  error:
    "The mean squared difference between your pixels and the generator’s, from 0 (the same) to 1 (black where yours is white). Below 0.01 the two are hard to tell apart.",
  nearest: "The training images with the smallest difference from yours, pixel by pixel.",

  // exploring a model
  digit: "The digit, or other class of images, that the generator draws. A generator trained without labels draws any.",
  seed: "The starting number of the random number generator. The same seed always gives the same images in the same order.",
  psi: "How far the random numbers are from the most typical ones (truncation). At 0 every image is the same average digit. At 1 they vary as in training. Above 1 they become strange.",
  directions:
    "The random numbers work together: changing many of them at once changes one visible property. These are the directions along which the images change most, named by the property that was measured to change.",
  mix: "The share of the other digit: at 0 % none, at 100 % nothing else. The images in between show digits without a name.",
};
