from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.gans import POINTS, tiny_gan

from mnist_gan.artifacts.gan import GAN, model_directory, shipped_directory
from mnist_gan.artifacts.scoring import score_images
from mnist_gan.errors import ArtifactError, ConfigError, DivergenceError
from mnist_gan.objectives import Calibration

CALIBRATION = Calibration(scale=2.0, bias=-0.5)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (7, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("channels", [1, 3])
def test_sample_image_depends_on_seed_and_index_only(channels: int) -> None:
    gan = tiny_gan(channels=channels)
    samples = gan.sample(12, seed=5)
    assert samples.shape == (12, channels, 28, 28)
    assert samples.dtype == torch.uint8
    assert torch.equal(gan.sample(3, seed=5, first=4), samples[4:7])
    assert not torch.equal(gan.sample(12, seed=6), samples)


def test_sample_of_no_images_is_empty_and_of_a_negative_number_is_refused() -> None:
    assert tiny_gan().sample(0).shape == (0, 1, 28, 28)
    with pytest.raises(ConfigError, match="cannot draw -1 images"):
        tiny_gan().sample(-1)


def test_sample_with_psi_0_draws_one_image_per_class() -> None:
    samples = tiny_gan(num_classes=3).sample(9, truncation_psi=0.0)
    assert torch.equal(samples[:3], samples[3:6])
    assert len(samples.unique(dim=0)) == 3


def test_labels_rotate_through_all_or_the_given_classes() -> None:
    gan = tiny_gan(num_classes=3)
    assert gan.labels(5).tolist() == [0, 1, 2, 0, 1]  # type: ignore[union-attr]
    assert gan.labels(2, first=4).tolist() == [1, 2]  # type: ignore[union-attr]
    assert gan.labels(3, digit=2).tolist() == [2, 2, 2]  # type: ignore[union-attr]
    assert gan.labels(3, digit=[2, 0]).tolist() == [2, 0, 2]  # type: ignore[union-attr]
    assert tiny_gan(num_classes=0).labels(5) is None


def test_sample_takes_classes_by_name() -> None:
    gan = tiny_gan(num_classes=3, facts={"class_names": ["cat", "dog", "fox"]})
    assert torch.equal(gan.sample(4, digit="dog"), gan.sample(4, digit=1))
    assert torch.equal(gan.sample(4, digit=["fox", 0]), gan.sample(4, digit=[2, 0]))
    assert torch.equal(gan.between_digits(["cat", "fox"]), gan.between_digits([0, 2]))
    assert torch.equal(tiny_gan().sample(2, digit="7"), tiny_gan().sample(2, digit=7))
    with pytest.raises(ConfigError, match="there is no class 'dgo'; did you mean dog"):
        gan.sample(1, digit="dgo")


@pytest.mark.parametrize(
    ("num_classes", "digit", "words"),
    [(3, 3, "classes 0 to 2, not 3"), (3, [], "classes 0 to 2, not none"), (0, 1, "is unconditional")],
)
def test_labels_refuse_an_unknown_class(num_classes: int, digit: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        tiny_gan(num_classes=num_classes).labels(2, digit=digit)


def test_between_seeds_begins_and_ends_with_the_samples_of_the_seeds() -> None:
    gan = tiny_gan()
    images = gan.between_seeds([1, 2], digit=4, steps=3)
    assert len(images) == 4
    ends = torch.cat([gan.sample(1, digit=4, seed=seed) for seed in (1, 2)])
    assert int((images[[0, -1]].int() - ends.int()).abs().max()) <= 1


def test_between_digits_begins_and_ends_with_the_samples_of_the_digits() -> None:
    gan = tiny_gan()
    images = gan.between_digits([1, 2], seed=5, steps=3)
    ends = torch.cat([gan.sample(1, digit=digit, seed=5) for digit in (1, 2)])
    assert int((images[[0, -1]].int() - ends.int()).abs().max()) <= 1
    with pytest.raises(ConfigError, match="cannot interpolate between digits"):
        tiny_gan(num_classes=0).between_digits([1, 2])


def test_between_seeds_passes_through_every_seed_and_returns_if_closed() -> None:
    gan = tiny_gan()
    images = gan.between_seeds([5, 6, 7], digit=3, steps=4)
    assert images.shape == (9, 1, 28, 28)
    for index, seed in ((0, 5), (4, 6), (8, 7)):
        torch.testing.assert_close(images[index], gan.sample(1, digit=3, seed=seed)[0], atol=1, rtol=0)
    assert len(gan.between_seeds([5, 6, 7], digit=3, steps=4, closed=True)) == 12
    assert len(tiny_gan(num_classes=0).between_seeds([0, 1], steps=2)) == 3


def test_between_digits_changes_the_image_at_every_step() -> None:
    images = tiny_gan().between_digits([3, 8], seed=2, steps=6)
    assert images.shape == (7, 1, 28, 28)
    changes = images.diff(dim=0).abs().float().mean(dim=(1, 2, 3))
    assert bool((changes > 0).all())


def test_logits_do_not_depend_on_the_batch_size(images: torch.Tensor) -> None:
    gan, labels = tiny_gan(), torch.arange(7)
    torch.testing.assert_close(gan.logits(images, labels=labels, batch_size=2), gan.logits(images, labels=labels))
    assert gan.logits(images[:0], labels=labels[:0]).shape == (0,)


def test_logits_of_a_conditional_model_need_labels(images: torch.Tensor) -> None:
    with pytest.raises(ConfigError, match="give labels"):
        tiny_gan().logits(images)
    assert tiny_gan(num_classes=0).logits(images).shape == (7,)


def test_best_labels_have_the_highest_logit(images: torch.Tensor) -> None:
    gan = tiny_gan(num_classes=3)
    labels, logits = gan.best_labels(images, batch_size=2)
    every = torch.stack([gan.logits(images, labels=torch.full((7,), label)) for label in range(3)])
    assert labels.tolist() == every.argmax(dim=0).tolist()
    torch.testing.assert_close(logits, every.max(dim=0).values)


def test_probability_real_is_the_calibrated_logit(images: torch.Tensor) -> None:
    gan = tiny_gan(num_classes=0, calibration=CALIBRATION)
    torch.testing.assert_close(gan.probability_real(images), torch.sigmoid(2 * gan.logits(images) - 0.5))


@pytest.mark.parametrize("num_classes", [0, 10])
@pytest.mark.parametrize("channels", [1, 3])
def test_load_restores_what_save_wrote(tmp_path: Path, channels: int, num_classes: int) -> None:
    gan = tiny_gan(channels=channels, num_classes=num_classes, calibration=CALIBRATION, facts={"cur_nimg": 7})
    gan.save(tmp_path / "model", card="a card")
    loaded = GAN.load(tmp_path / "model")
    for one, other in ((gan.G, loaded.G), (gan.D, loaded.D)):
        tensors = other.state_dict()
        assert all(torch.equal(tensor, tensors[name]) for name, tensor in one.state_dict().items())
        assert not other.training
    assert (loaded.config, loaded.shape, loaded.calibration, loaded.facts) == (
        gan.config,
        gan.shape,
        gan.calibration,
        gan.facts,
    )
    assert (tmp_path / "model" / "README.md").read_text() == "a card"


def test_save_replaces_a_model(tmp_path: Path) -> None:
    tiny_gan(facts={"cur_nimg": 1}).save(tmp_path / "model")
    tiny_gan(facts={"cur_nimg": 2}).save(tmp_path / "model")
    assert GAN.load(tmp_path / "model").facts == {"cur_nimg": 2}
    assert model_directory(tmp_path / "model") == tmp_path / "model"


def test_save_refuses_a_folder_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "holiday.png").write_bytes(b"precious")
    with pytest.raises(ConfigError, match="exists and is not a model"):
        tiny_gan().save(tmp_path)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("holiday.png", b"precious")]


