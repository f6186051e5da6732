"""Sampling: seeds to images, interpolation, truncation, directions of z, attribution and inversion."""

from mnist_gan.sampling.attribution import Attribution, integrated_gradients
from mnist_gan.sampling.directions import Directions, find_directions, move
from mnist_gan.sampling.images import check_labels, cycle_labels, draw_latents, render, render_embedded
from mnist_gan.sampling.interpolation import lerp, path_through, slerp
from mnist_gan.sampling.inversion import Inversion, invert
from mnist_gan.sampling.lines import latent_lines
from mnist_gan.sampling.properties import PROPERTIES, measure
from mnist_gan.sampling.truncation import truncate

__all__ = [
    "PROPERTIES",
    "Attribution",
    "Directions",
    "Inversion",
    "check_labels",
    "cycle_labels",
    "draw_latents",
    "find_directions",
    "integrated_gradients",
    "invert",
    "latent_lines",
    "lerp",
    "measure",
    "move",
    "path_through",
    "render",
    "render_embedded",
    "slerp",
    "truncate",
]
