import copy

import torch
from tests.support.networks import every_channel_count
from torch import nn

from mnist_gan.config import GeneratorConfig
from mnist_gan.models import Generator, ImageShape, build_generator, reestimate_batch_norm, update_average


def batch_norm_generator(channels: int, *, num_classes: int = 0) -> Generator:
    config = GeneratorConfig(family="dcgan", z_dim=5, channels=(6, 4), norm="batch")
    return build_generator(config, ImageShape(channels=channels, resolution=8, num_classes=num_classes), seed=0)


def statistics(norm) -> tuple[torch.Tensor, torch.Tensor]:
    return norm.running_mean, norm.running_var


def latents(n: int) -> torch.Tensor:
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(1))


def test_update_average_weights_the_old_value_by_beta():
    average, network = nn.Linear(2, 1, bias=False), nn.Linear(2, 1, bias=False)
    nn.init.eye_(average.weight)
    nn.init.constant_(network.weight, 1.0)
    update_average(average, network, beta=0.75)
    assert average.weight.tolist() == [[1.0, 0.25]]
    update_average(average, network, beta=0.75)
    assert average.weight.tolist() == [[1.0, 0.4375]]
    assert network.weight.tolist() == [[1.0, 1.0]]


@every_channel_count
def test_update_average_averages_every_weight_and_copies_buffers(channels):
    average, network = batch_norm_generator(channels), batch_norm_generator(channels)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    network(latents(8))  # moves the running statistics
    before = copy.deepcopy(average)
    update_average(average, network, beta=0.9)
    expected = [0.9 * a + 0.1 * w for a, w in zip(before.parameters(), network.parameters(), strict=True)]
    torch.testing.assert_close(list(average.parameters()), expected)
    assert all(torch.equal(a, b) for a, b in zip(average.buffers(), network.buffers(), strict=True))


def test_update_average_with_beta_zero_copies_the_network():
    average, network = batch_norm_generator(1), batch_norm_generator(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3.0)
    update_average(average, network, beta=0.0)
    assert all(torch.equal(a, b) for a, b in zip(average.parameters(), network.parameters(), strict=True))


def test_update_average_can_average_batch_norm_statistics():
    average, network = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    network.load_state_dict(network.state_dict() | {"running_mean": torch.tensor([4.0])})
    network.load_state_dict(network.state_dict() | {"num_batches_tracked": torch.tensor(7)})
    update_average(average, network, beta=0.75, average_buffers=True)
    assert average.state_dict()["running_mean"].item() == 1.0  # 0.75 * 0 + 0.25 * 4
    assert average.state_dict()["num_batches_tracked"].item() == 7  # a counter is copied


@every_channel_count
def test_reestimate_batch_norm_averages_the_statistics_of_the_batches(channels):
    G, z = batch_norm_generator(channels), latents(8)
    index = next(i for i, layer in enumerate(G.trunk) if isinstance(layer, nn.BatchNorm2d))
    before, norm = G.trunk[:index], G.trunk[index]
    statistics(norm)[0].fill_(123.0)  # must be forgotten
    reestimate_batch_norm(G, z=z, labels=None, batch_size=4)
    batches = [before(half) for half in z.split(4)]
    mean = torch.stack([maps.mean(dim=(0, 2, 3)) for maps in batches]).mean(dim=0)
    variance = torch.stack([maps.var(dim=(0, 2, 3), correction=1) for maps in batches]).mean(dim=0)
    torch.testing.assert_close(statistics(norm), (mean, variance))


@every_channel_count
def test_reestimate_batch_norm_reaches_every_layer_and_changes_no_weight(channels):
    G, z, labels = batch_norm_generator(channels, num_classes=10), latents(10), torch.arange(10)
    weights = copy.deepcopy(list(G.parameters()))
    reestimate_batch_norm(G, z=z, labels=labels)
    norms = [layer for layer in G.trunk if isinstance(layer, nn.BatchNorm2d)]
    assert all(norm.num_batches_tracked == 1 and statistics(norm)[0].any() for norm in norms)
    assert all(torch.equal(old, new) for old, new in zip(weights, G.parameters(), strict=True))


def test_reestimate_batch_norm_leaves_evaluation_mode_and_the_momentum_of_training():
    G = batch_norm_generator(1).train()
    reestimate_batch_norm(G, z=latents(4), labels=None)
    assert not any(module.training for module in G.modules())
    assert {norm.momentum for norm in G.trunk if isinstance(norm, nn.BatchNorm2d)} == {0.1}


def test_reestimate_batch_norm_without_batch_norm_only_sets_evaluation_mode():
    config = GeneratorConfig(family="dcgan", z_dim=5, channels=(6, 4), norm="none")
    G = build_generator(config, ImageShape(channels=1, resolution=8), seed=0)
    before = G.eval()(latents(2))
    reestimate_batch_norm(G.train(), z=latents(4), labels=None)
    assert not G.training
    assert torch.equal(G(latents(2)), before)
