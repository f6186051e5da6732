from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_gan.data import ImageStream, to_float
from mnist_gan.scaling import scaling_of


def numbered_images(n: int, channels: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Images where image i is filled with i and labelled 1000 + i."""
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, channels, 2, 2)
    return images, torch.arange(1000, 1000 + n)


def stream_of(n: int, *, batch_size: int, seed: int = 0, channels: int = 1) -> ImageStream:
    images, labels = numbered_images(n, channels)
    return ImageStream(images, labels, batch_size=batch_size, seed=seed, device="cpu", real_range=(0, 255))


def rows(batch: tuple[torch.Tensor, torch.Tensor]) -> list[int]:
    """Indices of a batch's images, after a check of their labels."""
    images, labels = batch
    assert images.dtype == torch.float32
    assert torch.equal(images.amin((1, 2, 3)), images.amax((1, 2, 3)))
    numbers = images[:, 0, 0, 0].round().long()
    assert torch.equal(labels, numbers + 1000)
    return numbers.tolist()


@given(n=st.integers(1, 40), batch_size=st.integers(1, 100), seed=st.integers(0, 2**63 - 1))
def test_stream_has_every_image_once_per_epoch_in_a_new_order(n: int, batch_size: int, seed: int) -> None:
    stream = stream_of(n, batch_size=batch_size, seed=seed)
    epochs = 3
    batches = -(-n * epochs // batch_size)
    sequence = [row for i in range(batches) for row in rows(stream.batch(i * batch_size))]
    for epoch in range(epochs):
        assert sorted(sequence[epoch * n : (epoch + 1) * n]) == list(range(n))
    if n > 20:
        assert sequence[:n] != sequence[n : 2 * n] != sequence[2 * n : 3 * n]


@given(data=st.data(), n=st.integers(1, 30), batch_size=st.integers(1, 70))
@settings(max_examples=50)
def test_stream_batch_does_not_depend_on_earlier_batches(data: st.DataObject, n: int, batch_size: int) -> None:
    places = data.draw(st.lists(st.integers(0, 200), min_size=1, max_size=8))
    used = stream_of(n, batch_size=batch_size)
    for place in places:
        fresh = stream_of(n, batch_size=batch_size)
        assert rows(used.batch(place)) == rows(fresh.batch(place))


@given(place=st.integers(0, 500), n=st.integers(1, 30), sizes=st.tuples(st.integers(1, 70), st.integers(1, 70)))
@settings(max_examples=50)
def test_stream_sequence_does_not_depend_on_the_batch_size(place: int, n: int, sizes: tuple[int, int]) -> None:
    first, second = (rows(stream_of(n, batch_size=size).batch(place)) for size in sizes)
    shared = min(sizes)
    assert first[:shared] == second[:shared]


def test_stream_order_is_fixed_by_the_seed() -> None:
    assert rows(stream_of(50, batch_size=50, seed=1).batch(0)) == rows(stream_of(50, batch_size=50, seed=1).batch(0))
    assert rows(stream_of(50, batch_size=50, seed=1).batch(0)) != rows(stream_of(50, batch_size=50, seed=2).batch(0))


def test_stream_memory_does_not_grow_with_the_epochs() -> None:
    stream = stream_of(10, batch_size=7)
    for i in range(100):
        stream.batch(7 * i)
        assert len(stream._orders) <= 2


@pytest.mark.parametrize("channels", [1, 3])
def test_stream_batches_have_the_images_shape_and_the_given_range(channels: int) -> None:
    images = torch.randint(0, 256, (20, channels, 5, 5), dtype=torch.uint8)
    stream = ImageStream(images, torch.arange(20), batch_size=8, seed=0, device="cpu")
    batch, labels = stream.batch(16)
    assert batch.shape == (8, channels, 5, 5)
    assert torch.equal(batch, to_float(images[labels]))
    assert batch.min() >= -1
    assert batch.max() <= 1


def test_stream_batch_is_a_copy() -> None:
    stream = stream_of(4, batch_size=4)
    before = rows(stream.batch(0))
    stream.batch(0)[0].zero_()
    assert rows(stream.batch(0)) == before


def test_stream_refuses_invalid_arguments() -> None:
    images, labels = numbered_images(3)
    with pytest.raises(ValueError, match="batch_size is 0"):
        ImageStream(images, labels, batch_size=0, seed=0, device="cpu")
    with pytest.raises(ValueError, match="at least one"):
        ImageStream(images[:0], labels[:0], batch_size=1, seed=0, device="cpu")
    with pytest.raises(ValueError, match="cur_nimg is -1"):
        ImageStream(images, labels, batch_size=1, seed=0, device="cpu").batch(-1)


def test_stream_scales_points_to_the_networks_range() -> None:
    points = torch.randn(30, 2, 1, 1, generator=torch.Generator().manual_seed(0)) * 100
    batch, labels = ImageStream(points, torch.arange(30), batch_size=30, seed=0, device="cpu").batch(0)
    assert torch.equal(batch, scaling_of(points).to_network(points)[labels])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_stream_order_is_the_same_on_every_device() -> None:
    images, labels = numbered_images(100)
    on_gpu = ImageStream(images, labels, batch_size=250, seed=3, device="cuda", real_range=(0, 255))
    on_cpu = ImageStream(images, labels, batch_size=250, seed=3, device="cpu", real_range=(0, 255))
    assert on_gpu.batch(70)[0].is_cuda
    assert torch.equal(on_gpu.batch(70)[1].cpu(), on_cpu.batch(70)[1])
