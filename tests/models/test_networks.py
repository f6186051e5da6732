"""What holds for every family, with 1 and 3 channels, conditional and not."""

import copy
from collections import defaultdict

import pytest
import torch

from mnist_gan import presets
from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.errors import ConfigError
from mnist_gan.models import Discriminator, Generator, ImageShape, build_discriminator, build_generator
from mnist_gan.models.layers import ResidualBlock

G_CONFIGS = [
    GeneratorConfig(family="mlp", z_dim=7, channels=(24, 16), norm="none"),
    GeneratorConfig(family="mlp", z_dim=7, channels=(24, 16), norm="batch"),
    GeneratorConfig(family="dcgan", z_dim=7, channels=(12, 8, 6), norm="none"),
    GeneratorConfig(family="dcgan", z_dim=7, channels=(12, 8, 6), norm="batch"),
    GeneratorConfig(family="resnet", z_dim=7, channels=(12, 8, 6), norm="none"),
    GeneratorConfig(family="dcgan", z_dim=7, channels=(12, 8), norm="batch", image_stride=2),
]
D_CONFIGS = [
    DiscriminatorConfig(family="mlp", channels=(16, 8), norm="none"),
    DiscriminatorConfig(family="mlp", channels=(16, 8), norm="batch"),
    DiscriminatorConfig(family="mlp", channels=(16, 8), norm="spectral"),
    DiscriminatorConfig(family="dcgan", channels=(6, 8, 12), norm="none"),
    DiscriminatorConfig(family="dcgan", channels=(6, 8, 12), norm="batch"),
    DiscriminatorConfig(family="dcgan", channels=(6, 8, 12), norm="spectral"),
    DiscriminatorConfig(family="resnet", channels=(6, 8, 12), norm="none"),
    DiscriminatorConfig(family="resnet", channels=(6, 8, 12), norm="spectral"),
    DiscriminatorConfig(family="dcgan", channels=(8, 12), norm="none", image_stride=2),
]
SHAPES = [
    ImageShape(channels=channels, resolution=28, num_classes=classes) for channels in (1, 3) for classes in (0, 10)
]


def label(config) -> str:
    return f"{config.family}-{config.norm}" + ("-stride2" if config.image_stride == 2 else "")


def shape_label(shape: ImageShape) -> str:
    return f"{shape.channels}ch-{'conditional' if shape.num_classes else 'unconditional'}"


every_generator = pytest.mark.parametrize("config", G_CONFIGS, ids=label)
every_discriminator = pytest.mark.parametrize("config", D_CONFIGS, ids=label)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=shape_label)


def labels_for(shape: ImageShape, n: int) -> torch.Tensor | None:
    return torch.arange(n) % shape.num_classes if shape.num_classes else None


