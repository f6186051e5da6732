import json

import pytest

from mnist_gan import storage
from mnist_gan.cli import main


def test_runs_prints_a_table_or_json(place, capsys):
    (place / "runs" / "broken").mkdir()
    (place / "runs" / "broken" / "config.toml").write_text("nonsense")
    assert main(["runs"]) == 0
    captured = capsys.readouterr()
    rows = captured.out.splitlines()
    assert rows[0].split()[:4] == ["run", "state", "preset", "data"]
    assert any(row.split()[:5] == ["tiny", "finished", "custom", "idx", "200"] for row in rows)
    assert any(row.split()[:2] == ["broken", "damaged"] for row in rows)
    assert "config.toml is not valid TOML" in captured.err
    assert main(["runs", "--json"]) == 0
    runs = {run["name"]: run for run in json.loads(capsys.readouterr().out)}
    assert (runs["tiny"]["cur_nimg"], runs["tiny"]["total_nimg"], runs["tiny"]["has_model"]) == (200, 200, True)
    assert runs["tiny"]["latest"]["Loss/G/loss"] > 0


def test_runs_marks_a_locked_run_as_training(place, capsys):
    (place / "runs" / "tiny" / "live" / "status.json").unlink()
    with storage.exclusive_lock(place / "runs" / "tiny" / ".lock", busy=""):
        main(["runs", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["state"] == "training"


def test_runs_of_an_empty_folder_is_an_empty_list(place, capsys):
    assert main(["runs", "--runs-dir", "elsewhere"]) == 0
    assert capsys.readouterr() == ("", "there is no run in elsewhere; make one with `mnist-gan train quick`\n")
    assert main(["runs", "--runs-dir", "elsewhere", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize("width", [40, 80])
def test_runs_fits_the_terminal(place, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert any("200 (100%)" in line for line in lines)


def test_runs_refuses_a_file_as_folder(place, capsys):
    (place / "a-file").write_text("")
    assert main(["runs", "--runs-dir", "a-file"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "mnist-gan: --runs-dir a-file is not a folder\n"
    assert captured.out == ""


def test_runs_shows_notes_on_one_line(place, capsys):
    (place / "runs" / "tiny" / "note.txt").write_text("the first\n\ntry\n")
    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-1] == "note"
    assert lines[1].endswith("the first try")
    main(["runs", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["note"] == "the first\n\ntry"
