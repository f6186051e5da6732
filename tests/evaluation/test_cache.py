from __future__ import annotations

import torch

from mnist_gan.evaluation.cache import TensorCache, digest_of


class Counter:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"x": torch.tensor([1.0, 2.0])}


def test_what_is_kept_is_not_computed_again(tmp_path):
    compute = Counter()
    for _ in range(2):
        assert TensorCache(tmp_path, "key").get("thing", compute)["x"].tolist() == [1.0, 2.0]
    assert compute.calls == 1


def test_another_key_is_another_thing(tmp_path):
    compute = Counter()
    TensorCache(tmp_path, "one").get("thing", compute)
    TensorCache(tmp_path, "two").get("thing", compute)
    assert compute.calls == 2


def test_a_flipped_byte_means_computing_again(tmp_path):
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
    assert compute.calls == 2  # and what was computed again is whole


def test_without_a_folder_nothing_is_kept():
    compute = Counter()
    cache = TensorCache(None, "key")
    cache.get("thing", compute)
    cache.get("thing", compute)
    assert compute.calls == 2


def test_a_cache_that_cannot_be_written_costs_no_result(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert TensorCache(blocked, "key").get("thing", Counter())["x"].tolist() == [1.0, 2.0]


def test_the_digest_knows_content_shape_type_and_order():
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
