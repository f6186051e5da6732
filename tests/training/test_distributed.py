"""The group of ranks; `test_ranks` has two processes."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist

from mnist_gan.errors import ConfigError, RankError
from mnist_gan.launcher import Launch
from mnist_gan.training.distributed import ALONE, Group, joined


@pytest.mark.parametrize(("size", "parts"), [(1, [range(4)]), (2, [range(2), range(2, 4)])])
def test_group_divides_the_shards_in_order(size: int, parts: list[range]) -> None:
    assert [Group(rank=rank, size=size).part(4) for rank in range(size)] == parts


def test_group_of_one_gathers_its_own_rows() -> None:
    rows = torch.rand(2, 3)
    with joined(None) as group:
        assert group is ALONE
        assert torch.equal(group.all_gather(rows), rows)
        assert torch.equal(group.broadcast(rows), rows)


def test_ranks_without_torch_distributed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "is_available", lambda: False)
    launch = Launch(rank=0, size=2, local_rank=0, address="127.0.0.1:1")
    with pytest.raises(ConfigError, match="start the training without torchrun"), joined(launch):
        pass


def test_group_names_a_lost_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:45678")

    monkeypatch.setattr(dist, "broadcast", fail)
    with pytest.raises(RankError, match=r"another rank of the training was lost; .* resume it") as error:
        Group(size=2).broadcast(torch.zeros(1))
    assert "gloo" not in str(error.value)
