"""Snapshots: number, size, verification, and equality after resuming."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
import torch

from mnist_gan import experiment, sampling
from mnist_gan.artifacts.gan import GAN
from mnist_gan.artifacts.snapshots import epochs_to_keep, list_snapshots, load_snapshot, save_snapshot
from mnist_gan.config import Config, DataConfig, DiscriminatorConfig, GeneratorConfig, RunConfig, TrainingConfig
from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.models import Generator, ImageShape, build_generator


def tiny(*, seed: int = 0, z_dim: int = 4) -> Generator:
    config = GeneratorConfig(family="dcgan", z_dim=z_dim, channels=(8, 4), norm="batch")
    return build_generator(config, ImageShape(channels=1, resolution=28, num_classes=10), seed=seed).eval()


def draw(G: Generator) -> torch.Tensor:
    return sampling.render(G, sampling.draw_latents(G, n=20, seed=3), sampling.cycle_labels(range(10), n=20))


def test_load_snapshot_draws_the_same_images(tmp_path: Path):
    G = tiny()
    save_snapshot(tmp_path, G, cur_nimg=60_000, epoch=1.0)
    (snapshot,) = list_snapshots(tmp_path)
    assert (snapshot.cur_nimg, snapshot.epoch) == (60_000, 1.0)
    again = load_snapshot(snapshot, tiny(seed=1))
    assert int((draw(again).int() - draw(G).int()).abs().max()) <= 1
    assert {tensor.dtype for tensor in again.parameters()} == {torch.float32}
    assert not again.training


def test_save_snapshot_halves_the_size_and_is_reproducible(tmp_path: Path):
    G = tiny()
    one, other = (save_snapshot(tmp_path / name, G, cur_nimg=1, epoch=0.5) for name in "ab")
    contents = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (one, other)]
    assert contents[0] == contents[1]
    full = sum(4 * parameter.numel() for parameter in G.parameters())
    assert len(contents[0]["generator.safetensors"]) < 0.6 * full + 4096


def test_save_snapshot_keeps_float32_for_weights_beyond_float16(tmp_path: Path):
    G = tiny()
    with torch.no_grad():
        weight = next(G.parameters())
        weight[0, 0] = 1e6
    save_snapshot(tmp_path, G, cur_nimg=1, epoch=0.5)
    again = load_snapshot(list_snapshots(tmp_path)[0], tiny(seed=1))
    assert torch.equal(next(again.parameters()), weight)


def test_load_snapshot_does_not_change_its_template(tmp_path: Path):
    save_snapshot(tmp_path, tiny(), cur_nimg=1, epoch=0.5)
    like = tiny(seed=1)
    before = [parameter.clone() for parameter in like.parameters()]
    load_snapshot(list_snapshots(tmp_path)[0], like)
    assert all(torch.equal(one, other) for one, other in zip(before, like.parameters(), strict=True))


@pytest.mark.parametrize("name", ["generator.safetensors", "snapshot.json", "manifest.json"])
def test_damaged_snapshot_is_not_listed_or_not_loaded(tmp_path: Path, name: str):
    for nimg in (100, 200):
        save_snapshot(tmp_path, tiny(), cur_nimg=nimg, epoch=nimg / 100)
    snapshots = list_snapshots(tmp_path)
    assert [snapshot.cur_nimg for snapshot in snapshots] == [100, 200]
    damaged = snapshots[0].path / name
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    if name != "generator.safetensors":  # not read by list_snapshots
        assert [snapshot.cur_nimg for snapshot in list_snapshots(tmp_path)] == [200]
    if name != "snapshot.json":  # not read by load_snapshot
        with pytest.raises(ArtifactError):
            load_snapshot(snapshots[0], tiny())


def test_load_snapshot_refuses_another_network(tmp_path: Path):
    save_snapshot(tmp_path, tiny(z_dim=5), cur_nimg=1, epoch=0.5)
    with pytest.raises(ArtifactError, match="does not fit"):
        load_snapshot(list_snapshots(tmp_path)[0], tiny(z_dim=4))


def test_list_snapshots_of_a_missing_folder_is_empty(tmp_path: Path):
    assert list_snapshots(tmp_path / "nowhere") == []


@pytest.mark.parametrize("count", [0, 1, 2, 5, 12, 100])
@pytest.mark.parametrize("last_epoch", [0, 1, 8, 40, 1000])
def test_epochs_to_keep_are_evenly_spaced_and_limited(last_epoch: int, count: int):
    kept = epochs_to_keep(range(last_epoch + 1), count=count)
    assert len(kept) == min(count, last_epoch + 1)
    assert count == 0 or kept[-1] == last_epoch
    assert count < 2 or kept[0] == 0
    gaps = [later - earlier for earlier, later in itertools.pairwise(kept)]
    assert not gaps or max(gaps) - min(gaps) <= 1


def config(idx_dir: Path, *, snapshots: int = 12) -> Config:
    return Config(
        data=DataConfig(dir=str(idx_dir), limit=64),
        generator=GeneratorConfig(family="dcgan", z_dim=8, channels=(8, 4), norm="batch"),
        discriminator=DiscriminatorConfig(family="dcgan", channels=(4, 8), norm="none"),
        training=TrainingConfig(total_nimg=224, batch_size=16, device="cpu", conditional=True, precision="float32"),
        run=RunConfig(tick_nimg=32, evaluate=False, pictures=False, tensorboard=False, snapshots=snapshots),
    )


def kept(root: Path) -> dict[str, bytes]:
    folder = root / "snapshots"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.usefixtures("short_reestimation")
def test_run_keeps_a_snapshot_at_every_epoch_of_its_samples(idx_dir: Path, tmp_path: Path):
    root = experiment.run(config(idx_dir), name="run", runs_dir=tmp_path).directory.root
    snapshots = list_snapshots(root / "snapshots")
    assert [(snapshot.cur_nimg, snapshot.epoch) for snapshot in snapshots] == [
        (0, 0),
        (64, 1),
        (128, 2),
        (192, 3),
        (224, 3.5),
    ]
    gan = GAN.load(root)
    last = load_snapshot(snapshots[-1], gan.G)
    assert int((draw(last).int() - draw(gan.G).int()).abs().max()) <= 1


@pytest.mark.slow
@pytest.mark.usefixtures("short_reestimation")
def test_resumed_run_keeps_the_same_snapshots(idx_dir: Path, tmp_path: Path):
    whole = experiment.run(config(idx_dir), name="whole", runs_dir=tmp_path).directory.root
    polls = iter(range(1000))
    stopped = experiment.run(config(idx_dir), name="stopped", runs_dir=tmp_path, stop=lambda: next(polls) >= 6)
    assert not stopped.finished
    experiment.resume(stopped.directory.root)
    assert kept(stopped.directory.root) == kept(whole)


@pytest.mark.slow
@pytest.mark.usefixtures("short_reestimation")
def test_run_keeps_the_configured_number_of_snapshots(idx_dir: Path, tmp_path: Path):
    few = experiment.run(config(idx_dir, snapshots=2), name="few", runs_dir=tmp_path).directory.root
    assert [snapshot.cur_nimg for snapshot in list_snapshots(few / "snapshots")] == [0, 224]
    none = experiment.run(config(idx_dir, snapshots=0), name="none", runs_dir=tmp_path).directory.root
    assert not (none / "snapshots").exists()
    with pytest.raises(ConfigError, match=r"run\.snapshots is -1"):
        dataclasses.replace(RunConfig(), snapshots=-1)
