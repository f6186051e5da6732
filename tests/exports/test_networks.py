import dataclasses

import pytest
import torch
from tests.support.gans import tiny_gan
from tests.support.networks import D_CONFIGS, images_of, label, labels_for, noise

from mnist_gan.errors import ConfigError
from mnist_gan.exports.networks import ImageGenerator, ImageScorer, check_images, portable_copy
from mnist_gan.models import ImageShape, build_discriminator
from mnist_gan.objectives import Calibration
from mnist_gan.scaling import Coordinates


@pytest.mark.parametrize("num_classes", [0, 10])
def test_image_generator_draws_the_images_of_sample(num_classes):
    gan = tiny_gan(num_classes=num_classes, channels=3)
    z = torch.cat([noise(1, gan.G.z_dim, seed=k) for k in range(4)])
    labels = labels_for(gan.shape, 4)
    image, image_float = ImageGenerator(gan)(z, *([] if labels is None else [labels]))
    expected = gan.G(z, labels)
    assert torch.equal(image_float, expected)
    assert torch.equal(image, expected.add(1).mul(127.5).round().to(torch.uint8))


def test_image_scorer_gives_logits_and_calibrated_probabilities():
    gan = tiny_gan(calibration=Calibration(scale=-3.0, bias=0.5))
    images, labels = gan.sample(5), gan.labels(5)
    logit, probability = ImageScorer(gan)(images, labels)
    assert torch.equal(logit, gan.logits(images, labels=labels))
    assert torch.allclose(probability, gan.probability_real(images, labels=labels))


@pytest.mark.parametrize("config", [config for config in D_CONFIGS if config.norm == "spectral"], ids=label)
def test_portable_copy_applies_spectral_norms_once(config):
    shape = ImageShape(channels=1, resolution=28, num_classes=10)
    D = build_discriminator(config, shape, seed=0).eval()
    images, labels = images_of(shape, 3), labels_for(shape, 3)
    before = D(images, labels)
    copy = portable_copy(D, "float32")
    assert torch.allclose(copy(images, labels), before, atol=1e-5)
    assert not [name for name, _ in copy.named_buffers() if name.endswith("spectral.u")]
    assert torch.equal(D(images, labels), before)


def test_portable_copy_in_float16_keeps_the_interface():
    gan = tiny_gan()
    image, image_float = ImageGenerator(gan, dtype="float16")(noise(2, 4), torch.tensor([1, 2]))
    assert (image.dtype, image_float.dtype) == (torch.uint8, torch.float32)


def test_check_images_refuses_a_model_of_points():
    gan = tiny_gan()
    gan.G.shape = dataclasses.replace(gan.shape, scaling=Coordinates(centre=(0.0,), scale=1.0))
    with pytest.raises(ConfigError, match="draws points"):
        check_images(gan)
