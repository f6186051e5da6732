// What every number means, in plain words. One entry for each `data-term` in the pages.

export const TERMS = {
  // the players
  grid: "Eighty drawings, always from the same eighty lists of random numbers. Only the generator changes between two pictures, so what you see here is learning itself. Where the recipe knows about digits, each column asks for one of them.",
  scores:
    "The discriminator gives every image a score. Above the dashed line it says real, below it says generated. Two hills far apart: it tells them apart with ease. Two hills over each other: it can only guess, which is what the generator wants.",
  losses:
    "What each network tries to make small. They pull against each other, so neither goes steadily down, and a low one is no good sign by itself: it can mean that the other player has lost.",
  learning_rate:
    "How far a network moves at each step. Too large, and it overshoots; too small, and nothing happens. What you change is written down in the run, with the moment, so that it can be repeated.",
  speed:
    "Slow the training down to see what a single step does. It slows nothing else, and changes nothing of what is learned.",

  // progress
  images:
    "How many real images the discriminator has looked at so far. All clocks here count in images, so that runs with different batch sizes can be compared.",
  steps:
    "How often the generator has changed. One step is: draw a batch of images, let the discriminator learn from it, then let the generator learn from the discriminator.",
  pace: "How many real images a second are learned from on this machine, lately. Time for judging and saving is left out.",

  // quality
  distance:
    "How far the drawings are from real handwriting, as a small frozen network sees both (the Fréchet distance of its features). Below 1 a person sees few faults; at 10 digits are broken; above 50 there are hardly any. Noise is near 200.",
  best_distance:
    "The smallest distance to real digits that this run has reached; smaller is better. The network saved then is the run’s model. The figure after it is the floor: what held-out real digits get.",
  shares:
    "How often each digit appears among the drawings, as the digit reader sees them, beside how often it appears in real handwriting. A missing bar is a digit that the generator has given up: mode collapse.",
  diversity:
    "How different two drawings of the same digit are, compared with two real ones. 1 is as varied as people write. Near 0, the generator draws one picture of each digit again and again.",
  verdict:
    "A doctor’s word on the training, from the numbers alone: healthy, collapsing, one player too strong, diverging, or no longer getting better. It says what it saw, and what to try.",

  // asking both networks
  reading:
    "A small network that was taught to read digits on real handwriting, and nothing else, reads this picture. It is right on 99.6 % of real digits.",
  probability:
    "How likely the discriminator thinks it is that this picture is real handwriting, if half of all pictures were. It was trained on this generator’s own drawings, so it is hard to please.",
  logit:
    "The discriminator’s answer before it is turned into a chance. It has no upper or lower end; what counts is on which side of the boundary it lies, and how far.",
  fit: "Your drawing as the data set would have it: softened at the edges, made to fit a box of 20 by 20 pixels, and moved so that its weight lies in the middle. Without this the discriminator would call every drawing a fake.",
  attribution:
    "Which pixels moved the discriminator’s score, and which way, counted from a black image to yours in small steps (integrated gradients). All together they add up to the score.",
  inversion:
    "The picture that the generator draws when it is asked for yours: the result of the search below. What it cannot draw, it has not learned.",
  error:
    "The mean squared difference between your pixels and the generator’s, from 0 (the same) to 1 (black where yours is white). Below 0.01 the two are hard to tell apart.",
  nearest:
    "The training images that differ least from yours, pixel by pixel. No two people write alike, so even the nearest differs a little.",

  // taking it apart
  digit: "Which digit the generator is asked for. A generator that was trained without labels cannot be asked.",
  seed: "A seed is a starting number for chance. The same seed always gives the same random numbers, and so the same pictures, in the same order.",
  psi: "How far from the most typical random numbers the generator may go (truncation). At 0 every picture is the same average digit. At 1 they are as varied as in training. Above 1 they become strange.",
  directions:
    "The random numbers work together: moving many of them at once changes one visible thing. These are the directions along which the generator’s pictures change the most, named by what they were measured to do.",
  mix: "How much of the other digit is asked for: at 0 none, at 1 nothing else. In between lies a digit that has no name.",
};
