"""What a logger is: something that is told of a run's progress and shows it in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

from mnist_gan.runs.metrics import Row


@runtime_checkable
class Logger(Protocol):
    """Told of a run's progress. Everything is placed by `cur_nimg`, the number of images seen.

    A logger of a resumed run is made with the `cur_nimg` of its checkpoint, and shows nothing twice.
    """

    def log_row(self, row: Row) -> None:
        """Statistics of a tick: `cur_nimg`, `step`, `epoch`, and finite numbers by name."""

    def log_samples(self, path: Path, *, cur_nimg: int) -> None:
        """The PNG at `path`, a grid of samples."""

    def log_histograms(self, values: Mapping[str, Float[Tensor, "..."]], *, cur_nimg: int) -> None:
        """How the values of some tensors are distributed."""

    def close(self) -> None:
        """Nothing more comes: write what is held back."""


def finite_values(tensor: Float[Tensor, "..."]) -> Float64[np.ndarray, "n"]:
    """The values of a tensor that are finite, in main memory."""
    flat: Float64[np.ndarray, "n"] = tensor.detach().flatten().double().cpu().numpy()
    return np.extract(np.isfinite(flat), flat)
