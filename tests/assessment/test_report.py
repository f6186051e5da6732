from __future__ import annotations

import re
from html.parser import HTMLParser

from mnist_gan.artifacts.pictures import save_npz
from mnist_gan.assessment import OutputPaths, assess, open_subject, write


class Page(HTMLParser):
    """References and tags of a page; asserts that elements are closed in order."""

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


def test_report_is_self_contained(page):
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


def test_report_shows_every_figure_with_floor_ceiling_and_meaning(page, found):
    for evaluation in found.evaluations.values():
        for name in evaluation.figures:
            assert f"<code>{name}</code>" in page
    rows = re.findall(r"<tr><td>[^<]*<code>.*?</tr>", page, re.DOTALL)
    assert rows
    for row in rows:
        assert re.search(r'class="meaning">[^<]{15,}\.', row), row
        assert row.count("<td") == 6
        assert row.count("data-label") == 4, "on a phone, a label stands before each number"


def test_report_leads_with_the_distance_of_a_perfect_sampler(page):
    assert "fd200_mnistnet, the Frechet distance to real images: a perfect sampler of the training set has " in page


def test_report_has_pictures_and_plots(page):
    for heading in (
        "Samples",
        "Figures",
        "Digits",
        "Form",
        "Memorization",
        "Discriminator",
        "Training",
        "How this report was made",
    ):
        assert f"<h2>{heading}" in page
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


def test_report_has_styles_for_phone_dark_and_print(page):
    assert 'name="viewport" content="width=device-width' in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_report_escapes_names(page):
    assert 'a "run"' not in page
    assert "<b>&" not in page
    assert "a &#34;run&#34; &lt;b&gt;&amp;" in page


def test_report_holds_no_path_of_the_data(page):
    assert "/a/folder/of/mine" not in page
    assert "mnist-gan evaluate it" in page


def test_report_of_images_has_no_model_and_no_training(like_mnist, tmp_path):
    save_npz(tmp_path / "digits.npz", like_mnist.images[:120])
    found = assess(open_subject(tmp_path / "digits.npz"), dataset=like_mnist, cache=tmp_path / "cache")
    report, _ = write(found, OutputPaths.of(found.subject, tmp_path), command="x")
    page = report.read_text()
    Page(page)
    assert "<h2>Discriminator</h2>" not in page
    assert "<h2>Training</h2>" not in page
    assert "Digit by digit" in page
    assert "120 exact copies" in page


def test_report_of_other_data_has_no_digits(tiny_gan, other_data, small, tmp_path):
    tiny_gan(num_classes=0, loss="wasserstein").save(tmp_path / "model")
    found = assess(open_subject(tmp_path / "model"), dataset=other_data, protocol=small, cache=tmp_path / "cache")
    report, _ = write(found, OutputPaths.of(found.subject, tmp_path), command="x")
    page = report.read_text()
    assert "<h2>Digits</h2>" not in page
    assert "figures about classes are withheld" in page.lower()
