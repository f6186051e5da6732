import pytest
import torch
from tests.support.gans import tiny_gan

from mnist_gan.errors import ArtifactError
from mnist_gan.exports.comparison import compare
from mnist_gan.exports.networks import ImageGenerator, ImageScorer


def networks(gan, *, brighter=0, surer=0.0):
    """Both networks, with an error added to images and probabilities."""

    def generator(inputs):
        image, _ = ImageGenerator(gan)(torch.from_numpy(inputs["z"]), torch.from_numpy(inputs["label"]))
        return {"image": (image + brighter).numpy()}

    def discriminator(inputs):
        _, probability = ImageScorer(gan)(torch.from_numpy(inputs["image"]), torch.from_numpy(inputs["label"]))
        return {"probability": (probability + surer).detach().numpy()}

    return generator, discriminator


def test_comparison_of_equal_networks_finds_no_difference():
    gan = tiny_gan()
    found = compare(gan, *networks(gan), seeds=20)
    assert (found.n, found.levels, found.differing) == (20, 0, 0.0)
    found.check(dtype="float32")
    assert "all pixels are equal" in found.describe()


@pytest.mark.parametrize(("error", "dtype"), [({"brighter": 2}, "float32"), ({"surer": 0.2}, "float16")])
def test_comparison_refuses_more_than_rounding(error, dtype):
    gan = tiny_gan()
    found = compare(gan, *networks(gan, **error), seeds=20)
    with pytest.raises(ArtifactError, match="the exported model is wrong and was not written"):
        found.check(dtype=dtype)


def test_comparison_uses_image_0_of_each_seed():
    gan, seen = tiny_gan(), []
    generator, discriminator = networks(gan)

    def noted(inputs):
        seen.append(inputs["z"])
        return generator(inputs)

    compare(gan, noted, discriminator, seeds=3)
    expected = torch.cat([gan.sample(1, seed=seed) for seed in range(3)])
    labels = torch.tensor([0, 1, 2])
    drawn, _ = ImageGenerator(gan)(torch.from_numpy(seen[0]), labels)
    assert torch.equal(drawn[0], expected[0])
