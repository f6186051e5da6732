"""The cache: least recently used, one version of each key."""

from __future__ import annotations

from pathlib import Path

from mnist_gan.studio.cache import Cache, file_version


def test_cache_discards_the_least_recently_used_value():
    cache: Cache[str, int] = Cache(2)
    cache.get("a", 0, lambda: 1)
    cache.get("b", 0, lambda: 2)
    assert cache.get("a", 0, lambda: 10) == 1
    cache.get("c", 0, lambda: 3)
    assert [cache.get(key, 0, lambda: 10) for key in "ac"] == [1, 3]
    assert cache.get("b", 0, lambda: 10) == 10
    assert len(cache) == 2


def test_cache_loads_a_value_again_for_another_version():
    cache: Cache[str, str] = Cache(2)
    values = [cache.get("a", 1, lambda: "old"), cache.get("a", 1, lambda: "unused"), cache.get("a", 2, lambda: "new")]
    assert values == ["old", "old", "new"]
    assert len(cache) == 1


def test_file_version_changes_with_the_content(tmp_path: Path):
    path = tmp_path / "file"
    assert file_version(path) is None
    path.write_text("a")
    first = file_version(path)
    path.write_text("ab")
    assert None is not first != file_version(path)
