from __future__ import annotations

from pathlib import Path

import numpy as np
import platformdirs
import pytest
from numpy.typing import NDArray

from mnist_gan.data.idx import idx_bytes
from mnist_gan.data.mnist import MNIST_FILES, PublishedFile
from mnist_gan.storage import sha256_bytes


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No MNIST_GAN_DATA, an empty cache, and no proxy for the tests' servers."""
    monkeypatch.delenv("MNIST_GAN_DATA", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def published(idx_arrays: dict[str, NDArray[np.uint8]]) -> dict[str, PublishedFile]:
    """Sizes and digests of the made-up digits."""
    contents = {name: idx_bytes(array) for name, array in idx_arrays.items()}
    return {
        name: PublishedFile(content_bytes=len(content), download_bytes=len(content) // 4, digest=sha256_bytes(content))
        for name, content in contents.items()
    }


@pytest.fixture
def pretend_mnist(published: dict[str, PublishedFile], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the made-up digits verify as MNIST."""
    for name, file in published.items():
        monkeypatch.setitem(MNIST_FILES, name, file)
