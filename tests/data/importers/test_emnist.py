from __future__ import annotations

from pathlib import Path

import pytest

from mnist_gan.data.importers.emnist import find_mapping, is_emnist, read_mapping
from mnist_gan.errors import DataError


def test_find_mapping_reads_the_file_beside_or_knows_the_letters(tmp_path: Path) -> None:
    letters = tmp_path / "emnist-letters-train.csv"
    assert find_mapping(letters)[26] == "Zz"
    assert find_mapping(tmp_path / "emnist-digits-train.csv") == {}
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65\n")
    assert find_mapping(letters) == {1: "A"}
    assert is_emnist(letters)
    assert not is_emnist(tmp_path / "train.csv")


def test_read_mapping_names_the_line_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("0 48\n1 -5\n")
    with pytest.raises(DataError, match=r"m\.txt, line 2, is not a label"):
        read_mapping(tmp_path / "m.txt")
