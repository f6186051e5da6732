import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from mnist_gan.errors import ConfigError
from mnist_gan.settings import (
    MAX_SHOWN,
    Section,
    Setting,
    build_section,
    help_texts,
    setting,
    settings_of,
    shown,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Oven(Section):
    section = "oven"
    heat: float = setting(180.0, "Heat", unit="degrees", gt=0, le=300)
    """Temperature of the
    oven."""
    trays: int = setting(1, "Trays", ge=1)
    fan: bool = False

    def _check_combinations(self) -> None:
        if self.fan and self.heat > 200:
            raise ConfigError("the fan melts; set --oven.no-fan")


def test_setting_carries_the_arguments_of_its_declaration():
    heat = settings_of(Oven)["heat"]
    assert (heat.name, heat.title, heat.unit) == ("oven.heat", "Heat", "degrees")
    assert (heat.ge, heat.gt, heat.le, heat.lt) == (None, 0, 300, None)
    assert settings_of(Oven)["fan"] == Setting(name="oven.fan", hint=bool)


@pytest.mark.parametrize("value", [0.0, -1.0, 300.1, float("inf"), float("nan")])
def test_setting_read_holds_each_bound(value):
    with pytest.raises(ConfigError, match=r"oven\.heat is .*; it must be a finite number, more than 0 and at most 300"):
        settings_of(Oven)["heat"].read(value)


def test_setting_read_accepts_closed_ends_and_refuses_open_ones():
    ends = Setting(name="x", hint=float, ge=0, lt=1)
    assert ends.read(0) == 0.0
    with pytest.raises(ConfigError, match="at least 0 and less than 1"):
        ends.read(1)


def test_setting_read_refuses_what_a_float_cannot_hold_exactly():
    with pytest.raises(ConfigError, match="a finite number"):
        Setting(name="x", hint=float).read(2**53 + 1)


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (bool, "true or false"),
        (int | None, "a whole number, or None"),
        (tuple[float, float], "a list of 2 finite numbers"),
        (tuple[int, ...], "a list of 1 to 32 whole numbers"),
        (Oven, "an instance of Oven"),
    ],
)
def test_setting_expected_describes_the_type(hint: Any, expected: str):
    assert Setting(name="x", hint=hint).expected == expected


def test_section_checks_when_made_and_when_replaced():
    oven = Oven(trays=2.0)  # type: ignore[arg-type]
    assert (oven.trays, type(oven.trays)) == (2, int)
    with pytest.raises(ConfigError, match=r"oven\.trays is 0; it must be a whole number, at least 1"):
        replace(oven, trays=0)
    with pytest.raises(ConfigError, match=r"set --oven\.no-fan"):
        replace(oven, fan=True, heat=250.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kitchen(Section):
    main: Oven = field(default_factory=Oven)
    spare: Oven | None = None


def test_build_section_builds_nested_and_optional_sections():
    assert build_section(Kitchen, {"spare": {"trays": 3}}, name="kitchen") == Kitchen(spare=Oven(trays=3))
    with pytest.raises(ConfigError, match=r"unknown field spare\.tray; the fields here are fan, heat, trays"):
        build_section(Kitchen, {"spare": {"tray": 3}}, name="kitchen")
    with pytest.raises(ConfigError, match=r"main is 4; it must be a table of fields"):
        build_section(Kitchen, {"main": 4}, name="kitchen")


def test_help_texts_are_the_strings_under_the_fields_on_one_line():
    assert help_texts(Oven) == {"heat": "Temperature of the oven."}


def test_shown_cuts_long_values():
    assert shown("a") == "'a'"
    assert len(shown("a" * 10**6)) == MAX_SHOWN + 3


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Threads change often, also while the interpreter builds the nodes of a syntax tree: its garbage collector calls
    Python code there."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    callback = lambda *_: sum(range(50))  # noqa: E731
    sys.setswitchinterval(1e-6)
    gc.set_threshold(20)
    gc.callbacks.append(callback)
    yield
    gc.callbacks.remove(callback)
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("frequent_switches")
def test_help_texts_can_be_read_by_several_threads_at_once() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(help_texts, [Oven] * 40))
    assert all(texts == found[0] for texts in found)
