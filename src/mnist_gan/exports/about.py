"""Facts that every export carries, as text."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from mnist_gan.artifacts.gan import DISCRIMINATOR_NAME, GAN
from mnist_gan.artifacts.model_card import LICENSE
from mnist_gan.runs.directory import GENERATOR_NAME
from mnist_gan.storage import sha256_bytes

LATENTS: Final = (
    'z of image i of seed s: standard normal numbers of the MT19937 generator with the seed sha256("s/z/i")[:8] as a '
    "little-endian integer, shifted right by 1, modulo 2**32; docs/export.md has the code"
)
"""How `sample` draws its latents."""


def facts_of(gan: GAN, *, name: str) -> dict[str, str]:
    """Name, classes, sizes, licence, digests of the weights and origin of a model."""
    files = gan.files()
    classes = ",".join(gan.class_names[label] for label in gan.classes)
    return {
        "name": name,
        "digits": classes or "none: the model takes no label",
        "z_dim": str(gan.G.z_dim),
        "channels": str(gan.shape.channels),
        "resolution": str(gan.shape.resolution),
        "data": gan.config.data.name,
        "latents": LATENTS,
        "license": LICENSE,
        "generator_sha256": sha256_bytes(files[GENERATOR_NAME]),
        "discriminator_sha256": sha256_bytes(files[DISCRIMINATOR_NAME]),
        "made_with": f"mnist-gan {version('mnist-gan')}",
    }
