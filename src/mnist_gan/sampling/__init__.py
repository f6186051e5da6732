"""From seeds to images."""

from mnist_gan.sampling.images import cycle_labels, draw_latents, render

__all__ = ["cycle_labels", "draw_latents", "render"]
