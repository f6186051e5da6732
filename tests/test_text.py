import pytest

from mnist_gan.text import format_duration, format_numbers, pluralize


@pytest.mark.parametrize(("count", "text"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (1200, "1,200 images")])
def test_pluralize_agrees_with_the_count(count: int, text: str) -> None:
    assert pluralize(count, "image") == text


def test_pluralize_takes_an_irregular_plural() -> None:
    assert (pluralize(1, "copy", "copies"), pluralize(3, "copy", "copies")) == ("1 copy", "3 copies")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (290, "4 min 50 s"),
        (3599.9, "1 h 00 min"),
        (8040, "2 h 14 min"),
    ],
)
def test_format_duration_takes_two_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([4], "4"), ([0, 1], "0, 1"), ([0, 3, 4, 5, 255], "0, 3 to 5, 255")]
)
def test_format_numbers_joins_runs(numbers: list[int], text: str) -> None:
    assert format_numbers(numbers) == text
