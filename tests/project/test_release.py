"""Releases: metadata for a package index, notes, and the version in every file that names it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from scripts import docpages, hatch_metadata, release_notes
from scripts.docpages import ROOT

import mnist_gan

REPOSITORY = "https://example.com/group/project"
FILES = ("CHANGELOG.md", "CITATION.cff", "src/mnist_gan/__init__.py")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy of the files that name the version; the sources are those of the installed package."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(docpages.target(ROOT / "README.md", name), tmp_path / name)
    return tmp_path


def change(file: Path, before: str, after: str) -> None:
    text = file.read_text("utf-8")
    assert before in text
    file.write_text(text.replace(before, after), "utf-8")


def test_release_notes_are_the_section_of_the_version(tree: Path) -> None:
    notes = release_notes.release_notes(f"v{mnist_gan.__version__}", tree)
    assert notes
    assert "\n## " not in f"\n{notes}"


@pytest.mark.parametrize(
    ("file", "before", "after", "problem"),
    [
        ("CHANGELOG.md", f"## [{mnist_gan.__version__}] - ", "## [9.9.9] - ", "has no section"),
        ("CITATION.cff", f"version: {mnist_gan.__version__}", "version: 9.9.9", "CITATION.cff needs the lines"),
        ("src/mnist_gan/__init__.py", mnist_gan.__version__, "9.9.9", "has another version"),
    ],
)
def test_release_is_refused_if_a_file_names_another_version(
    tree: Path, file: str, before: str, after: str, problem: str
) -> None:
    change(tree / file, before, after)
    with pytest.raises(SystemExit, match=problem):
        release_notes.release_notes(f"v{mnist_gan.__version__}", tree)


def test_readme_for_a_package_index_has_absolute_links_only() -> None:
    text = hatch_metadata.absolute_links((ROOT / "README.md").read_text("utf-8"), REPOSITORY, "v1.2.3")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert targets
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    assert f"{REPOSITORY}/raw/v1.2.3/docs/images/" in text
    assert f"{REPOSITORY}/blob/v1.2.3/docs/studio.md" in text
    assert not re.search(r"<(img|a|picture|video)\b", text), "an address in HTML stays relative"


def test_links_to_other_sites_and_headings_stay() -> None:
    text = "[a](https://a.example/b) [c](#d)"
    assert hatch_metadata.absolute_links(text, REPOSITORY, "v1") == text


def test_one_variable_sets_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_GAN_REPOSITORY", REPOSITORY)
    metadata = {"version": "1.2.3"}
    hatch_metadata.CustomMetadataHook(str(ROOT), {"repository": "https://example.com/OWNER"}).update(metadata)
    assert "OWNER" not in str(metadata)
    assert REPOSITORY in str(metadata["urls"])
    assert REPOSITORY in str(metadata["readme"])
