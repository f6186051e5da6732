"""The sources that the Theory page shows, and the address of the files that it mentions."""

from __future__ import annotations

import pytest
from tests.studio.conftest import Running

from mnist_gan.studio.handlers.theory import files_address, named_objects


def test_source_of_every_object_of_the_page_is_shown(shared_server: Running) -> None:
    assert len(named_objects()) > 20
    for name in named_objects():
        module, _, path = name.partition(":")
        source = shared_server.get(f"/api/theory/{name}")["source"]
        assert module.startswith("mnist_gan.")
        assert not source.startswith(" ")
        assert not path or any(f"{kind} {path.rpartition('.')[2]}" in source for kind in ("def", "class"))


@pytest.mark.parametrize("name", ["os:system", "mnist_gan.storage", "mnist_gan.studio.guard:Keys", "..%2fguard.py"])
def test_source_of_another_object_is_not_shown(shared_server: Running, name: str) -> None:
    answer = shared_server.client.get(f"/api/theory/{name}")
    assert answer.status_code == 404
    assert "source" not in answer.json()


def test_files_have_the_address_of_a_release() -> None:
    release = files_address("https://example.org/x/blob/v1/docs/README.md")
    assert release == "https://example.org/x/blob/v1/"
    assert files_address("https://github.com/OWNER/mnist-gan/blob/v1/docs/README.md") is None
    assert files_address(None) is None


def test_page_asks_for_the_address_of_the_files(shared_server: Running) -> None:
    assert shared_server.get("/api/theory").keys() == {"files"}
