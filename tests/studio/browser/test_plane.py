"""The Plane page: single moves, changes, drawing, keyboard, and a text of what is seen."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FAST = "width=8&training.batch_size=16"


def plane(page: Page, id_: str = "plane") -> str:
    """The picture of a canvas."""
    pixels: str = page.locator(f"#{id_}").evaluate("(canvas) => canvas.toDataURL()")
    return pixels


def test_single_steps_move_one_player(go: Callable[[str], Page]) -> None:
    page = go(f"/plane?{FAST}")
    told, moves = page.locator("#told"), page.locator("#moves")
    expect(moves).to_have_text("0 and 0")
    before = plane(page)
    page.get_by_role("button", name="Step of D", exact=True).click()
    expect(told).to_contain_text("A step of D: no generated point moved; D’s mean logit at them went from")
    expect(moves).to_have_text("1 and 0")
    after = plane(page)
    assert after != before
    page.get_by_role("button", name="Step of G", exact=True).click()
    expect(told).to_contain_text(re.compile(r"A step of G: generated points moved by [\d.]+ % of the width"))
    expect(page.locator("#spoken")).to_have_text(told.text_content() or "")
    expect(page.locator("#record li")).to_have_text(["1 step of D", "1 step of G"])


def test_game_plays_pauses_and_takes_changes_on_record(go: Callable[[str], Page]) -> None:
    page = go(f"/plane?{FAST}")
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.locator("#coverage .plot")).to_have_attribute("aria-label", re.compile("high quality"))
    page.get_by_label("Loss", exact=True).select_option("hinge")
    expect(page).to_have_url(re.compile("objective.loss=hinge"))
    expect(page.locator("#record")).to_contain_text("Loss is now hinge")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    expect(page.locator("#told")).to_contain_text(re.compile(r"After \d+ steps of D and \d+ of G"))
    field = page.get_by_label("R1 penalty", exact=True)
    field.fill("much")
    field.press("Tab")
    expect(page.locator("#toast")).to_contain_text("R1 penalty must be a number.")


def test_reset_with_the_same_seed_repeats_the_game(go: Callable[[str], Page]) -> None:
    page = go(f"/plane?{FAST}")
    first = plane(page)
    for name in ("Step", "Step"):
        page.get_by_role("button", name=name, exact=True).click()
    expect(page.locator("#moves")).to_have_text("2 and 2")
    page.get_by_role("button", name="Reset", exact=True).click()
    expect(page.locator("#moves")).to_have_text("0 and 0")
    assert plane(page) == first
    page.get_by_label("Seed", exact=True).fill("7")
    page.get_by_label("Seed", exact=True).press("Tab")
    expect(page).to_have_url(re.compile("training.seed=7"))
    page.wait_for_function("(old) => document.getElementById('plane').toDataURL() !== old", arg=first)


def test_address_has_the_settings(go: Callable[[str], Page]) -> None:
    page = go(f"/plane?data=grid25&objective.loss=wasserstein&objective.gp_lambda=10&{FAST}")
    expect(page.locator("#data")).to_have_value("grid25")
    expect(page.get_by_label("Loss", exact=True)).to_have_value("wasserstein")
    expect(page.get_by_label("Gradient penalty", exact=True)).to_have_value("10")
    expect(page.locator("#optimum-told")).to_contain_text("This loss has no best D")
    expect(page.locator("#modes-beside")).to_contain_text("of 25")


def test_plane_is_played_by_keyboard(go: Callable[[str], Page]) -> None:
    page = go(f"/plane?{FAST}")
    page.locator("#plane").focus()
    page.keyboard.press("d")
    expect(page.locator("#moves")).to_have_text("1 and 0")
    page.keyboard.press("g")
    expect(page.locator("#moves")).to_have_text("1 and 1")
    page.keyboard.press("s")
    expect(page.locator("#moves")).to_have_text("2 and 2")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.keyboard.press("r")
    expect(page.locator("#moves")).to_have_text("0 and 0")


def test_visitor_draws_the_real_points(go: Callable[[str], Page]) -> None:
    page = go(f"/plane?data=points&{FAST}")
    pad = page.locator("#sketch")
    expect(pad).to_be_visible()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_disabled()
    box = pad.bounding_box()
    assert box
    for x, y in ((0.25, 0.25), (0.75, 0.25), (0.5, 0.75)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.get_by_role("button", name="Use this drawing").click()
    expect(page.locator("#modes-beside")).to_contain_text("of 3")
    expect(page.locator("#plane")).to_be_visible()
    page.get_by_role("button", name="Step", exact=True).click()
    expect(page.locator("#moves")).to_have_text("1 and 1")


def test_play_and_picture_are_on_the_first_screen(window: Callable[[str, tuple[int, int]], Page]) -> None:
    page = window(f"/plane?{FAST}", (1280, 640))
    for part in ("#play", "#move-d", "#move-g", "#plane"):
        expect(page.locator(part)).to_be_in_viewport(ratio=0.9)
    phone = window(f"/plane?{FAST}", (390, 844))
    expect(phone.locator("#plane")).to_be_in_viewport(ratio=0.9)


def test_few_training_points_are_copied_and_counted(go: Callable[[str], Page]) -> None:
    page = go("/plane?data=two-moons&limit=12")
    expect(page.locator("#copying")).to_have_text(re.compile(r"^[\d.]+$"))
    expect(page.locator("#limit")).to_have_value("12")
    expect(page.locator("#command")).to_contain_text("--data.limit 12")
    page.locator("#more summary").click()
    page.locator("#limit").select_option("")
    expect(page).not_to_have_url(re.compile("limit="))
    expect(page.locator("#copying-figure")).to_be_hidden()
