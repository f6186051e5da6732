"""The pages and assets over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.studio.conftest import Running

from mnist_gan.figures import FIGURES
from mnist_gan.studio.assets import load_assets


def test_root_redirects_to_the_train_page(shared_server: Running):
    answer = shared_server.client.get("/", params={"run": "tiny"})
    assert (answer.status_code, answer.headers["location"]) == (307, "/train?run=tiny")


@pytest.mark.parametrize("page", ["train", "explore", "draw", "runs", "theory"])
def test_pages_contain_the_token(shared_server: Running, page):
    answer = shared_server.client.get(f"/{page}")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f'name="studio-token" content="{shared_server.token}"' in answer.text
    assert "{{" not in answer.text


def test_assets_are_served_unchanged(shared_server: Running):
    assets = {path: asset for path, asset in load_assets().items() if not path.endswith(".html")}
    assert {Path(path).suffix for path in assets} >= {".js", ".css", ".svg", ".png"}
    for path, asset in assets.items():
        answer = shared_server.client.get(f"/assets/{path}")
        assert answer.content == asset.content
        assert answer.headers["content-type"] == asset.media_type
        assert answer.headers["cache-control"] == "no-cache"


def test_assets_are_not_sent_again_to_a_client_that_has_them(shared_server: Running):
    path = next(iter(path for path in load_assets() if path.endswith(".js")))
    etag = shared_server.client.get(f"/assets/{path}").headers["etag"]
    answer = shared_server.client.get(f"/assets/{path}", headers={"if-none-match": etag})
    assert (answer.status_code, answer.content) == (304, b"")


def test_figures_explain_the_figures_of_the_pages(shared_server: Running):
    figures = shared_server.get("/api/figures")
    assert figures["fd"] == {"title": FIGURES["fd"].title, "explanation": FIGURES["fd"].explanation}
    assert all(figure["explanation"] for figure in figures.values())
