"""BatchNorm over all shards of a batch (Ioffe & Szegedy 2015, algorithms 1 and 2).

The shards meet at each layer for its mean and variance, and on the way back for the mean gradients. So a batch has the
same statistics in any number of shards.
"""

from __future__ import annotations

import threading
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from mnist_gan.training.distributed import Group


class Meeting:
    """Where the shards of all ranks exchange tensors, in an order that is the same for all."""

    def __init__(self, members: int, group: Group) -> None:
        self._group = group
        self._rows: list[Tensor] = [torch.empty(0)] * members
        self._all = torch.empty(0)
        self._barrier = threading.Barrier(members, action=self._gather)

    def exchange(self, member: int, row: Float[Tensor, "k"]) -> Float[Tensor, "shards k"]:
        """Contribute the row of one shard of this process; returns those of all shards, in order."""
        self._rows[member] = row
        self._barrier.wait()
        return self._all  # replaced only when all have come to the next meeting

    def abort(self) -> None:
        """Release the shards that wait."""
        self._barrier.abort()

    def _gather(self) -> None:
        with torch.no_grad():
            self._all = self._group.all_gather(torch.stack(self._rows))


class SharedBatchNorm(_BatchNorm):
    """A BatchNorm of one shard that normalizes by the statistics of all; `share_batch_norm_` makes it."""

    meeting: Meeting
    member: int

    def forward(self, x: Float[Tensor, "n c ..."]) -> Float[Tensor, "n c ..."]:
        """Normalize by the whole batch in training mode, else by the running statistics."""
        if not self.training:
            return super().forward(x)
        with torch.no_grad():
            unused = x.new_zeros(2, x.shape[1], dtype=torch.promote_types(x.dtype, torch.float32))  # sets the precision
            own_mean, own_var = torch.batch_norm_update_stats(x, unused[0], unused[1], 0.0)
            means, variances = self.meeting.exchange(self.member, torch.cat([own_mean, own_var])).chunk(2, dim=1)
            mean = means.mean(0)
            var = variances.mean(0) + (means - mean).square().mean(0)  # shards have equally many images
            if self.member == 0:
                self._track(mean, var, count=len(means) * x.numel() // x.shape[1])
        out: Tensor = _Normalize.apply(  # type: ignore[no-untyped-call] # torch leaves it untyped
            x, self.weight, self.bias, mean, var, self.eps, self
        )
        return out

    def _track(self, mean: Tensor, var: Tensor, *, count: int) -> None:
        """Update the running statistics as torch does: with the unbiased variance."""
        if self.running_mean is None or self.running_var is None:
            return
        share = self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            share = share or 1.0 / float(self.num_batches_tracked)  # None stands for the mean of all batches
        self.running_mean.lerp_(mean, share or 0.0)
        self.running_var.lerp_(var * (count / (count - 1)), share or 0.0)

    def _check_input_dim(self, input: Tensor) -> None:
        pass  # the layer that this one replaces has been built for its inputs


def share_batch_norm_(network: nn.Module, meeting: Meeting, *, member: int) -> None:
    """Turn every BatchNorm of one shard's network into one of all shards, in place."""
    for module in network.modules():
        if isinstance(module, _BatchNorm) and not isinstance(module, nn.SyncBatchNorm):
            module.__class__ = SharedBatchNorm
            shared = cast(SharedBatchNorm, module)
            shared.meeting, shared.member = meeting, member


class _Normalize(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) * weight + bias, where mean and var depend on the x of all shards."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        var: Tensor,
        eps: float,
        layer: SharedBatchNorm,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, var)
        ctx.eps, ctx.layer = eps, layer
        return F.batch_norm(x, mean, var, weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, var = ctx.saved_tensors
        # with fixed statistics, for which torch has one pass: dx, sum of grad * (x - mean) / std, sum of grad
        dx, d_weight, d_bias = torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, mean, var, None, None, False, ctx.eps, [True, True, True]
        )
        sums = ctx.layer.meeting.exchange(ctx.layer.member, torch.cat([d_weight, d_bias]))
        count = len(sums) * x.numel() // x.shape[1]
        mean_product, mean_grad = (sums.sum(0) / count).chunk(2)
        scale = (var + ctx.eps).rsqrt()
        scale_out = scale if weight is None else scale * weight
        slope = scale_out * scale * mean_product
        zero, one = torch.zeros_like(var), torch.ones_like(var)
        correction = F.batch_norm(  # slope * x + offset, in one pass at the precision of x
            x, zero, one, slope, scale_out * mean_grad - slope * mean, training=False, eps=0.0
        )
        _, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        weights = d_weight if needs_weight else None, d_bias if needs_bias else None
        return dx.sub_(correction), *weights, None, None, None, None
