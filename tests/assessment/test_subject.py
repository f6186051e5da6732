from __future__ import annotations

import pytest

from mnist_gan.artifacts.gan import GAN
from mnist_gan.artifacts.pictures import save_images, save_npz
from mnist_gan.artifacts.snapshots import save_snapshot
from mnist_gan.assessment import open_subject, real_data
from mnist_gan.config import DataConfig
from mnist_gan.errors import ArtifactError, ConfigError, DataError


def test_open_subject_distinguishes_runs_models_and_images(tmp_path, tiny_gan, make_run, like_mnist):
    run = make_run(tmp_path / "run", tiny_gan())
    save_images(tmp_path / "folder", like_mnist.images[:3])
    assert open_subject(run.root).kind == "run"
    assert open_subject(run.model).kind == "model"
    assert open_subject(tmp_path / "folder").kind == "images"
    with pytest.raises(DataError, match="is not a run, a model or a folder of PNGs"):
        open_subject(tmp_path)
    (run.model / "generator.safetensors").write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match=r"generator\.safetensors is damaged"):
        open_subject(run.root)


def test_open_subject_refuses_a_run_without_a_model(tmp_path):
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(ArtifactError, match="has no model yet"):
        open_subject(tmp_path)


def test_open_subject_refuses_a_part_of_a_run(tmp_path, tiny_gan, make_run):
    run = make_run(tmp_path / "run", tiny_gan())
    moment = save_snapshot(run.snapshots, tiny_gan().G, cur_nimg=100, epoch=1.0)
    with pytest.raises(ArtifactError, match=f"is part of a run.*name the run: {run.root}$"):
        open_subject(moment)
    with pytest.raises(ArtifactError, match="is neither a run nor a model"):
        GAN.load(tmp_path)


def test_real_data_is_named_or_that_of_the_training(tmp_path, tiny_gan, like_mnist):
    tiny_gan(limit=7).save(tmp_path / "model")
    save_npz(tmp_path / "grey.npz", like_mnist.images[:2])
    save_npz(tmp_path / "colour.npz", like_mnist.images[:2].expand(-1, 3, -1, -1))
    model, grey = open_subject(tmp_path / "model"), open_subject(tmp_path / "grey.npz")
    assert real_data(model) == DataConfig(name="mnist"), "neither the limit nor a folder of another machine"
    assert real_data(grey) == DataConfig(name="mnist")
    assert real_data(open_subject(tmp_path / "colour.npz")) == DataConfig(name="stacked-mnist")
    assert real_data(grey, "digits") == DataConfig(name="digits")
    assert real_data(grey, str(tmp_path)) == DataConfig(dir=str(tmp_path))
    with pytest.raises(ConfigError, match="--data nowhere is not mnist"):
        real_data(grey, "nowhere")
