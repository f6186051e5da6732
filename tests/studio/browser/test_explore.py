"""The Explore page: the picture follows the controls, and the address contains all state."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PIXELS = """async (id) => {
  const image = document.getElementById(id);
  await image.decode();
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return [...context.getImageData(0, 0, canvas.width, canvas.height).data].filter((_, i) => i % 4 === 0);
}"""


def settled(page: Page) -> list[int]:
    """Pixels of the picture, once it is that of the address."""
    page.wait_for_function(
        """() => {
          const shown = document.getElementById("picture").dataset.view;
          if (!shown) return false;
          const usual = { seed: "0", psi: "1", t: "0" };
          const [asked, drawn] = [new URLSearchParams(location.search), new URLSearchParams(shown)];
          const value = (place, key) => place.get(key) ?? usual[key] ?? "";
          const keys = ["digit", "seed", "at", "psi", "d", "mix", "t", "z"];
          return keys.every((key) => value(asked, key) === value(drawn, key));
        }"""
    )
    return list(page.evaluate(PIXELS, "picture"))


def move(page: Page, slider: str, value: float) -> None:
    """Move a slider to a value."""
    page.locator(slider).evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true })); }", value
    )


def test_address_gives_the_same_picture(go: Callable[[str], Page], context: BrowserContext) -> None:
    page = go("/explore?model=shipped")
    start = settled(page)
    assert max(start) > 128, "the picture is black"

    page.locator("#digits label", has_text="7").click()
    page.locator("#seed").fill("42")
    page.locator("#seed").press("Enter")
    page.locator("#slider-0").wait_for()
    move(page, "#slider-0", 2)
    move(page, "#slider-1", -1.5)
    move(page, "#psi", 0.8)
    page.wait_for_function("location.search.includes('psi=0.8')")  # the address follows with a delay
    mine = settled(page)
    assert mine != start
    asked = dict(part.split("=") for part in page.url.partition("?")[2].split("&"))
    assert asked == {"model": "shipped", "digit": "7", "seed": "42", "psi": "0.8", "d": "2,-1.5"}

    friend = context.new_page()
    friend.goto(page.url)
    assert settled(friend) == mine
    friend.locator("#slider-1").wait_for()
    expect(friend.locator("#slider-1")).to_have_value("-1.5")
    expect(friend.locator("#psi")).to_have_value("0.8")
    expect(friend.locator("#digits input:checked")).to_have_value("7")
    expect(friend.locator("#read")).to_have_text(re.compile(r"^\d$"))
    expect(friend.locator("#probability")).to_have_text(re.compile(r"%"))


def test_explore_page_starts_with_the_newest_run(go: Callable[[str], Page], studio: Any) -> None:
    newest = studio.get("/api/models")["models"][1]["id"]
    page = go("/explore")
    expect(page.locator("#model")).to_have_value(newest)
    expect(page).to_have_url(re.compile(f"model={newest}"))


def test_samples_load_while_scrolling_and_can_be_chosen(go: Callable[[str], Page]) -> None:
    page = go("/explore?model=shipped&digit=3")
    tiles = page.locator("#tiles .tile")
    expect(tiles.first).to_be_visible()
    before = tiles.count()
    page.mouse.move(640, 500)
    page.locator("#more-samples").scroll_into_view_if_needed()
    page.wait_for_function("(before) => document.querySelectorAll('.tile').length > before", arg=before)
    tiles.nth(13).click()
    expect(page).to_have_url(re.compile(r"index=13"))
    assert settled(page)
    expect(page.locator("#index")).to_have_value("13")


def test_tabs_show_paths_blends_and_snapshots(go: Callable[[str], Page]) -> None:
    page = go("/explore?model=first")
    page.get_by_role("tab", name="A path").click()
    page.wait_for_function("() => document.getElementById('path').naturalWidth > 9 * 28")
    page.get_by_role("tab", name="Two digits").click()
    page.locator("#mixes label", has_text="8").click()
    page.wait_for_function("() => document.getElementById('mixed').naturalWidth > 9 * 28")
    move(page, "#t", 1)
    wholly = settled(page)
    move(page, "#t", 0)
    assert settled(page) != wholly
    page.get_by_role("tab", name="Through training").click()
    page.wait_for_function("() => document.getElementById('timelapse').naturalWidth > 28")
    move(page, "#snapshot", 0)
    expect(page).to_have_url(re.compile(r"at=\d+.*tab=timelapse"))
    page.reload()
    expect(page.get_by_role("tab", name="Through training")).to_have_attribute("aria-selected", "true")


def test_sliders_without_a_meaning_are_behind_the_others(go: Callable[[str], Page]) -> None:
    page = go("/explore?model=shipped")
    page.locator("#slider-0").wait_for()
    unclear = re.compile(r"\(\d\)|direction \d")
    assert not [name for name in page.locator("#sliders .term").all_inner_texts() if unclear.search(name)]
    others = page.locator("#other-sliders .term")
    expect(others.first).to_be_hidden()
    page.get_by_text("More directions").click()
    assert all(unclear.search(name) for name in others.all_inner_texts())
    go(f"/explore?model=shipped&d={'0,' * 11}1")
    expect(page.locator("#slider-11")).to_be_visible()  # a link shows what it sets


def test_blend_is_named_and_ended_outside_its_tab(go: Callable[[str], Page]) -> None:
    page = go("/explore?model=shipped&digit=3&mix=8&t=0.5&tab=samples")
    expect(page.locator("#mix-words")).to_have_text("Every picture is blended with an 8: 50 %.")
    expect(page.locator("#save-mix-png")).to_have_attribute("href", re.compile("mix=8"))
    page.get_by_role("button", name="Stop blending").click()
    expect(page.locator("#mix-note")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("mix="))
    page.get_by_role("tab", name="Two digits").click()
    expect(page.locator("#save-mix-png")).not_to_have_attribute("href", re.compile(""))
    expect(page.locator("#save-mix-png")).to_have_attribute("aria-disabled", "true")


def test_model_without_labels_says_that_it_blends_no_digits(go: Callable[[str], Page], page: Page) -> None:
    def unconditional(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"conditional": False, "num_classes": 0})

    page.route("**/api/models/shipped", unconditional)
    go("/explore?model=shipped&tab=mix")
    expect(page.locator("#no-mix")).to_contain_text("without labels")
    expect(page.locator("#t")).to_be_hidden()
    expect(page.locator("#save-mix-gif")).to_be_hidden()


def test_samples_fill_a_tall_window_and_the_chosen_one_comes_into_view(window) -> None:
    page = window("/explore?model=shipped", (1280, 2200))
    page.wait_for_function("() => document.getElementById('more-samples').getBoundingClientRect().top > innerHeight")
    page.set_viewport_size({"width": 1280, "height": 640})
    page.locator(".tile").nth(70).click()
    expect(page.locator("#index")).to_have_value("70")
    expect(page.locator("#picture")).to_be_in_viewport(ratio=0.99)


def test_pictures_can_be_downloaded(go: Callable[[str], Page]) -> None:
    page = go("/explore?model=shipped&digit=5&seed=9")
    page.get_by_role("tab", name="A path").click()
    for link, ending in (("#save-png", ".png"), ("#save-npz", ".npz"), ("#save-path-gif", ".gif")):
        with page.expect_download() as download:
            page.locator(link).click()
        assert download.value.suggested_filename.endswith(ending)
        assert download.value.path().stat().st_size > 100


def test_link_to_a_number_inside_leads_to_it(go: Callable[[str], Page]) -> None:
    page = go("/explore?model=shipped&digit=7&tab=inside&unit=D:head:0")
    expect(page.locator(".inside-unit table")).to_be_visible()
    expect(page.locator(".inside-open")).to_be_in_viewport(ratio=0.3)


def test_inside_opens_a_channel_and_a_number_by_mouse_and_keyboard(go: Callable[[str], Page]) -> None:
    page = go("/explore?model=shipped&digit=7&seed=5&tab=inside")
    layers = page.locator(".inside > li")
    expect(layers).to_have_count(12 + 6)
    expect(layers.nth(4)).to_contain_text("48 maps of 14x14, the first 16 shown")
    maps = layers.nth(4).locator(".map")
    maps.first.click()
    unit = page.locator(".inside-unit")
    expect(unit).to_contain_text("Row 7, column 7 of map 0")
    expect(page.locator(".inside-strongest canvas")).to_have_count(8)
    maps.first.press("ArrowRight")
    maps.nth(1).press("Enter")
    expect(unit).to_contain_text("Row 7, column 7 of map 1")
    expect(maps.nth(1)).to_have_attribute("aria-pressed", "true")
    page.locator("[role=application]").press("ArrowDown")
    expect(unit).to_contain_text("Row 8, column 7 of map 1")
    expect(page).to_have_url(re.compile(r"unit=G%3Atrunk\.4%3A1%3A8%3A7"))
    expect(unit.locator("canvas[aria-label^=Weights]").first).to_be_visible()
    page.get_by_role("button", name="All maps").click()
    expect(maps).to_have_count(48)
    expect(page.locator(".inside-unit")).to_contain_text("Row 8, column 7 of map 1")
    page.get_by_role("button", name="Numbers of head").click()
    expect(page.locator(".inside-unit")).to_contain_text("logit = b +")
    page.reload()
    expect(page.locator(".inside-unit")).to_contain_text("Number 0")


LATE_SHEETS = """async (module) => {
  const { SampleWall } = await import(module);
  const [root, button] = [document.createElement("div"), document.createElement("button")];
  document.body.append(root, button);
  const waiting = [];
  const sheet = (values) => new Promise((done) => waiting.push({ ...values, done: () => done(new Blob([])) }));
  const wall = new SampleWall(root, button, { sheet, choose: () => {} });
  button.hidden = true; // the wall grows only when told
  const arrive = async (...names) => {
    for (const name of names) {
      const [sheet] = waiting.splice(waiting.findIndex(({ view, first }) => `${view}${first}` === name), 1);
      sheet.done();
      await new Promise((done) => setTimeout(done));
    }
  };
  wall.show({ view: "a" });
  await arrive("a0");
  for (const name of ["a40", "a80", "a120"]) {
    wall.grow();
    await arrive(name);
  }
  wall.show({ view: "b" }); // keeps three sheets
  wall.grow(); // asks for a fifth
  await arrive("b0", "b40", "b80", "b160");
  return wall.tiles.filter(Boolean).length === wall.tiles.length && wall.tiles.length;
}"""


def test_wall_of_samples_has_no_gap_after_sheets_that_come_late(go: Callable[[str], Page]) -> None:
    assert go("/explore?model=shipped").evaluate(LATE_SHEETS, "/assets/js/wall.js") == 120
