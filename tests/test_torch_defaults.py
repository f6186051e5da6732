"""Results of the package do not depend on what a caller has set in torch, and the caller's settings are left alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.gans import tiny_gan
from tests.support.tiny import idx_arrays, tiny_config, trained_run

from mnist_gan import experiment, sampling, score_images
from mnist_gan.artifacts.gan import GAN
from mnist_gan.config import Config
from mnist_gan.data import load_dataset
from mnist_gan.evaluation import Reference, SampleProtocol, Samples, evaluate, monitoring
from mnist_gan.torch_defaults import default_torch_state, steps_within


@contextlib.contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def default_device() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def low_precision() -> Iterator[None]:
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


CALLERS: dict[str, Callable[[], Any]] = {
    "default dtype": default_dtype,
    "default device": default_device,
    "device context": lambda: torch.device("meta"),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "matmul precision": low_precision,
}


def current_state() -> dict[str, Any]:
    return {
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "precision": torch.get_float32_matmul_precision(),
    }


every_caller = pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS.keys())


@every_caller
def test_default_torch_state_holds_in_the_block_and_restores_the_caller(caller):
    fresh = current_state()
    with caller():
        before = current_state()
        with default_torch_state():
            assert current_state() == fresh
        assert current_state() == before
        with pytest.raises(ZeroDivisionError), default_torch_state():
            raise ZeroDivisionError
        assert current_state() == before
    assert current_state() == fresh


@every_caller
def test_steps_within_gives_the_caller_its_own_state_between_the_items(caller):
    with caller():
        before = current_state()
        inside = steps_within(default_torch_state, iter(current_state, None))
        assert next(inside) == next(inside) != before
        assert current_state() == before


def test_steps_within_ends_with_the_iterator():
    assert list(steps_within(default_torch_state, iter(range(3)))) == [0, 1, 2]


def use(gan: GAN) -> dict[str, Any]:
    """Results of the functions that docs/python.md shows for a model."""
    images = gan.sample(12, seed=3)
    inversions = sampling.invert(gan.G, images[0], label=0, features=gan.D.trunk, steps=2, report_every=1)
    image = images[1].to(torch.float32) / 127.5 - 1
    attribution = sampling.integrated_gradients(gan.D, image, label=1, baseline=-torch.ones_like(image), steps=4)
    directions = sampling.find_directions(gan.G, count=2, probes=20)
    return {
        "images": images,
        "between seeds": gan.between_seeds([0, 1], digit=3, steps=3),
        "between digits": gan.between_digits([0, 1], steps=3),
        "logits": gan.logits(images, labels=gan.labels(12)),
        "probabilities": gan.probability_real(images, labels=gan.labels(12)),
        "best": gan.best_labels(images),
        "scores": score_images(gan, images),
        "z": [inversion.z for inversion in inversions],
        "contributions": attribution.contributions,
        "directions": directions.vectors,
        "moved": sampling.move(sampling.draw_latents(gan.G, n=2, seed=0), directions, [2.0]),
        "slant": sampling.measure(images)["slant"],
    }


def same(left: Any, right: Any) -> bool:
    match left:
        case torch.Tensor():
            return left.dtype == right.dtype and left.device == right.device and torch.equal(left, right)
        case dict():
            return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
        case list() | tuple():
            return len(left) == len(right) and all(map(same, left, right))
        case _:
            return bool(left == right)


@every_caller
def test_a_model_gives_the_same_results_under_every_state_of_the_caller(tmp_path, caller):
    tiny_gan().save(tmp_path / "model")
    expected = use(GAN.load(tmp_path / "model"))
    with caller():
        before = current_state()
        loaded = GAN.load(tmp_path / "model")
        if before["device"].type == "meta":  # the test's own arithmetic follows the caller's device
            assert same(loaded.sample(12, seed=3), expected["images"])
            assert same(loaded.logits(expected["images"], labels=loaded.labels(12)), expected["logits"])
        else:
            assert same(use(loaded), expected)
        assert current_state() == before


@pytest.fixture(scope="module")
def judged_training(tmp_path_factory) -> Iterator[tuple[Config, Path, dict[str, torch.Tensor]]]:
    """A config with evaluations of 300 images, its run, and the last tensors of the same training in memory."""
    folder = tmp_path_factory.mktemp("judged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(monitoring, "MONITOR_PROTOCOL", SampleProtocol(num_images=300))
        run = trained_run(folder, run={"evaluate": True, "evaluate_nimg": 100})
        config = run.read_config()
        *_, last = experiment.train(config)
        yield config, run.root, last.state.tensors()


@every_caller
def test_training_gives_the_same_weights_under_every_state_of_the_caller(judged_training, tmp_path, caller):
    config, whole, last = judged_training
    with caller():
        before = current_state()
        part = experiment.run(config, name="part", runs_dir=tmp_path, stop=iter([False] * 3 + [True]).__next__)
        experiment.resume(part.directory.root)
        *_, again = experiment.train(config)
        assert current_state() == before
    for name in ("generator", "discriminator"):
        files = [(root / "model" / f"{name}.safetensors").read_bytes() for root in (whole, part.directory.root)]
        assert files[0] == files[1]
    assert same(again.state.tensors(), last)


@every_caller
def test_evaluation_gives_the_same_figures_under_every_state_of_the_caller(idx_dir, caller):
    def figures() -> dict[str, float | None]:
        reference = Reference.of(load_dataset(tiny_config(idx_dir).data))
        samples = Samples.of_images(images)
        return {name: figure.value for name, figure in evaluate(samples, reference=reference).figures.items()}

    images = torch.from_numpy(idx_arrays()["train-images-idx3-ubyte"])[:150].unsqueeze(1)
    expected = figures()
    with caller():
        before = current_state()
        assert figures() == expected
        assert current_state() == before


def test_latents_of_the_callers_dtype_are_accepted():
    gan = tiny_gan()
    z = sampling.draw_latents(gan.G, n=3, seed=0)
    assert torch.equal(sampling.render(gan.G, z.double(), gan.labels(3)), sampling.render(gan.G, z, gan.labels(3)))
