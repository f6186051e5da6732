"""A run on two ranks: silent followers, one set of files, a lost rank, exact resuming, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.program import started_ranks, wait_for
from tests.support.resuming import read_footprint, stop_after
from tests.support.tiny import tiny_config

from mnist_gan import config as config_module
from mnist_gan import experiment
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.errors import EXIT_RESUMABLE, ConfigError
from mnist_gan.experiment.ranks import check_shards, shard_for_ranks
from mnist_gan.runs import RunDirectory


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_ranks_end_with_one_sentence_when_one_is_killed(idx_dir: Path, tmp_path: Path, killed: int) -> None:
    config = tiny_config(idx_dir, training={"total_nimg": 10**7}, run={"tick_nimg": 100, "checkpoint_nimg": 20})
    file, run = tmp_path / "config.toml", tmp_path / "ranks"
    file.write_text(config_module.to_toml(config))
    words = ["train", "--config", str(file), "--name", "ranks", "--runs-dir", str(tmp_path)]
    with started_ranks("mnist_gan", words) as ranks:
        wait_for(lambda: len(list_checkpoints(run / "checkpoints")) > 1, process=ranks[0])
        ranks[killed].kill()
        _, messages = ranks[1 - killed].communicate(timeout=120)
    assert ranks[1 - killed].returncode == EXIT_RESUMABLE
    assert messages.splitlines()[-1].startswith("mnist-gan: another rank of the training was lost; ")
    assert "Traceback" not in messages
    assert RunDirectory(run).read_config().training.shards == 2


@pytest.mark.slow
def test_resume_on_two_ranks_has_the_bits_of_two_shards_and_one_output(idx_dir: Path, tmp_path: Path) -> None:
    config = tiny_config(idx_dir, training={"shards": 2})
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory.root
    stopped = experiment.run(config, name="stopped", runs_dir=tmp_path, stop=stop_after(4)).directory.root
    with started_ranks("mnist_gan", ["resume", str(stopped)]) as ranks:
        outputs = [rank.communicate(timeout=300) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], outputs
    assert outputs[0][0].startswith(f"Done: {stopped}")
    assert outputs[1] == ("", "")
    assert read_footprint(stopped) == read_footprint(whole)


def test_shard_for_ranks_divides_the_batch_once(idx_dir: Path) -> None:
    config = tiny_config(idx_dir)
    assert shard_for_ranks(config, 1) == config
    assert shard_for_ranks(config, 2).training.shards == 2
    assert shard_for_ranks(tiny_config(idx_dir, training={"shards": 4}), 2).training.shards == 4


@pytest.mark.parametrize(
    ("shards", "ranks", "sentence"),
    [
        (1, 3, "a batch of 20 images cannot be divided equally over 3 ranks; set --training.batch-size 18, or"),
        (1, 20, "a batch of 20 images cannot be divided equally over 20 ranks; set --training.batch-size 40, or"),
        (4, 3, "each batch has 4 shards, which 3 ranks cannot share equally; start 1 or 2 or 4 with torchrun"),
    ],
)
def test_shard_for_ranks_refuses_what_cannot_be_shared(idx_dir: Path, shards: int, ranks: int, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        shard_for_ranks(tiny_config(idx_dir, training={"shards": shards}), ranks)


def test_resume_refuses_ranks_for_a_run_that_began_without(idx_dir: Path, tmp_path: Path) -> None:
    directory = experiment.run(tiny_config(idx_dir), name="run", runs_dir=tmp_path, stop=stop_after(2)).directory
    with pytest.raises(ConfigError, match="the run has one shard, which 2 ranks cannot share; resume it without"):
        check_shards(directory.read_config(), 2, run=directory.root)
