"""Train: from the recipe to a picture, and through every control, as a person would."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def number(page: Page, id: str) -> int:
    """The whole number that a figure shows."""
    return int(page.locator(id).inner_text().replace(",", ""))


def start(page: Page) -> None:
    """Begin a training that lasts, on digits that come with the installation."""
    page.locator("#preset").select_option("quick")
    page.locator("#more summary").click()
    page.locator("#field-data-name").select_option("digits")
    page.locator("#field-training-batch_size").fill("16")
    page.get_by_role("button", name="Start").click()


def test_train_to_a_picture_pause_step_change_a_rate_and_go_on(go: Callable[[str], Page], studio) -> None:
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
    expect(board).not_to_have_attribute("data-version", str(version))  # a step has a picture of its own

    page.locator("#g-lr").fill("0.0005")
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.locator("#interventions")).to_contain_text(f"After {seen + 16:,} images: generator 0.0005")
    known = studio.get(f"/api/runs/{run[1]}")["interventions"]
    assert [(change["cur_nimg"], change["g_lr"]) for change in known] == [(seen + 16, 0.0005)]

    page.get_by_role("button", name="Go on").click()
    page.wait_for_function(
        "(before) => Number(document.getElementById('steps').textContent.replaceAll(',', '')) > before", arg=before + 1
    )
    page.locator("#speed label", has_text=re.compile("^2$")).click()
    page.wait_for_function("() => Number(document.getElementById('pace').textContent.replaceAll(',', '')) < 50")

    page.reload()  # the training does not mind
    expect(page.locator("#state")).to_contain_text("Training")
    expect(page.locator("#interventions")).to_contain_text("generator 0.0005")

    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#state")).to_contain_text("Stopped")
    page.get_by_role("button", name="Go on").click()  # a stopped run is taken up again
    expect(page.locator("#state")).to_contain_text("Training")
    expect(page.get_by_role("button", name="Stop")).to_be_enabled()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#state")).to_contain_text("Stopped")


def test_what_cannot_be_is_said_and_nothing_starts(go: Callable[[str], Page], studio) -> None:
    page = go("/train?new")
    runs = studio.get("/api/runs")
    page.get_by_label("Learning rate of G", exact=True).fill("fast")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#toast")).to_contain_text("must be a number")
    expect(page.get_by_label("Learning rate of G", exact=True)).to_be_focused()
    assert studio.get("/api/runs") == runs


def test_the_gallery_says_where_to_look_and_what_helps(go: Callable[[str], Page], studio) -> None:
    failures = [preset for preset in studio.get("/api/presets")["presets"] if preset["kind"] == "failure"]
    cards = go("/train?new").locator("#gallery li")
    expect(cards).to_have_count(len(failures))
    for failure, card in zip(failures, cards.all(), strict=True):
        expect(card).to_contain_text(failure["look_at"])
        expect(card).to_contain_text(failure["cure"])
        expect(card.get_by_role("button", name="Let it fail")).to_be_enabled()


@pytest.mark.mnist
def test_a_failure_is_one_click_away(go: Callable[[str], Page], mnist_dir: Path) -> None:
    page = go("/train?new")
    page.locator("#gallery li").first.get_by_role("button", name="Let it fail").click()
    expect(page).to_have_url(re.compile("run=collapse"))
    expect(page.locator("#state")).to_contain_text("Training")
    expect(page.locator("#gallery button").first).to_be_disabled()  # one at a time
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#state")).to_contain_text("Stopped")
    expect(page.locator("#gallery button").first).to_be_enabled()
