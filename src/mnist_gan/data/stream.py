"""Endless batches of device-resident images or points."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mnist_gan import rng
from mnist_gan.scaling import AtRest, scaling_of
from mnist_gan.text import pluralize


class ImageStream:
    """An endless sequence of shuffled epochs, with random access to batches.

    The sequence depends only on the seed and the number of images: image k is in epoch k // N, whose order is drawn
    from (seed, "shuffle", epoch). A batch therefore needs no saved state, and the batch size does not change the
    sequence. Images and labels are on the device; a batch is one `index_select`.

    Args:
        images: all training images, uint8 (N, C, H, W), or points, float32 (N, D, 1, 1); N at least 1.
        labels: int64 (N,).
        batch_size: images per batch; may exceed N.
        seed: the run's seed.
        device: device of images, labels and batches.
        real_range: range that they are scaled to.
    """

    def __init__(
        self,
        images: AtRest,
        labels: Int64[Tensor, " n"],
        *,
        batch_size: int,
        seed: int,
        device: torch.device | str,
        real_range: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        if len(images) == 0 or len(images) != len(labels):
            raise ValueError(
                f"{pluralize(len(images), 'image')} and {pluralize(len(labels), 'label')}; there must be at least "
                "one of each, and as many"
            )
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.batch_size = batch_size
        self.seed = seed
        self.device = torch.device(device)
        self.real_range = real_range
        self._scaling = scaling_of(images)
        self._images = images.to(self.device).contiguous()
        self._labels = labels.to(self.device)
        self._orders: dict[int, Int64[Tensor, " n"]] = {}

    def __len__(self) -> int:
        """Images per epoch."""
        return len(self._images)

    def batch(self, cur_nimg: int) -> tuple[Float[Tensor, "batch c h w"], Int64[Tensor, " batch"]]:
        """Images and labels `cur_nimg` to `cur_nimg + batch_size` (exclusive) of the sequence.

        Returns:
            float32 images (batch_size, C, H, W) in `real_range`, and labels (batch_size,), on the device.
        """
        rows = self._rows(cur_nimg)
        images = self._scaling.to_network(self._images.index_select(0, rows), self.real_range)
        return images, self._labels.index_select(0, rows)

    def _rows(self, cur_nimg: int) -> Int64[Tensor, " batch"]:
        """Indices of the images of a batch, which may span epochs."""
        if cur_nimg < 0:
            raise ValueError(f"cur_nimg is {cur_nimg}; it must be 0 or more")
        n, end = len(self), cur_nimg + self.batch_size
        epochs = range(cur_nimg // n, (end - 1) // n + 1)
        # keep only the orders in use, so that memory does not grow with the epochs
        self._orders = {epoch: self._order(epoch) for epoch in epochs}
        parts = [order[max(cur_nimg - e * n, 0) : min(end - e * n, n)] for e, order in self._orders.items()]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _order(self, epoch: int) -> Int64[Tensor, " n"]:
        if epoch in self._orders:
            return self._orders[epoch]
        # drawn on the CPU, so that the order is the same on every device
        order = torch.randperm(len(self), generator=rng.generator(self.seed, "shuffle", epoch))
        return order.to(self.device)