def noise(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def images_of(shape: ImageShape, n: int) -> torch.Tensor:
    return noise(n, shape.channels, shape.resolution, shape.resolution).tanh()


def draw(G: Generator, n: int):
    return G(noise(n, G.z_dim), labels_for(G.shape, n))


def judge(D: Discriminator, n: int):
    return D(images_of(D.shape, n), labels_for(D.shape, n))


def build(config, shape: ImageShape, *, seed: int = 0):
    """The generator or discriminator that `config` describes."""
    builder = build_generator if isinstance(config, GeneratorConfig) else build_discriminator
    return builder(config, shape, seed=seed)


def use(network, n: int):
    """Images drawn, or logits given."""
    return draw(network, n) if isinstance(network, Generator) else judge(network, n)


@every_shape
@every_generator
def test_a_generator_draws_images_in_range_that_differ(config, shape):
    images = draw(build_generator(config, shape, seed=0), 5)
    assert images.shape == (5, shape.channels, 28, 28)
    assert images.abs().max() <= 1
    assert (images[0] - images[1]).abs().max() > 0.05


@every_shape
@every_discriminator
def test_a_discriminator_gives_one_logit_an_image_and_they_differ(config, shape):
    logits = judge(build_discriminator(config, shape, seed=0), 5)
    assert logits.shape == (5,)
    assert logits.std() > 1e-4


@every_shape
@every_generator
def test_a_generator_in_use_draws_one_image_and_the_same_as_in_a_batch(config, shape):
    G = build_generator(config, shape, seed=0).eval()
    alone = G(noise(4, G.z_dim)[:1], None if shape.num_classes == 0 else torch.zeros(1, dtype=torch.int64))
    torch.testing.assert_close(alone, draw(G, 4)[:1], atol=1e-5, rtol=1e-4)


@every_shape
@every_discriminator
def test_a_discriminator_in_use_judges_one_image_and_the_same_as_in_a_batch(config, shape):
    D = build_discriminator(config, shape, seed=0).eval()
    alone = D(images_of(shape, 4)[:1], None if shape.num_classes == 0 else torch.zeros(1, dtype=torch.int64))
    torch.testing.assert_close(alone, judge(D, 4)[:1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("config", [c for c in D_CONFIGS if c.norm == "none"], ids=label)
def test_without_batch_norm_a_logit_depends_on_its_own_image_alone_while_training(config):
    D = build_discriminator(config, SHAPES[0], seed=0)
    images = images_of(SHAPES[0], 4).requires_grad_()
    D(images)[1].backward()
    assert images.grad is not None
    assert images.grad.flatten(1).any(dim=1).tolist() == [False, True, False, False]


@every_shape
@pytest.mark.parametrize("config", [*G_CONFIGS, *D_CONFIGS], ids=label)
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(config, shape):
    before = torch.get_rng_state()
    one, same, other = (build(config, shape, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before), "torch's global randomness was drawn from"
    assert one.keys() == same.keys()
    assert all(torch.equal(one[name], same[name]) for name in one)
    drawn = [name for name in one if name.endswith(("weight", "embedding")) and one[name].std() > 0]
    assert len(drawn) >= 3
    assert not any(torch.equal(one[name], other[name]) for name in drawn)


@every_shape
@every_generator
def test_every_weight_of_a_generator_learns(config, shape):
    G = build_generator(config, shape, seed=0)
    (draw(G, 8) * images_of(shape, 8)).sum().backward()
    assert_all_have_gradients(G)


@every_shape
@every_discriminator
def test_every_weight_of_a_discriminator_learns(config, shape):
    D = build_discriminator(config, shape, seed=0)
    (judge(D, 10) * noise(10)).sum().backward()
    assert_all_have_gradients(D)


def assert_all_have_gradients(network):
    # what stands before a residual branch's last convolution waits until that has moved away from zero
    waiting = {
        name
        for name, _ in network.named_parameters()
        if ".first." in name and not network.state_dict()[last_of(name)].any()
    }
    silent = {
        name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()
    }
    assert silent == waiting


def last_of(name: str) -> str:
    return name.split(".first.")[0] + ".last.weight"


@every_generator
def test_a_conditional_generator_draws_another_image_for_another_label(config):
    G = build_generator(config, ImageShape(channels=1, resolution=28, num_classes=10), seed=0).eval()
    z = noise(1, G.z_dim).expand(2, -1)
    three, eight = G(z, torch.tensor([3, 8]))
    assert (three - eight).abs().max() > 0.05


@every_generator
def test_between_two_labels_there_are_others_and_the_labels_are_the_ends(config):
    G = build_generator(config, SHAPES[1], seed=0).eval()
    z, labels = noise(2, G.z_dim), torch.tensor([3, 8])
    embedded = G.embed(labels)
    assert torch.equal(G.draw(z, embedded), G(z, labels))
    halfway = G.draw(z, embedded.mean(dim=0, keepdim=True).expand(2, -1))
    assert not torch.allclose(halfway, G(z, labels))
    with pytest.raises(ConfigError, match="unconditional"):
        build_generator(config, SHAPES[0], seed=0).embed(labels)


@every_discriminator
def test_all_labels_at_once_are_each_label_in_turn(config):
    D = build_discriminator(config, SHAPES[1], seed=0).eval()
    images = images_of(SHAPES[1], 3)
    each = torch.stack([D(images, torch.full((3,), label)) for label in range(10)], dim=1)
    torch.testing.assert_close(D.logits_by_label(images), each)
    with pytest.raises(ConfigError, match="unconditional"):
        build_discriminator(config, SHAPES[0], seed=0).logits_by_label(images)


@every_discriminator
def test_a_conditional_discriminator_judges_another_label_otherwise(config):
    shape = ImageShape(channels=1, resolution=28, num_classes=10)
    D = build_discriminator(config, shape, seed=0).eval()
    three, eight = D(images_of(shape, 1).expand(2, -1, -1, -1), torch.tensor([3, 8]))
    assert three != eight


@pytest.mark.parametrize("family", ["mlp", "dcgan", "resnet"])
def test_labels_are_required_where_networks_are_conditional_and_refused_elsewhere(family):
    for classes, labels, message in (
        (10, None, "pass a label for each image"),
        (0, torch.tensor([1]), "pass no labels"),
    ):
        shape = ImageShape(channels=1, resolution=28, num_classes=classes)
        G = build_generator(GeneratorConfig(family=family, norm="none"), shape, seed=0)
        D = build_discriminator(DiscriminatorConfig(family=family), shape, seed=0)
        with pytest.raises(ConfigError, match=f"generator.*{message}"):
            G(noise(1, G.z_dim), labels)
        with pytest.raises(ConfigError, match=f"discriminator.*{message}"):
            D(images_of(shape, 1), labels)
        with pytest.raises(ConfigError, match=f"discriminator.*{message}"):
            D.input_gradient(images_of(shape, 1), labels)


@pytest.mark.parametrize("family", ["dcgan", "resnet"])
@pytest.mark.parametrize(
    ("resolution", "widths", "stages"),
    [
        (28, (5, 4), [14, 28]),
        (28, (6, 5, 4), [7, 14, 28]),
        (32, (7, 6, 5, 4), [4, 8, 16, 32]),
        (4, (6, 5, 4), [1, 2, 4]),
    ],
)
def test_a_width_belongs_to_a_resolution(family, resolution, widths, stages):
    shape = ImageShape(channels=3, resolution=resolution)
    G = build_generator(GeneratorConfig(family=family, z_dim=4, channels=widths, norm="none"), shape, seed=0)
    D = build_discriminator(DiscriminatorConfig(family=family, channels=widths[::-1]), shape, seed=0)
    expected = dict(zip(stages, widths, strict=True))
    images = G(noise(2, 4))
    assert images.shape == (2, 3, resolution, resolution)
    assert D(images).shape == (2,)
    assert {size: first for size, (first, *_) in maps_by_resolution(G, noise(2, 4)).items()} == expected
    assert {size: last for size, (*_, last) in maps_by_resolution(D, images).items()} == expected


def test_with_a_stride_of_2_at_the_image_the_finest_maps_have_half_its_resolution():
    shape = ImageShape(channels=1, resolution=28)
    G = build_generator(GeneratorConfig(z_dim=4, channels=(6, 5), norm="none", image_stride=2), shape, seed=0)
    D = build_discriminator(DiscriminatorConfig(channels=(5, 6), image_stride=2), shape, seed=0)
    assert maps_by_resolution(G, noise(2, 4)) == {7: [6, 6], 14: [5, 5], 28: [1]}
    assert maps_by_resolution(D, images_of(shape, 2)) == {14: [5, 5], 7: [6, 6]}
    with pytest.raises(ConfigError, match=r"halved 2 times.*at most 2 widths"):
        build_generator(GeneratorConfig(channels=(6, 5, 4), image_stride=2), shape, seed=0)


def test_a_reading_is_the_fit_of_each_label_and_leaves_the_logits_alone():
    shape = ImageShape(channels=1, resolution=28, num_classes=10)
    for config in (DiscriminatorConfig(), DiscriminatorConfig(norm="spectral")):
        D = build_discriminator(config, shape, seed=0).eval()
        images, labels = images_of(shape, 4), torch.tensor([3, 1, 4, 1])
        logits, class_logits = D.score_and_classify(images, labels)
        assert torch.equal(logits, D(images, labels))
        # between two labels, a logit differs by as much as the fit does
        assert torch.allclose(class_logits.diff(dim=1), D.logits_by_label(images).diff(dim=1), atol=1e-5)
    with pytest.raises(ConfigError, match="unconditional"):
        build_discriminator(config, ImageShape(channels=1, resolution=28), seed=0).head.class_logits(torch.zeros(1, 3))


def maps_by_resolution(network, given):
    """The widths of all maps at each resolution, in the order in which they are computed."""
    found = defaultdict(list)

    def note(layer, _, out):
        if out.dim() == 4:
            found[out.shape[-1]].append(out.shape[1])

    hooks = [layer.register_forward_hook(note) for layer in network.trunk]
    network(given)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("family", ["dcgan", "resnet"])
@pytest.mark.parametrize(
    ("resolution", "widths", "fix"),
    [(28, (8, 8, 8, 8), "at most 3 widths"), (30, (8, 8, 8), "at most 2 widths"), (27, (8, 8), "family mlp")],
)
def test_an_image_that_cannot_be_halved_so_often_is_refused_with_the_fix(family, resolution, widths, fix):
    shape = ImageShape(channels=1, resolution=resolution)
    with pytest.raises(ConfigError, match=rf"generator\.channels.*{resolution}x{resolution}.*--generator\..*{fix}"):
        build_generator(GeneratorConfig(family=family, channels=widths, norm="none"), shape, seed=0)
    with pytest.raises(ConfigError, match=rf"discriminator\.channels.*--discriminator\..*{fix}"):
        build_discriminator(DiscriminatorConfig(family=family, channels=widths), shape, seed=0)


def test_an_odd_resolution_works_fully_connected():
    shape = ImageShape(channels=1, resolution=27)
    images = build_generator(GeneratorConfig(family="mlp", channels=(8,)), shape, seed=0)(noise(2, 64))
    assert build_discriminator(DiscriminatorConfig(family="mlp", channels=(8,)), shape, seed=0)(images).shape == (2,)


def test_a_shape_that_no_image_has_is_refused():
    with pytest.raises(ConfigError, match="channels and resolution must be at least 1"):
        ImageShape(channels=0, resolution=28)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_builds(name):
    config = presets.get(name)
    shape = ImageShape(channels=1, resolution=28, num_classes=10 if config.training.conditional else 0)
    G, D = build_generator(config.generator, shape, seed=0), build_discriminator(config.discriminator, shape, seed=0)
    assert D(draw(G, 2), labels_for(shape, 2)).shape == (2,)


@pytest.mark.parametrize("config", [c for c in D_CONFIGS if c.norm == "none"], ids=label)
def test_fresh_weights_neither_swell_nor_fade_the_signal(config):
    shape = SHAPES[0]
    wide = DiscriminatorConfig(family=config.family, channels=(256,) * len(config.channels))
    D = build_discriminator(wide, shape, seed=0)
    # coarse patterns, since a mean over 2x2 pixels is meant to take away what varies between them
    images = noise(8, 1, 7, 7).tanh().repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    features = D.trunk(images)
    assert 0.3 < features.square().mean() / images.square().mean() < 3


@pytest.mark.parametrize("config", [c for c in G_CONFIGS if c.norm == "none"], ids=label)
def test_a_fresh_generator_is_not_saturated(config):
    wide = GeneratorConfig(family=config.family, channels=(256,) * len(config.channels), norm="none")
    images = draw(build_generator(wide, SHAPES[0], seed=0), 8)
    assert 0.3 < images.std() < 0.8


@pytest.mark.parametrize("config", [G_CONFIGS[4], D_CONFIGS[6]], ids=["generator", "discriminator"])
def test_residual_branches_begin_as_zero(config):
    blocks = [layer for layer in build(config, SHAPES[0]).trunk if isinstance(layer, ResidualBlock)]
    assert len(blocks) == 3
    for block in blocks:
        x = noise(1, block.first.weight.shape[0], 4, 4)
        assert torch.equal(block(x), x)


@pytest.mark.parametrize("config", [G_CONFIGS[1], G_CONFIGS[3], D_CONFIGS[1], D_CONFIGS[4]], ids=label)
def test_batch_norm_has_the_usual_epsilon_and_keeps_its_statistics_in_buffers(config):
    network = build(config, SHAPES[0])
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert {norm.eps for norm in norms} == {1e-5}
    assert sum("running_mean" in name for name, _ in network.named_buffers()) == len(norms)


@pytest.mark.parametrize("config", [*G_CONFIGS, *D_CONFIGS], ids=label)
def test_saved_and_loaded_and_copied_a_network_is_the_same(config):
    network = build(config, SHAPES[3])
    use(network, 6)  # moves whatever state a forward pass moves
    loaded = build(config, SHAPES[3], seed=1)
    loaded.load_state_dict(network.state_dict())
    copied = copy.deepcopy(network)
    expected = use(network, 6)
    assert torch.equal(use(loaded, 6), expected)
    assert torch.equal(use(copied, 6), expected)


@pytest.mark.parametrize("config", [*G_CONFIGS, *D_CONFIGS], ids=label)
def test_channels_last_draws_and_judges_the_same(config):
    network = build(config, SHAPES[3]).eval()
    expected = use(network, 3)
    torch.testing.assert_close(use(network.to(memory_format=torch.channels_last), 3), expected, atol=1e-5, rtol=1e-4)
