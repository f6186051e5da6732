"""The Train page: from a recipe to a picture, and all controls."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.studio.browser.conftest import LAPTOP, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def bottom(page: Page, id: str) -> float:
    """Lower edge of an element in the window."""
    box = page.locator(id).bounding_box()
    assert box
    return box["y"] + box["height"]


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_train_page_has_start_and_picture_on_the_first_screen(window, size: tuple[int, int]) -> None:
    assert bottom(window("/train?new", size), "#start") < size[1]
    page = window("/train?run=first", size)
    page.wait_for_function("() => document.getElementById('board').naturalWidth > 28")
    assert bottom(page, "#board") < size[1]
    assert bottom(page, "#pause") < size[1]


@pytest.mark.parametrize("path", ["/train", "/explore", "/draw", "/runs"])
def test_page_explains_its_use(go: Callable[[str], Page], path: str) -> None:
    page = go(path)
    page.get_by_text("How to use this page").click()
    expect(page.locator(".guide li").first).to_be_visible()


def number(page: Page, id: str) -> int:
    """Integer shown by a figure."""
    return int(page.locator(id).inner_text().replace(",", ""))


def start(page: Page) -> None:
    """Start a long training on the bundled digits."""
    page.locator("#preset").select_option("quick")
    page.locator("#change > summary").click()
    page.locator("#more > summary").click()
    page.locator("#field-data-name").select_option("digits")
    page.locator("#field-training-batch_size").fill("16")
    page.get_by_role("button", name="Start").click()


def test_train_page_starts_pauses_steps_and_resumes_a_training(go: Callable[[str], Page], studio) -> None:
    page = go("/train?new")
    expect(page.locator("#pause")).to_be_hidden()
    start(page)
    expect(page.locator("#state")).to_contain_text("Training")
    board = page.locator("#board[data-version]")
    board.wait_for()
    assert page.evaluate("() => document.getElementById('board').naturalWidth") >= 280
    run = re.search(r"run=([^&]+)", page.url)
    assert run

    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#state")).to_contain_text("Paused")
    expect(page.locator("#scores .plot canvas")).to_be_visible()
    expect(page.locator("#losses .readout")).to_contain_text("generator")

    before, seen, version = number(page, "#steps"), number(page, "#images"), board.get_attribute("data-version")
    page.get_by_role("button", name="One step").click()
    expect(page.locator("#steps")).to_have_text(f"{before + 1:,}")
    assert number(page, "#images") == seen + 16
    expect(board).not_to_have_attribute("data-version", str(version))  # every step has its own picture

    page.locator("#g-lr").fill("0.0005")
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.locator("#interventions")).to_contain_text(f"After {seen + 16:,} images: generator 0.0005")
    known = studio.get(f"/api/runs/{run[1]}")["interventions"]
    assert [(change["cur_nimg"], change["g_lr"]) for change in known] == [(seen + 16, 0.0005)]

    page.get_by_role("button", name="Resume").click()
    page.wait_for_function(
        "(before) => Number(document.getElementById('steps').textContent.replaceAll(',', '')) > before", arg=before + 1
    )
    page.locator("#speed label", has_text=re.compile("^2$")).click()
    page.wait_for_function("() => Number(document.getElementById('pace').textContent.replaceAll(',', '')) < 50")

    page.reload()
    expect(page.locator("#state")).to_contain_text("Training")
    expect(page.locator("#interventions")).to_contain_text("generator 0.0005")

    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#state")).to_contain_text("Stopped")
    page.get_by_role("button", name="Resume").click()  # resumes a stopped run
    expect(page.locator("#state")).to_contain_text("Training")
    expect(page.get_by_role("button", name="Stop")).to_be_enabled()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#state")).to_contain_text("Stopped")


def test_form_refuses_text_that_is_not_a_number(go: Callable[[str], Page], studio) -> None:
    page = go("/train?new")
    runs = studio.get("/api/runs")
    page.locator("#change > summary").click()
    page.get_by_label("Learning rate of G", exact=True).fill("fast")
    page.locator("#change > summary").click()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#toast")).to_contain_text("must be a number")
    expect(page.get_by_label("Learning rate of G", exact=True)).to_be_focused()
    assert studio.get("/api/runs") == runs


def test_gallery_shows_symptom_and_cure_of_every_failure(go: Callable[[str], Page], studio) -> None:
    failures = [preset for preset in studio.get("/api/presets")["presets"] if preset["lesson"]]
    page = go("/train?new")
    page.route("**/api/train", lambda route: route.fulfill(status=201, json={"run": "first"}))
    cards = page.locator("#gallery li")
    expect(cards).to_have_count(len(failures))
    for failure, card in zip(failures, cards.all(), strict=True):
        expect(card).to_contain_text(failure["lesson"]["look_at"])
        expect(card).to_contain_text(failure["lesson"]["cure"])
        expect(card.get_by_role("button", name="Let it fail")).to_be_enabled()
        with page.expect_request("**/api/train") as started:
            card.get_by_role("button", name="Try the cure").click()
        assert started.value.post_data_json == failure["lesson"]["start"]


@pytest.mark.mnist
def test_gallery_starts_a_failure(go: Callable[[str], Page], mnist_dir: Path) -> None:
    page = go("/train?new")
    page.locator("#gallery li").first.get_by_role("button", name="Let it fail").click()
    expect(page).to_have_url(re.compile("run=collapse"))
    expect(page.locator("#state")).to_contain_text("Training")
    expect(page.locator("#gallery button").first).to_be_disabled()  # one at a time
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#state")).to_contain_text("Stopped")
    expect(page.locator("#gallery button").first).to_be_enabled()
