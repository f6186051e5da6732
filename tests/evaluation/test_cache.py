from __future__ import annotations

import torch

from mnist_gan.evaluation.cache import TensorCache, digest_of


class Counter:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"x": torch.tensor([1.0, 2.0])}


def test_tensor_cache_computes_an_entry_once(tmp_path):
    compute = Counter()
    for _ in range(2):
        assert TensorCache(tmp_path, "key").get("thing", compute)["x"].tolist() == [1.0, 2.0]
    assert compute.calls == 1


def test_tensor_cache_separates_keys(tmp_path):
    compute = Counter()
    TensorCache(tmp_path, "one").get("thing", compute)
    TensorCache(tmp_path, "two").get("thing", compute)
    assert compute.calls == 2


def test_tensor_cache_replaces_an_entry_with_a_flipped_byte(tmp_path):
    compute = Counter()
    cache = TensorCache(tmp_path, "key")
    cache.get("thing", compute)
    (file,) = tmp_path.rglob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    assert cache.get("thing", compute)["x"].tolist() == [1.0, 2.0]
    assert compute.calls == 2
    cache.get("thing", compute)
    assert compute.calls == 2  # the new entry is complete


def test_tensor_cache_without_a_folder_keeps_nothing():
    compute = Counter()
    cache = TensorCache(None, "key")
    cache.get("thing", compute)
    cache.get("thing", compute)
    assert compute.calls == 2


def test_tensor_cache_returns_the_result_when_it_cannot_write(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert TensorCache(blocked, "key").get("thing", Counter())["x"].tolist() == [1.0, 2.0]


def test_digest_of_depends_on_content_shape_dtype_and_order():
    x = torch.arange(6)
    digests = {
        digest_of(x),
        digest_of(x.view(2, 3)),
        digest_of(x.float()),
        digest_of(x + 1),
        digest_of(x, "a"),
        digest_of("a", x),
    }
    assert len(digests) == 6
    assert digest_of(x.view(2, 3).T.contiguous().T) == digest_of(x.view(2, 3))
