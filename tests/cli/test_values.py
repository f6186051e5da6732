from pathlib import Path

import pytest

from mnist_gan.cli.values import check_png, check_runs_dir, check_seed, parse_classes
from mnist_gan.errors import ConfigError

DIGITS = tuple("0123456789")
NUMBERS = tuple(map(str, range(1_000)))
CLOTHES = ("T-shirt/top", "Trouser", "Bag", "Bag, red")
LETTERS = tuple("ABCab")


@pytest.mark.parametrize(
    ("text", "names", "classes"),
    [
        ("0123", DIGITS, [0, 1, 2, 3]),
        ("7", DIGITS, [7]),
        ("12,345", NUMBERS, [12, 345]),
        ("12", NUMBERS, [1, 2]),
        ("999,", NUMBERS, [999]),
        ("Trouser,bag", CLOTHES, [1, 2]),
        ("T-shirt/top", CLOTHES, [0]),
        ("Bag, red", CLOTHES, [3]),
        ("2,Trouser", CLOTHES, [2, 1]),
        ("CABa", LETTERS, [2, 0, 1, 3]),
        ("c", LETTERS, [2]),
        ("10,", ("9", "10", "11"), [1]),
    ],
)
def test_parse_classes_finds_names_and_numbers(text, names, classes):
    assert parse_classes(text, names) == classes


@pytest.mark.parametrize(
    ("text", "names", "words"),
    [
        ("", DIGITS, "there is no class ''"),
        ("²", DIGITS, "there is no class '²'"),
        ("3x", DIGITS, "there is no class '3x'; did you mean 3?"),
        ("3,10", DIGITS, "there is no class '10'"),
        ("Trousers", CLOTHES, "did you mean Trouser?"),
        ("cat", NUMBERS, "9, 10, ..., 999"),
        ("Aa,Ab", ("aa", "AA"), "there is no class 'Aa'"),
    ],
)
def test_parse_classes_refuses_others(text, names, words):
    with pytest.raises(ConfigError) as caught:
        parse_classes(text, names)
    assert words in str(caught.value)


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
