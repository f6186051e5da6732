import math

import pytest

from mnist_gan.figures import FIGURES, figure_info, figure_kind, format_number


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Metric/fd10k_mnistnet", "fd"),
        ("fd10k_mnistnet_b", "fd"),
        ("fdinf1234_mnistnet", "fdinf"),
        ("precision500_mnistnet", "precision"),
        ("Metric/smallest_share", "smallest_share"),
        ("Metric/share/3", "share"),
        ("memorization_pixels", "memorization_pixels"),
        ("gan_train", "gan_train"),
        ("Loss/G/loss", "Loss/G/loss"),
        ("unknown_thing", "unknown_thing"),
    ],
)
def test_figure_kind_drops_prefix_protocol_judge_and_digit(name: str, kind: str):
    assert figure_kind(name) == kind


def test_figure_info_is_none_for_an_unknown_name():
    assert figure_info("Metric/unknown_thing") is None
    info = figure_info("Metric/fd2k_mnistnet")
    assert info is FIGURES["fd"]
    assert info.better == "lower"


@pytest.mark.parametrize("name", FIGURES)
def test_figures_have_titles_with_a_capital_and_meanings_without_a_full_stop(name: str):
    info = FIGURES[name]
    assert info.title[0].isupper()
    assert info.meaning
    assert not info.meaning.endswith(".")
    assert not (info.percent and info.unit), "a percentage has no other unit"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
        (3.0, "3"),
        (12345.0, "12,345"),
        (0.118234, "0.118"),
        (12.3456, "12.3"),
        (1234.56, "1,235"),
        (-0.00000001, "0"),
        (0.00123, "0.00123"),
    ],
)
def test_format_number_keeps_three_significant_digits(value: float | None, text: str):
    assert format_number(value) == text


def test_format_number_keeps_as_many_digits_as_asked():
    assert format_number(0.118234, digits=2) == "0.12"
