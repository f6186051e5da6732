import io
import json

import pytest

from mnist_gan.cli.tables import UNBOUNDED, output_width, print_json, print_table

HEADERS = ("state", "what", "finding")
ROWS = [["ok", "Python", "3.11"], ["warn", "threads", "1 of 2 cores; for speed, unset OMP_NUM_THREADS"]]


def printed(monkeypatch: pytest.MonkeyPatch, width: int | None, rows: list[list[str]] = ROWS) -> list[str]:
    if width is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    print_table(HEADERS, rows, stream=stream)
    return stream.getvalue().splitlines()


def test_print_table_aligns_columns_on_one_line_per_row_in_a_file(monkeypatch):
    assert printed(monkeypatch, None) == [
        "state  what     finding",
        "ok     Python   3.11",
        "warn   threads  1 of 2 cores; for speed, unset OMP_NUM_THREADS",
    ]


def test_print_table_folds_the_last_column(monkeypatch):
    assert printed(monkeypatch, 44) == [
        "state  what     finding",
        "ok     Python   3.11",
        "warn   threads  1 of 2 cores; for speed,",
        "                unset OMP_NUM_THREADS",
    ]


def test_print_table_prints_blocks_in_a_narrow_terminal(monkeypatch):
    assert printed(monkeypatch, 30) == [
        "state    ok",
        "what     Python",
        "finding  3.11",
        "",
        "state    warn",
        "what     threads",
        "finding  1 of 2 cores; for",
        "         speed, unset",
        "         OMP_NUM_THREADS",
    ]


def test_print_table_omits_empty_columns_and_an_empty_table(monkeypatch):
    assert printed(monkeypatch, 80, [["ok", "", "3.11"]]) == ["state  finding", "ok     3.11"]
    assert printed(monkeypatch, 80, []) == []


def test_print_table_keeps_values_beside_a_header_wider_than_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = io.StringIO()
    print_table(("", "a-very-long-name-of-a-run"), [["state", "finished"]], stream=stream)
    assert stream.getvalue().splitlines() == [f"{'':25}  state", "a-very-long-name-of-a-run  finished"]


def test_output_width_has_a_least_width_and_no_greatest_in_a_file(monkeypatch):
    monkeypatch.setenv("COLUMNS", "2")
    assert output_width(io.StringIO()) == 20
    monkeypatch.delenv("COLUMNS")
    assert output_width(io.StringIO()) == UNBOUNDED


def test_print_json_keeps_non_ascii_characters():
    stream = io.StringIO()
    print_json({"name": "größe"}, stream=stream)
    assert "größe" in stream.getvalue()
    assert json.loads(stream.getvalue()) == {"name": "größe"}
