"""The interface of loggers."""

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
    """Receives the progress of a run, with `cur_nimg` (images seen) as the axis.

    A resumed run repeats the values after its checkpoint. A logger must not show any of them twice.
    """

    def log_row(self, row: Row) -> None:
        """Log the statistics of a tick: `cur_nimg`, `step`, `epoch`, and finite numbers by name."""

    def log_samples(self, path: Path, *, cur_nimg: int) -> None:
        """Log the PNG at `path`, a grid of samples."""

    def log_histograms(self, values: Mapping[str, Float[Tensor, "..."]], *, cur_nimg: int) -> None:
        """Log a histogram of each tensor."""

    def close(self) -> None:
        """Write buffered data and release resources."""


def finite_values(tensor: Float[Tensor, "..."]) -> Float64[np.ndarray, "n"]:
    """The finite values of a tensor, on the CPU."""
    flat: Float64[np.ndarray, "n"] = tensor.detach().flatten().double().cpu().numpy()
    return np.extract(np.isfinite(flat), flat)
