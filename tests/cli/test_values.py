from pathlib import Path

import pytest

from mnist_gan.cli.values import check_png, check_runs_dir, check_seed, parse_digits
from mnist_gan.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "digits"),
    [("0123", [0, 1, 2, 3]), ("7", [7]), ("12,345", [12, 345]), ("999,", None), ("", None), ("²", None)],
)
def test_parse_digits_reads_single_digits_or_classes_with_commas(text, digits):
    if digits is None:
        with pytest.raises(ConfigError):
            parse_digits(text)
    else:
        assert parse_digits(text) == digits


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_check_seed_refuses_a_seed_out_of_range(seed):
    with pytest.raises(ConfigError, match=f"--seed is {seed}"):
        check_seed(seed)
    check_seed(2**63 - 1)


def test_check_png_accepts_no_path_and_png():
    check_png(None)
    check_png(Path("A.PNG"))
    with pytest.raises(ConfigError, match=r"--out a\.jpg must end in \.png"):
        check_png(Path("a.jpg"))


def test_check_runs_dir_refuses_a_file(tmp_path):
    check_runs_dir(tmp_path)
    check_runs_dir(tmp_path / "not-yet")
    (tmp_path / "a-file").touch()
    with pytest.raises(ConfigError, match="is not a folder"):
        check_runs_dir(tmp_path / "a-file")
