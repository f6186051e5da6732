"""From seeds to images, and the ways between them."""

from mnist_gan.sampling.images import cycle_labels, draw_latents, render, render_embedded
from mnist_gan.sampling.interpolation import lerp, path_through, slerp
from mnist_gan.sampling.truncation import truncate

__all__ = [
    "cycle_labels",
    "draw_latents",
    "lerp",
    "path_through",
    "render",
    "render_embedded",
    "slerp",
    "truncate",
]
