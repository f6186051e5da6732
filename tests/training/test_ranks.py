"""Ranks: several processes that take the steps of one, and have its bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.support.program import started_ranks
from tests.support.training import OBJECTIVES, small_config, train_small

from mnist_gan.training import Leader
from mnist_gan.training.distributed import ALONE


@pytest.mark.slow
def test_ranks_have_the_weights_and_statistics_of_as_many_shards(tmp_path: Path) -> None:
    """Two ranks with two shards each, for every objective, also after a rollback, against four shards in one process.

    `test_shards` compares shards with the whole batch.
    """
    with started_ranks("tests.support.training", [str(tmp_path)]) as ranks:
        outputs = [rank.communicate(timeout=300) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], outputs
    assert not any("gloo" in threads for threads, _ in outputs), "a thread that stays can abort the interpreter's end"
    for name, objective in OBJECTIVES.items():
        expected = train_small(small_config(objective, shards=4)).tensors()
        trained = load_file(tmp_path / f"{name}.safetensors")
        assert trained.keys() == expected.keys()
        assert [n for n in expected if not torch.equal(trained[n], expected[n])] == [], name


def test_leader_of_a_group_of_one_takes_the_steps_of_a_training_alone() -> None:
    config = small_config(OBJECTIVES["non_saturating-r1"], shards=2)
    alone = train_small(config).tensors()
    with Leader(ALONE) as leader:
        led = train_small(config, leader=leader).tensors()
    assert all(torch.equal(led[name], alone[name]) for name in alone)
