"""BatchNorm of shards: the values and gradients of the whole batch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from tests.support.training import train_to_end
from torch import nn

from mnist_gan.config import Config
from mnist_gan.training import TrainState
from mnist_gan.training.batch_norm import Meeting, share_batch_norm_
from mnist_gan.training.distributed import ALONE

MakeConfig = Callable[..., Config]
MakeState = Callable[[Config], TrainState]


@pytest.mark.parametrize("dims", [(3,), (3, 5, 5)], ids=["dense", "convolution"])
@pytest.mark.parametrize(
    "options", [{}, {"affine": False}, {"momentum": None}, {"track_running_stats": False}], ids=str
)
def test_shared_batch_norm_has_the_values_and_gradients_of_the_whole_batch(
    dims: tuple[int, ...], options: dict[str, Any]
) -> None:
    source = torch.Generator().manual_seed(0)
    x = torch.randn(12, *dims, generator=source, dtype=torch.float64) * 3 + 2
    out_grad = torch.randn(12, *dims, generator=source, dtype=torch.float64)
    kind = nn.BatchNorm1d if len(dims) == 1 else nn.BatchNorm2d
    whole = kind(3, **options).double()
    parts = [copy.deepcopy(whole) for _ in range(3)]
    meeting = Meeting(3, ALONE)
    for member, part in enumerate(parts):
        share_batch_norm_(part, meeting, member=member)

    def compute(layer: nn.Module, images: torch.Tensor, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        for _ in range(2):  # the running statistics of the second batch depend on those of the first
            images = images.detach().requires_grad_()
            out = layer(images)
        out.backward(grad)
        assert images.grad is not None
        return out.detach(), images.grad

    expected = compute(whole, x, out_grad)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(compute, parts, x.chunk(3), out_grad.chunk(3)))
    for index, value in enumerate(expected):
        torch.testing.assert_close(torch.cat([pair[index] for pair in found]), value)
    for number, weight in enumerate(whole.parameters()):
        gradients = torch.stack([torch.as_tensor(list(part.parameters())[number].grad) for part in parts])
        torch.testing.assert_close(gradients.sum(0), weight.grad)
    for name, buffer in whole.named_buffers():
        torch.testing.assert_close(dict(parts[0].named_buffers())[name], buffer)
    assert torch.equal(parts[0].eval()(x), parts[0](x))
    torch.testing.assert_close(parts[0](x), whole.eval()(x))


@pytest.mark.parametrize("norms", ["G", "D", "both"])
@pytest.mark.parametrize("family", ["dcgan", "mlp"])
def test_batch_norm_of_shards_normalizes_by_the_whole_batch(
    family: str, norms: str, make_config: MakeConfig, make_state: MakeState, stream: Any
) -> None:
    """Gradients and running statistics are those of one shard."""
    trained = []
    for shards in (1, 4):
        config = make_config(
            generator={"family": family, "channels": (24, 16), "norm": "none" if norms == "D" else "batch"},
            discriminator={"family": family, "channels": (16, 24), "norm": "none" if norms == "G" else "batch"},
            training={"shards": shards},
        )
        state = make_state(config)
        train_to_end(config, state, stream, nimg=20)  # one step, see above
        trained.append(state.tensors())
    statistics = [name for name in trained[0] if name.endswith(("running_mean", "running_var"))]
    assert statistics
    for name in statistics + [name for name in trained[0] if name.endswith("/exp_avg")]:
        torch.testing.assert_close(trained[1][name], trained[0][name], atol=1e-5, rtol=1e-3, msg=name)


def test_shards_normalize_images_of_bfloat16_with_float32_statistics(
    make_config: MakeConfig, make_state: MakeState, stream: Any
) -> None:
    trained = []
    for shards in (1, 2):
        config = make_config(
            generator={"family": "dcgan", "channels": (24, 16), "norm": "batch"},
            training={"shards": shards, "precision": "bfloat16"},
        )
        state = make_state(config)
        train_to_end(config, state, stream, nimg=20)
        trained.append({name: tensor for name, tensor in state.tensors().items() if "running" in name})
    assert trained[0]
    for name, statistics in trained[0].items():
        assert trained[1][name].dtype == torch.float32
        torch.testing.assert_close(trained[1][name], statistics, atol=1e-4, rtol=1e-3, msg=name)
