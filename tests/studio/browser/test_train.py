"""The Train page: from a recipe to a picture, and all controls."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from tests.studio.browser.conftest import LAPTOP, PHONE, Watch

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


def test_legend_keeps_its_colours_where_colours_are_forced(page: Page, go: Callable[[str], Page]) -> None:
    swatches = """() => [...document.querySelectorAll("#scores .legend li")]
        .map((item) => getComputedStyle(item, "::before").backgroundColor)"""
    go("/train?run=first")
    usual = page.evaluate(swatches)
    page.emulate_media(forced_colors="active")
    assert page.evaluate(swatches) == usual
    assert len({*usual}) == 2


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


RECORD_STREAMS = """
    window.streams = [];
    window.EventSource = class extends EventSource {
        constructor(address) {
            super(address);
            streams.push(this);
        }
    };
"""


def hide(page: Page, hidden: bool) -> None:
    """Make a page believe that its tab was hidden or shown."""
    page.evaluate(
        """(hidden) => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_train_page_holds_a_connection_only_while_it_is_visible(page: Page, go: Callable[[str], Page]) -> None:
    """A browser has six connections to a server, and a seventh tab would wait for ever."""
    page.add_init_script(RECORD_STREAMS)
    go("/train?run=first")
    page.wait_for_function("() => streams.length === 1 && streams[0].readyState === EventSource.OPEN")
    page.wait_for_function("() => document.getElementById('images').textContent === '600'")
    hide(page, True)
    assert page.evaluate("() => streams.map((stream) => stream.readyState)") == [2]
    hide(page, False)
    page.wait_for_function("() => streams.length === 2 && streams[1].readyState === EventSource.OPEN")
    assert page.evaluate("() => streams[1].url").endswith("events?after=600")
    page.locator("#run").select_option("second")
    page.wait_for_function("() => streams.length === 3 && streams[1].readyState === EventSource.CLOSED")


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

    before, seen = number(page, "#steps"), number(page, "#images")
    expect(board).to_have_attribute("alt", f"80 drawings after {seen:,} images")
    page.get_by_role("button", name="One step", exact=True).click()
    expect(page.locator("#steps")).to_have_text(f"{before + 1:,}")
    assert number(page, "#images") == seen + 16
    expect(board).to_have_attribute("alt", f"80 drawings after {seen + 16:,} images")  # every step has its own picture
    expect(page.locator("#step-change")).to_be_visible()
    expect(page.locator("#step-change-told")).to_contain_text(
        re.compile("D’s mean score moved: of real images from .* to .*")
    )

    picture = board.get_attribute("src")
    page.get_by_role("button", name="Step of D").click()
    expect(page.locator("#trial-told")).to_contain_text("The drawings are the same: a step of D changes only D.")
    expect(page.locator("#trial-difference")).to_be_hidden()
    expect(page.locator("#trial-told")).to_contain_text(
        re.compile("D’s mean score moved: of real images from .* to .*")
    )
    page.get_by_role("button", name="Step of G").click()
    expect(page.locator("#trial-told")).to_contain_text(
        "D is the same. Blue pixels became brighter, orange ones darker"
    )
    expect(page.locator("#trial-difference")).to_be_visible()
    expect(page.locator("#trials-told")).to_have_text("A trial: the training goes on from before it.")
    assert (number(page, "#steps"), number(page, "#images")) == (before + 1, seen + 16)
    assert board.get_attribute("src") == picture

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


def pretend(page: Page, state: str, **live: Any) -> None:
    """Answer as if the run "first" were active, with a stream of events that stays silent."""

    def answer(route: Route) -> None:
        run = route.fetch().json()
        run["status"] |= {"state": state, "active": state != "failed", "resumable": state == "failed"}
        route.fulfill(json=run | {"samples": [], "live": None} | live)

    page.route("**/api/runs/first", answer)
    page.route("**/api/runs/first/events*", lambda route: None)


def test_train_page_shows_the_age_of_the_last_update_of_a_stalled_training(go: Callable[[str], Page]) -> None:
    page = go("/runs")
    page.clock.install()
    pretend(page, "training")
    go("/train?run=first")
    expect(page.locator("#where")).to_have_text("")
    page.clock.run_for(15_000)
    expect(page.locator("#where")).to_contain_text("Last update 15 s ago")


def test_train_page_says_why_a_starting_training_has_no_drawings(go: Callable[[str], Page], page: Page) -> None:
    pretend(page, "starting")
    go("/train?run=first")
    expect(page.locator("#board-hint")).to_contain_text("Getting ready")
    expect(page.locator("#where")).to_contain_text("Loading the program and the data")


def test_failed_training_can_be_resumed(go: Callable[[str], Page], page: Page) -> None:
    pretend(page, "failed")
    go("/train?run=first")
    expect(page.get_by_role("button", name="Resume")).to_be_enabled()


def test_gallery_says_why_it_starts_nothing_while_a_training_runs(go: Callable[[str], Page], page: Page) -> None:
    pretend(page, "training")
    go("/train?run=first")
    expect(page.locator("#gallery button").first).to_be_disabled()
    expect(page.locator(".note.busy")).to_contain_text("Stop it, or wait")
    page.unroute_all()
    go("/train?run=second")
    expect(page.locator("#gallery button").first).to_be_enabled()
    expect(page.locator(".note.busy")).to_be_hidden()


def test_remedy_names_the_fields_of_the_form(go: Callable[[str], Page], page: Page) -> None:
    remedy = "set --data.real-range -1 1, --objective.loss non_saturating, or --optimizer.d-lr to --optimizer.g-lr"
    pretend(page, "training", diagnosis={"state": "collapsing", "evidence": [], "remedy": remedy})
    go("/train?run=first")
    expect(page.locator("#diagnosis-remedy")).to_have_text(
        "What to try: set “Range of real images” = -1 to 1, “Loss” = non saturating, or “Learning rate of D” to "
        "“Learning rate of G”."
    )


def test_refused_setting_is_marked_in_the_form(go: Callable[[str], Page], watch: Watch) -> None:
    page = go("/train?new")
    page.locator("#change > summary").click()
    field = page.locator("#field-objective-r1_gamma")
    field.fill("100000")
    page.locator("#change > summary").click()
    page.get_by_role("button", name="Start").click()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(page.locator("#toast")).to_contain_text("R1 penalty")
    field.fill("1")
    expect(field).not_to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#toast")).to_be_hidden()
    watch.complaints[:] = [text for text in watch.complaints if "400" not in text]  # logged by the browser


def test_command_that_is_not_answered_ends_in_a_message(go: Callable[[str], Page]) -> None:
    page = go("/runs")
    page.clock.install()
    pretend(page, "training")
    page.route("**/api/runs/first/command", lambda route: None)
    go("/train?run=first")
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(31_000)
    expect(page.locator("#toast")).to_contain_text("has not answered for 30 seconds")


def test_page_fetches_the_token_of_a_restarted_studio(go: Callable[[str], Page], watch: Watch) -> None:
    page = go("/draw")
    page.locator("meta[name=studio-token]").evaluate("(token) => { token.content = 'of the studio before'; }")
    page.locator("#templates [data-digit='7']").click()
    page.locator("#results[data-judged]").wait_for()
    expect(page.locator("#toast")).to_be_hidden()
    watch.complaints[:] = [text for text in watch.complaints if "403" not in text]  # logged by the browser


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