def test_save_refuses_a_non_finite_weight(tmp_path: Path) -> None:
    gan = tiny_gan()
    with torch.no_grad():
        next(gan.G.parameters()).view(-1)[0] = float("nan")
    with pytest.raises(DivergenceError, match="not finite"):
        gan.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", ["generator.safetensors", "discriminator.safetensors", "config.json"])
def test_load_refuses_a_damaged_file(tmp_path: Path, name: str) -> None:
    tiny_gan().save(tmp_path / "model")
    content = bytearray((tmp_path / "model" / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"{name} .*sha256"):
        GAN.load(tmp_path / "model")


def test_model_directory_finds_a_run_a_model_and_the_shipped_model(tmp_path: Path) -> None:
    tiny_gan().save(tmp_path / "run" / "model")
    assert model_directory(tmp_path / "run") == tmp_path / "run" / "model"
    assert model_directory(tmp_path / "run" / "model") == tmp_path / "run" / "model"
    assert model_directory(Path("shipped")) == shipped_directory()


def test_model_directory_explains_what_another_path_is(tmp_path: Path) -> None:
    (tmp_path / "run" / "samples").mkdir(parents=True)
    (tmp_path / "run" / "config.toml").write_text("")
    (tmp_path / "model.pkl").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    for path, words in (
        ("model.pkl", "is a file; a model is a folder"),
        ("nowhere", "there is no run or model at"),
        ("run", "has no model yet"),
        ("run/samples", "is part of a run and not a model"),
        ("empty", "is neither a run nor a model"),
    ):
        with pytest.raises(ArtifactError, match=words):
            model_directory(tmp_path / path)


def test_stage_states_the_images_and_the_distance() -> None:
    assert tiny_gan().stage == ""
    assert tiny_gan(facts={"cur_nimg": 60_000}).stage == "after 60,000 images"
    facts = {"cur_nimg": 60_000, "metrics": {"agreement": 0.9, "fd10k_mnistnet": 3.14159}}
    assert tiny_gan(facts=facts).stage == "the best snapshot, after 60,000 images: fd10k_mnistnet 3.14"


def test_sample_takes_whole_numbers_of_any_type() -> None:
    gan = tiny_gan()
    expected = gan.sample(3, digit=7, seed=5, first=2)
    assert torch.equal(gan.sample(np.int64(3), digit=np.int64(7), seed=np.uint8(5), first=np.int16(2)), expected)
    assert torch.equal(gan.sample(3, digit=torch.tensor(7), seed=5, first=2), expected)
    assert torch.equal(gan.sample(3, digit=[np.int64(7)], seed=5, first=2), expected)
    assert torch.equal(gan.between_seeds(np.arange(2).tolist(), digit=np.int64(3)), gan.between_seeds([0, 1], digit=3))


def test_sample_of_late_images_takes_no_longer() -> None:
    began = time.thread_time()
    assert tiny_gan().sample(3, first=2**31 - 1).shape == (3, 1, 28, 28)
    assert time.thread_time() - began < 5.0


MISUSE = {
    "gan.sample(1, digit=[7.5])": "digit is 7.5; it must be a whole number",
    "gan.sample(1, digit='ten')": "there is no class 'ten'; the model draws 0, 1, 2",
    "gan.sample(1, seed=None)": "seed is None; it must be a whole number",
    "gan.sample(1.5)": "n is 1.5; it must be a whole number",
    "gan.sample(1, first=-1)": "cannot draw 1 image from image -1 on",
    "gan.between_seeds([4], digit=1)": "1 seed cannot be interpolated; give at least 2",
    "gan.between_digits([4])": "a path needs at least 2 stations and 1 step between them, not 1 and 8",
    "gan.between_seeds([1, 2], digit=1, steps=0)": "not 2 and 0",
    "gan.logits(images.float() / 255, labels=labels)": "images are torch.float32; expected torch.uint8 from 0 to 255",
    "gan.probability_real(images.float(), labels=labels)": "images are torch.float32",
    "gan.best_labels(images.float())": "images are torch.float32",
    "gan.logits(images[:, :, 1:], labels=labels)": "images have the shape (3, 1, 27, 28); this model scores ('N', 1",
    "gan.logits(images, labels=labels[:1])": "labels have the shape (1,)",
    "gan.logits(images, labels=labels + 9)": "labels are from 9 to 11; this model has the classes 0 to 9",
    "sampling.render(gan.G, torch.zeros(3, 4), labels + 9)": "labels are from 9 to 11",
}
"""Wrong calls of a user -> part of the error."""


def test_gan_refuses_wrong_arguments_with_a_clear_error() -> None:
    """In a process of its own: the tests' type checks would refuse some arguments first."""
    lines = [
        "import torch",
        "from mnist_gan import GAN, sampling",
        "from mnist_gan.errors import ConfigError",
        "gan = GAN.load('shipped')",
        "images, labels = gan.sample(3), gan.labels(3)",
    ]
    for call in MISUSE:
        call_ = call.replace("torch.zeros(3, 4)", "torch.zeros(3, gan.G.z_dim)")
        lines += ["try:", f"    {call_}", "    print('accepted')", "except ConfigError as error:", "    print(error)"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert len(printed) == len(MISUSE)
    for message, (call, words) in zip(printed, MISUSE.items(), strict=True):
        assert words in message, call


def test_sample_and_best_labels_leave_untrained_classes_out(images: torch.Tensor) -> None:
    gan = tiny_gan(num_classes=5, facts={"untrained_classes": [0, 3]})
    assert gan.classes == (1, 2, 4)
    assert gan.labels(4).tolist() == [1, 2, 4, 1]  # type: ignore[union-attr]
    assert gan.labels(2, digit=3).tolist() == [3, 3]  # type: ignore[union-attr]
    every = torch.stack([gan.logits(images, labels=torch.full((7,), label)) for label in (1, 2, 4)])
    labels, logits = gan.best_labels(images)
    assert set(labels.tolist()) <= {1, 2, 4}
    torch.testing.assert_close(logits, every.max(dim=0).values)


def test_class_names_are_those_of_the_data_or_the_numbers(tmp_path: Path) -> None:
    assert tiny_gan(num_classes=3).class_names == ("0", "1", "2")
    tiny_gan(num_classes=3, facts={"class_names": ["cat", "dog", "owl"]}).save(tmp_path / "model")
    gan = GAN.load(tmp_path / "model")
    assert gan.class_names == ("cat", "dog", "owl")
    (score,) = score_images(gan, gan.sample(1), labels=torch.tensor([2]))
    assert (score.label, score.label_name) == (2, "owl")


@pytest.mark.parametrize(
    "facts",
    [{"untrained_classes": ["x"]}, {"image_form": {"box_share": 2.0}}, {"class_names": ["a", "a"]}],
)
def test_load_refuses_facts_that_are_damaged(tmp_path: Path, facts: dict[str, object]) -> None:
    tiny_gan(facts=facts).save(tmp_path / "model")
    with pytest.raises(ArtifactError, match="is not a model that this release can load"):
        GAN.load(tmp_path / "model")


def test_load_recognizes_a_git_lfs_pointer(tmp_path: Path) -> None:
    tiny_gan().save(tmp_path / "model")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n"
    (tmp_path / "model" / "discriminator.safetensors").write_text(pointer)
    with pytest.raises(ArtifactError, match=r"discriminator.safetensors is a Git LFS pointer.*run `git lfs pull`"):
        GAN.load(tmp_path / "model")


def test_sample_of_a_model_of_points_is_in_the_units_of_the_data() -> None:
    gan = tiny_gan(num_classes=0, shape=POINTS)
    points = gan.sample(200)
    assert points.dtype == torch.float32
    assert points.shape == (200, 2, 1, 1)
    assert torch.allclose(points.mean((0, 2, 3)), torch.tensor([10.0, 20.0]), atol=1)
    assert float(points.std()) > 0
    assert len(gan.sample(0)) == 0


def test_logits_of_points_are_those_of_the_scaled_points() -> None:
    gan = tiny_gan(num_classes=0, shape=POINTS)
    points = gan.sample(5)
    assert torch.allclose(gan.logits(points), gan.D(POINTS.scaling.to_network(points)))
    with pytest.raises(ConfigError, match=r"points are torch.uint8; expected torch.float32"):
        gan.logits(points.to(torch.uint8))


def test_load_restores_a_model_of_points(tmp_path: Path) -> None:
    gan = tiny_gan(num_classes=0, shape=POINTS)
    gan.save(tmp_path / "model")
    loaded = GAN.load(tmp_path / "model")
    assert loaded.shape == POINTS
    assert torch.equal(loaded.sample(5), gan.sample(5))
