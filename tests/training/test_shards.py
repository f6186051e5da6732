"""Shards: the same training as with the whole batch, on threads, and the same bits on any number of cores."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.support.training import OBJECTIVES, RandomImages, train_to_end

from mnist_gan.config import Config
from mnist_gan.errors import ConfigError
from mnist_gan.models import ImageShape
from mnist_gan.objectives import build_objective
from mnist_gan.parallel import torch_threads
from mnist_gan.training import TrainState, train
from mnist_gan.training.distributed import ALONE
from mnist_gan.training.shards import ALIGNMENT, ShardedStep, SharedUpdate, divide, memory
from mnist_gan.training.step import train_step

MakeConfig = Callable[..., Config]
MakeState = Callable[[Config], TrainState]


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("shards", [2, 5])
def test_sharded_step_has_the_gradients_and_statistics_of_the_whole_batch(
    objective: dict[str, Any], shards: int, make_config: MakeConfig, make_state: MakeState, stream: Any
) -> None:
    moments, statistics = [], []
    for number in (1, shards):
        config = make_config(objective=objective, training={"shards": number})
        state = make_state(config)
        statistics.append(train_to_end(config, state, stream, nimg=20))
        # after one step of Adam, the first moment is a multiple of the gradient
        moments.append({name: tensor for name, tensor in state.tensors().items() if name.endswith("/exp_avg")})
    assert len(moments[0]) > 8
    for name, moment in moments[0].items():
        torch.testing.assert_close(moments[1][name], moment, atol=1e-5, rtol=1e-3, msg=name)
    # the logits of relative losses have no defined mean: their bias follows rounding errors
    within_shards = {"Score/real_above_fake"}
    assert statistics[1].keys() == statistics[0].keys()
    for name in statistics[0].keys() - within_shards:
        assert statistics[1][name] == pytest.approx(statistics[0][name], abs=1e-3), name


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the cores of a process can be chosen on Linux only")
def test_sharded_training_has_the_same_bits_on_one_core(
    make_config: MakeConfig, make_state: MakeState, stream: Any
) -> None:
    config = make_config(generator={"norm": "batch"}, training={"shards": 2})
    cores = os.sched_getaffinity(0)
    weights = []
    for available in (cores, {min(cores)}):
        os.sched_setaffinity(0, available)
        try:
            state = make_state(config)
            train_to_end(config, state, stream, nimg=200)
        finally:
            os.sched_setaffinity(0, cores)
        weights.append(state.tensors())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(("shards", "expected"), [(1, 2), (2, 1)])
def test_what_lies_between_the_shards_has_one_thread_of_torch(
    shards: int, expected: int, make_config: MakeConfig, make_state: MakeState, shape: ImageShape
) -> None:
    config, seen = make_config(training={"shards": shards}), set()

    class Watched(RandomImages):
        def batch(self, cur_nimg: int) -> Any:
            seen.add(torch.get_num_threads())
            return super().batch(cur_nimg)

    with torch_threads(2):
        for _ in train(config, make_state(config), Watched(shape), epoch_nimg=60, tick_nimg=20, total_nimg=60):
            assert torch.get_num_threads() == 2
    assert seen == {expected}


@pytest.mark.parametrize("norm", ["spectral", "batch"])
def test_sharded_training_resumes_with_the_same_bits(
    norm: str, make_config: MakeConfig, make_state: MakeState, stream: Any
) -> None:
    config = make_config(generator={"norm": "batch"}, discriminator={"norm": norm}, training={"shards": 2})
    whole, first, second = (make_state(config) for _ in range(3))
    train_to_end(config, whole, stream, nimg=200)
    train_to_end(config, first, stream, nimg=100)
    second.restore(first.tensors(), first.counters())
    train_to_end(config, second, stream, nimg=200)
    assert all(
        torch.equal(whole.tensors()[name], tensor) for name, tensor in second.tensors().items() if name != "sums"
    )


def test_sharded_step_raises_the_error_of_a_shard_and_does_not_wait_forever(
    make_config: MakeConfig, make_state: MakeState, stream: Any
) -> None:
    from mnist_gan.training.inputs import next_inputs

    def fail_in_one(state: TrainState, *args: Any, **inputs: Any) -> Any:
        if threading.current_thread().name.endswith("_1"):
            raise MemoryError("shard 1")
        return train_step(state, *args, **inputs)

    config = make_config(training={"shards": 2})
    state = make_state(config)
    step = ShardedStep(fail_in_one, shards=2)
    with pytest.raises(MemoryError, match="shard 1"):
        step(state, config, build_objective(config.objective), inputs=next_inputs(state, config, stream))


def test_sharded_step_leaves_the_number_of_threads_alone(
    make_config: MakeConfig, make_state: MakeState, stream: Any
) -> None:
    before = torch.get_num_threads()
    config = make_config(training={"shards": 2})
    train_to_end(config, make_state(config), stream, nimg=40)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("shards", "batch_size"), [(3, 20), (20, 20)])
def test_config_refuses_shards_that_do_not_divide_the_batch(
    shards: int, batch_size: int, make_config: MakeConfig
) -> None:
    with pytest.raises(ConfigError, match="smaller divisor of the batch size"):
        make_config(training={"shards": shards, "batch_size": batch_size})


def test_divide_cuts_weights_only_between_whole_vectors() -> None:
    sizes = [1000, 3, 5000, 64]
    parts = list(divide(sizes, 4))
    assert [begin for begin, _ in parts] == [0, *(end for _, end in parts[:-1])]
    assert parts[-1][1] == sum(sizes)
    assert all(abs((end - begin) - sum(sizes) / 4) < 2 * ALIGNMENT for begin, end in parts)
    starts = [0, 1000, 1003, 6003]
    assert all(min((end - start) % ALIGNMENT for start in starts if start <= end) == 0 for _, end in parts[:-1])


@pytest.mark.parametrize("members", [1, 2, 4])  # powers of 2: the mean of equal gradients is exact
def test_parts_of_adam_have_the_bits_of_the_whole_optimizer(
    members: int, make_config: MakeConfig, make_state: MakeState
) -> None:
    config = make_config(generator={"family": "dcgan", "channels": (24, 16)})
    whole, parts = make_state(config), make_state(config)
    update = SharedUpdate(parts.g_optimizer, shards=members, group=ALONE)
    random = torch.Generator().manual_seed(0)
    for _ in range(3):
        weights = list(whole.G.parameters())
        gradients = [torch.empty_like(weight).normal_(generator=random) for weight in weights]
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        update._all = torch.cat([memory(gradient) for gradient in gradients]).expand(members, -1)
        whole.g_optimizer.step()
        torch._foreach_add_(update._steps, 1.0)
        for part in update._parts:
            part.update(update._all)
    assert all(torch.equal(parts.tensors()[name], tensor) for name, tensor in whole.tensors().items())
