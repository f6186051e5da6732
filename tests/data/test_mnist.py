from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from mnist_gan.data.mnist import FILE_NAMES, MIRRORS, MNIST_FILES, TRAIN_LABELS, is_mnist


def test_mirrors_use_https_and_end_in_a_slash() -> None:
    assert len(MIRRORS) == 2
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in MIRRORS)


def test_mnist_files_are_those_of_the_layout() -> None:
    assert tuple(MNIST_FILES) == FILE_NAMES


def test_is_mnist_needs_all_four_digests() -> None:
    digests = {name: file.digest for name, file in MNIST_FILES.items()}
    assert is_mnist(digests)
    assert not is_mnist(digests | {TRAIN_LABELS: "0" * 64})
    assert not is_mnist({TRAIN_LABELS: digests[TRAIN_LABELS]})


@pytest.mark.mnist
def test_mnist_files_have_the_published_sizes(mnist_dir: Path) -> None:
    for name, published in MNIST_FILES.items():
        path = next(path for path in (mnist_dir / name, mnist_dir / f"{name}.gz") if path.exists())
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert len(content) == published.content_bytes
