from __future__ import annotations

import logging

import pytest
import torch

import mnist_gan
from mnist_gan.artifacts.pictures import save_npz
from mnist_gan.assessment import evaluate, open_subject
from mnist_gan.errors import ConfigError, DataError
from mnist_gan.evaluation import PROTOCOLS, SampleProtocol


@pytest.fixture
def images(tmp_path, monkeypatch, idx_arrays):
    """An .npz of 120 images, a cache of its own, and a protocol of a few images."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(PROTOCOLS, "fd10k", SampleProtocol(num_images=200, draws=2))
    path = tmp_path / "set.npz"
    save_npz(path, torch.from_numpy(next(iter(idx_arrays.values())))[:120, None])
    return path


def test_evaluate_is_public():
    assert mnist_gan.evaluate is evaluate


def test_evaluate_takes_a_path_and_a_folder_of_real_images(images, idx_dir, caplog):
    with caplog.at_level(logging.INFO, logger="mnist_gan"):
        result = evaluate(str(images), data=str(idx_dir))
    assert (result.protocol, result.dataset.name, list(result.evaluations)) == ("fd120", "made-up", ["mnistnet"])
    assert f"evaluating 120 images in {images}" in caplog.text


def test_evaluate_of_an_opened_subject_gives_the_same_figures(images, idx_dir):
    first = evaluate(images, data=str(idx_dir), seed=3)
    second = evaluate(open_subject(images), data=str(idx_dir), seed=3)
    assert first.evaluations["mnistnet"].row() == second.evaluations["mnistnet"].row()


def test_evaluate_of_a_run_uses_a_protocol(tiny_gan, make_run, tmp_path, images, idx_dir):
    run = make_run(tmp_path / "runs" / "first", tiny_gan())
    result = evaluate(run.root, data=str(idx_dir), protocol="fd10k")
    assert (result.protocol, result.subject.kind) == ("fd200", "run")


def test_evaluate_refuses_an_unknown_protocol_and_too_few_images(tmp_path, images, idx_dir):
    with pytest.raises(ConfigError, match="protocol is 'fd1k'; it must be one of fd10k, fd50k"):
        evaluate(images, protocol="fd1k")
    save_npz(tmp_path / "few.npz", torch.zeros(5, 1, 28, 28, dtype=torch.uint8))
    with pytest.raises(DataError, match="at least 100"):
        evaluate(tmp_path / "few.npz", data=str(idx_dir))
