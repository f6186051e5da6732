"""Labelled synthetic data sets in MNIST's layout of four IDX files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from mnist_gan.artifacts.gan import GAN
from mnist_gan.artifacts.pictures import Images, Labels, as_arrays
from mnist_gan.data.idx_set import idx_images, idx_labels, write_idx_set
from mnist_gan.data.mnist import HELD_OUT_IMAGES, HELD_OUT_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist_gan.data.provenance import PROVENANCE_NAME, default_class_names
from mnist_gan.errors import ConfigError
from mnist_gan.runs.directory import GENERATOR_NAME
from mnist_gan.storage import new_folder, sha256_bytes, write_json

HELD_OUT_SHARE: Final = 7
"""One image in seven is held out, as in MNIST: 10,000 of 70,000."""


def save_idx_set(
    folder: Path | str, images: Images, labels: Labels, *, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Write labelled images as a new folder of four .gz IDX files and `provenance.json`.

    The last seventh of the images becomes the held-out files (`t10k-...`), so that `--data.dir` takes the folder. The
    same images and provenance give the same bytes.

    Args:
        folder: new or empty.
        images: uint8 (N, C, H, W), N at least 2, C 1 or 3.
        labels: int64 (N,), from 0 to 32,767.
        provenance: origin of the images, as JSON values; see `provenance_of`.

    Returns:
        Content of provenance.json.

    Raises:
        ConfigError: fewer than 2 images, or a folder that is not empty.
        StorageError: a file cannot be written.
    """
    arrays, classes = as_arrays(images), np.asarray(labels.cpu() if hasattr(labels, "cpu") else labels)
    n = len(arrays)
    if n < 2:
        raise ConfigError(f"a set of {n} cannot be split into training and held-out images; draw at least 2")
    training = n - max(1, n // HELD_OUT_SHARE)
    pixels, small_labels = idx_images(arrays), idx_labels(classes)
    with new_folder(folder) as new:
        digests = write_idx_set(
            new,
            {
                TRAIN_IMAGES: pixels[:training],
                TRAIN_LABELS: small_labels[:training],
                HELD_OUT_IMAGES: pixels[training:],
                HELD_OUT_LABELS: small_labels[training:],
            },
        )
        content = {
            **provenance,
            "images": {
                "n": n,
                "training": training,
                "held_out": n - training,
                "height": pixels.shape[1],
                "width": pixels.shape[2],
            },
            "labels": {str(label): int(count) for label, count in enumerate(np.bincount(classes)) if count},
            "sha256": digests,
        }
        write_json(new / PROVENANCE_NAME, content)
    return content


def provenance_of(gan: GAN, *, source: str, seed: int, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Facts that suffice to draw the same images again.

    Args:
        gan: the model that drew them.
        source: path or name that the model was loaded from.
        seed: seed of the latents.
        settings: further parameters of the sampling, such as the truncation.
    """
    return {
        "what": "Synthetic images, drawn by a generative adversarial network; no person wrote them.",
        "made_with": f"mnist-gan {version('mnist-gan')}",
        "model": {"source": source, "generator_sha256": sha256_bytes(gan.files()[GENERATOR_NAME]), **gan.facts},
        "seed": seed,
        **({} if gan.class_names == default_class_names(len(gan.class_names)) else {"class_names": gan.class_names}),
        **(settings or {}),
    }
