import hashlib

import torch

from mnist_gan import rng


def test_derive_seed_is_the_start_of_a_sha256():
    digest = hashlib.sha256(b"7/shuffle/3").digest()
    assert rng.derive_seed(7, "shuffle", 3) == int.from_bytes(digest[:8], "little") // 2


def test_latents_depend_on_their_own_position_only():
    whole = rng.latents(7, range(10), 32)
    assert torch.equal(rng.latents(7, [3, 9], 32), whole[[3, 9]])


def test_latents_are_standard_normal():
    z = rng.latents(0, range(4000), 16)
    assert abs(float(z.mean())) < 0.02
    assert abs(float(z.std()) - 1) < 0.02
    correlations = torch.corrcoef(z.T) - torch.eye(16)
    assert float(correlations.abs().max()) < 0.08


def test_generator_differs_by_seed_stream_and_position():
    draws = [
        torch.randn(8, generator=rng.generator(*where)).tolist()
        for where in [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1)]
    ]
    assert len({tuple(d) for d in draws}) == 4


def test_generator_repeats_its_numbers():
    first, second = (torch.randn(8, generator=rng.generator(3, "shuffle", 5)) for _ in range(2))
    assert torch.equal(first, second)
