from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from mnist_gan.artifacts.pictures import save_npz
from mnist_gan.assessment import Place, assess, open_subject, write
from mnist_gan.errors import ConfigError, StorageError
from mnist_gan.runs.evaluations import read_evaluations


class Page(HTMLParser):
    """What a page refers to, and whether its elements are closed in order."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.references: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.references += [value for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"


@pytest.fixture(scope="module")
def run(tiny_gan, make_run, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / 'a "run" <b>&', tiny_gan())


@pytest.fixture(scope="module")
def found(run, like_mnist, small, tmp_path_factory):
    return assess(
        open_subject(run.root),
        dataset=like_mnist,
        protocol=small,
        judges=("mnistnet", "mnistnet-b"),
        cache=tmp_path_factory.mktemp("cache"),
    )


@pytest.fixture(scope="module")
def page(found, run):
    files = write(found, Place.of(found.subject), command="mnist-gan evaluate it")
    assert files == [run.report, run.root / "metrics-fd200.jsonl"]
    return run.report.read_text()


def test_the_page_carries_everything_in_it(page):
    parsed = Page(page)
    assert parsed.open == []
    assert parsed.references
    assert all(reference.startswith("data:image/png;base64,") for reference in parsed.references)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(parsed.tags)
    assert parsed.handlers == []
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    assert not re.search(r"url\(|@import|https?:", style[1])
    assert not re.search(r"https?://", page)
    assert "default-src 'none'" in page


def test_the_page_shows_every_figure_with_floor_and_ceiling_and_a_sentence(page, found):
    for evaluation in found.evaluations.values():
        for name in evaluation.figures:
            assert f"<code>{name}</code>" in page
    rows = re.findall(r"<tr><td>[^<]*<code>.*?</tr>", page, re.DOTALL)
    assert rows
    for row in rows:
        assert re.search(r'class="meaning">[^<]{15,}\.', row), row
        assert row.count("<td") == 5
        assert row.count("data-label") == 3, "on a phone, a label stands before each number"


def test_the_page_has_its_pictures_and_plots(page):
    for heading in ("Samples", "Figures", "Digits", "Memorization", "Discriminator", "Training", "How this was made"):
        assert f"<h2>{heading}</h2>" in page
    assert page.count("data:image/png") >= 3, "samples, misread ones, closest pairs"
    for plot in (
        "share of each digit",
        "confusion matrix",
        "histogram of the discriminator",
        "Losses",
        "fd2k_mnistnet",
    ):
        assert plot in page
    assert 'class="note">Healthy' in page or "too early" in page.lower(), "the diagnosis of the training"


def test_the_page_fits_phones_the_dark_and_paper(page):
    assert 'name="viewport" content="width=device-width' in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_names_cannot_break_out_of_the_page(page):
    assert 'a "run"' not in page
    assert "<b>&" not in page
    assert "a &quot;run&quot; &lt;b&gt;&amp;" in page


def test_the_page_tells_no_folder_of_this_machine(page):
    assert "/a/folder/of/mine" not in page
    assert "mnist-gan evaluate it" in page


def test_rows_say_what_they_are_figures_of(found, run, page):
    rows = read_evaluations(run.root / "metrics-fd200.jsonl")
    assert [row["judge"] for row in rows] == ["mnistnet", "mnistnet-b"]
    for row in rows:
        assert row["sha256"] == found.subject.digest()
        assert row["cur_nimg"] == 1200
        assert set(row["floors"]) <= set(row)
    assert rows[0]["Metric/fd200_mnistnet"] == found.evaluations["mnistnet"].figures["fd200_mnistnet"].value


def test_writing_again_replaces_our_own_page_and_row(found, run, page):
    write(found, Place.of(found.subject), command="again")
    assert "again" in run.report.read_text()
    assert len(read_evaluations(run.root / "metrics-fd200.jsonl")) == 2


def test_a_page_of_somebody_else_is_not_overwritten(found, tmp_path):
    (tmp_path / "mine.html").write_text("<p>my notes</p>")
    with pytest.raises(ConfigError, match="no report of this system"):
        Place.of(found.subject, tmp_path / "mine.html").check()


def test_where_things_are_written(found, run, tmp_path, monkeypatch, like_mnist):
    monkeypatch.chdir(tmp_path)
    save_npz(tmp_path / "digits.npz", like_mnist.images[:2])
    images = open_subject(tmp_path / "digits.npz")
    place = Place.of(images)
    assert (str(place.report), str(place.rows("fd10k"))) == ("digits-report.html", "digits-metrics-fd10k.jsonl")
    elsewhere = Place.of(found.subject, tmp_path / "sub")
    assert elsewhere.report.parent == elsewhere.rows("fd10k").parent == tmp_path / "sub"
    named = Place.of(found.subject, tmp_path / "x.html")
    assert named.report == tmp_path / "x.html"
    assert named.rows("fd10k") == tmp_path / "x-metrics-fd10k.jsonl"
    assert Place.of(found.subject).report == run.report


def test_a_place_that_cannot_be_written_to_is_found_before_the_work(found, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        Place.of(found.subject, tmp_path / "file" / "below").check()


def test_images_alone_have_a_page_without_model_and_training(like_mnist, tmp_path):
    save_npz(tmp_path / "digits.npz", like_mnist.images[:120])
    found = assess(open_subject(tmp_path / "digits.npz"), dataset=like_mnist, cache=tmp_path / "cache")
    report, _ = write(found, Place.of(found.subject, tmp_path), command="x")
    page = report.read_text()
    Page(page)
    assert "<h2>Discriminator</h2>" not in page
    assert "<h2>Training</h2>" not in page
    assert "Digit by digit" in page
    assert "120 exact copies" in page


def test_other_data_has_a_page_without_digits(tiny_gan, other_data, small, tmp_path):
    tiny_gan(num_classes=0, loss="wasserstein").save(tmp_path / "model")
    found = assess(open_subject(tmp_path / "model"), dataset=other_data, protocol=small, cache=tmp_path / "cache")
    report, _ = write(found, Place.of(found.subject, tmp_path), command="x")
    page = report.read_text()
    assert "<h2>Digits</h2>" not in page
    assert "figures about digits are withheld" in page.lower()
