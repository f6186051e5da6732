from __future__ import annotations

import logging

import pytest
import torch
from tests.support.tiny import small_arrays
from tests.support.toys import toy_config

import mnist_gan
from mnist_gan import experiment
from mnist_gan.artifacts.pictures import save_npz
from mnist_gan.assessment import OutputPaths, evaluate, facade, open_subject, write
from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset
from mnist_gan.data.dataset import stack_channels
from mnist_gan.data.idx_set import write_idx_set
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
    with pytest.raises(ConfigError, match="protocol is 'fd1k'; it must be one of fd10k, fd26k, fd50k"):
        evaluate(images, protocol="fd1k")
    save_npz(tmp_path / "few.npz", torch.zeros(5, 1, 28, 28, dtype=torch.uint8))
    with pytest.raises(DataError, match="at least 100"):
        evaluate(tmp_path / "few.npz", data=str(idx_dir))


@pytest.mark.parametrize(("n", "held_out"), [(1, 100), (5, 5), (100, 3)])
def test_evaluate_refuses_too_few_real_images(tmp_path, images, n, held_out):
    write_idx_set(tmp_path / "few", small_arrays(n, held_out))
    with pytest.raises(DataError, match=r"few has too few images to compare with: .* at least 6 of each are needed"):
        evaluate(images, data=str(tmp_path / "few"))


@pytest.mark.parametrize("level", [None, 0])
def test_evaluate_compares_with_the_fewest_real_images(tmp_path, images, level):
    write_idx_set(tmp_path / "few", small_arrays(6, 6, level=level))
    figures = evaluate(images, data=str(tmp_path / "few")).evaluations["mnistnet"].figures
    assert figures["fd120_mnistnet"].value is not None


@pytest.mark.parametrize(
    ("channels", "note"),
    [(1, "mnist was assumed because images do not name"), (3, "stacked-mnist was assumed because the images have 3")],
)
def test_evaluate_notes_the_real_data_that_it_assumed(tmp_path, monkeypatch, images, idx_dir, channels, note):
    monkeypatch.setattr("mnist_gan.data.dataset.STACKED_IMAGES", 400)
    monkeypatch.setattr("mnist_gan.data.dataset.STACKED_HELD_OUT_IMAGES", 100)
    dataset = load_dataset(DataConfig(dir=str(idx_dir)))
    real = stack_channels(dataset) if channels == 3 else dataset
    monkeypatch.setattr(facade, "load_real_data", lambda subject, named: real)
    path = tmp_path / "some.npz"
    save_npz(path, dataset.images[:120].expand(-1, channels, -1, -1))
    assert any(note in each for each in evaluate(path).notes)
    save_npz(path, dataset.images[:120, :, :20, :20].expand(-1, channels, -1, -1))
    with pytest.raises(DataError, match=rf"the images are {channels}x20x20 .*\({note}"):
        evaluate(path)


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory):
    return experiment.run(toy_config(), name="toy", runs_dir=tmp_path_factory.mktemp("runs")).directory


def test_evaluate_gives_exact_figures_of_a_model_of_points(toy_run, tmp_path):
    assessment = evaluate(toy_run.root)
    assert assessment.protocol == "points2500"
    assert [*assessment.evaluations] == ["exact"]
    assert {"modes2500", "quality2500", "energy2500"} <= assessment.evaluations["exact"].figures.keys()
    assert assessment.discriminator is not None
    paths = OutputPaths.of(assessment.subject, tmp_path)
    report, rows = write(assessment, paths, command="evaluate")
    assert "The figures are exact: no judge takes part." in report.read_text()
    assert rows.name == "toy-metrics-points2500.jsonl"


def test_evaluate_compares_a_file_of_points_with_a_named_toy(tmp_path):
    (tmp_path / "p.csv").write_text("".join(f"{i % 2},0\n" for i in range(100)))
    with pytest.raises(ConfigError, match="points do not name their real data; name it with --data"):
        evaluate(tmp_path / "p.csv")
    figures = evaluate(tmp_path / "p.csv", data="ring8").evaluations["exact"].figures
    assert figures["modes100"].value == 1
    assert figures["quality100"].value == 0.5


def test_evaluate_refuses_a_model_of_points_against_images(toy_run):
    with pytest.raises(DataError, match=r"has points of the plane|are 2x1x1"):
        evaluate(toy_run.root, data="digits")
