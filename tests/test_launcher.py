"""The variables of torchrun."""

from __future__ import annotations

import pytest

from mnist_gan.errors import ConfigError
from mnist_gan.launcher import Launch, is_follower, read_launch

RANK_1 = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": "1", "RANK": "0"}, {"RANK": "3"}])
def test_read_launch_finds_no_other_ranks(environment: dict[str, str]) -> None:
    assert read_launch(environment) is None


def test_read_launch_reads_the_variables_of_torchrun() -> None:
    assert read_launch(RANK_1) == Launch(rank=1, size=2, local_rank=1, address="127.0.0.1:29500")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"MASTER_ADDR": "", "RANK": ""}, "WORLD_SIZE is 2, but RANK, MASTER_ADDR is not set; start the ranks with"),
        ({"RANK": "one"}, "must be numbers .*'one'.* start the ranks with torchrun"),
    ],
)
def test_read_launch_refuses_half_an_environment(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_launch(RANK_1 | changes)


@pytest.mark.parametrize(("rank", "follows"), [("0", False), ("1", True), ("one", False)])
def test_is_follower_is_true_for_every_rank_but_0(monkeypatch: pytest.MonkeyPatch, rank: str, follows: bool) -> None:
    for name, value in (RANK_1 | {"RANK": rank}).items():
        monkeypatch.setenv(name, value)
    assert is_follower() is follows
