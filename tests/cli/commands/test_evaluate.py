from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.gans import tiny_gan

from mnist_gan import config as config_module
from mnist_gan.artifacts.pictures import save_images, save_npz
from mnist_gan.cli import main
from mnist_gan.config import DataConfig
from mnist_gan.data.idx_set import write_idx_set
from mnist_gan.data.mnist import HELD_OUT_IMAGES, HELD_OUT_LABELS, MNIST_FILES, TRAIN_IMAGES, TRAIN_LABELS
from mnist_gan.evaluation import PROTOCOLS, SampleProtocol

IMAGES = (TRAIN_IMAGES, HELD_OUT_IMAGES)
LABELS = (TRAIN_LABELS, HELD_OUT_LABELS)


def save_run(root: Path) -> None:
    gan = tiny_gan(preset="tiny", data=DataConfig(name="mnist"), facts={"cur_nimg": 100})
    gan.save(root / "model")
    (root / "config.toml").write_text(config_module.to_toml(gan.config))


@pytest.fixture
def work(tmp_path, monkeypatch, idx_dir):
    """A working folder with a run, made-up digits that count as MNIST, and a protocol of a few images."""
    digests = dict.fromkeys(MNIST_FILES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setitem(PROTOCOLS, "fd10k", SampleProtocol(num_images=200, draws=2))
    monkeypatch.setattr("mnist_gan.data.dataset.is_mnist", lambda found: found.keys() == digests.keys())
    save_run(tmp_path / "runs" / "first")
    return tmp_path


def evaluate(*words: str, data: Path | None) -> int:
    return main(["evaluate", *words, *([] if data is None else ["--data", str(data)])])


def test_evaluate_writes_the_report_into_the_run(work, idx_dir, capsys):
    assert evaluate("first", data=idx_dir) == 0
    printed = capsys.readouterr()
    assert "200 images against made-up, judged by mnistnet" in printed.out
    assert "written: runs/first/report.html, runs/first/metrics-fd200.jsonl" in printed.out
    assert "evaluating the conditional model of runs/first (tiny, after 100 images)" in printed.err
    assert (work / "runs" / "first" / "report.html").is_file()


@pytest.mark.parametrize("words", [("--run", "first"), ("runs/first",), ("runs/first/model",), ()])
def test_evaluate_takes_a_run_by_name_path_or_model(work, idx_dir, capsys, words):
    assert evaluate(*words, "--json", "--out", "somewhere", data=idx_dir) == 0
    subject = json.loads(capsys.readouterr().out)["subject"]
    assert subject["path"].startswith("runs/first")
    assert subject["kind"] == ("model" if words == ("runs/first/model",) else "run")


def test_evaluate_prints_floor_and_ceiling_in_80_columns(work, idx_dir, capsys):
    assert evaluate("first", data=idx_dir) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    table = lines[lines.index(next(line for line in lines if line.startswith("figure"))) :]
    assert table[0].split() == ["figure", "value", "training", "held-out", "noise", "better"]
    distance = next(line for line in table if line.startswith("fd200_mnistnet "))
    value, held_out, noise = (float(word) for word in (distance.split()[1], *distance.split()[5:7]))
    assert held_out < value < 10 * noise


@pytest.mark.parametrize("width", [24, 40, 60])
def test_evaluate_fits_a_narrow_terminal(work, idx_dir, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert evaluate("first", "--out", "x", data=idx_dir) == 0
    lines = capsys.readouterr().out.splitlines()
    tables = lines[: next(index for index, line in enumerate(lines) if line.startswith("written"))]
    assert max(map(len, tables)) <= max(width, 30)
    assert any("noise" in line for line in tables)


def test_evaluate_json_is_the_whole_standard_output(work, idx_dir, capsys):
    assert evaluate("first", "--json", data=idx_dir) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert found["judges"]["mnistnet"]["figures"]["fd200_mnistnet"]["floor"] > 0
    assert "written: " in printed.err


def test_evaluate_takes_images_in_several_formats(work, idx_dir, capsys, idx_arrays):
    images = torch.from_numpy(next(iter(idx_arrays.values())))[:, None]
    save_images(work / "folder", images[:110])
    save_npz(work / "set.npz", images[:120])
    (work / "here").mkdir()
    for name in ("folder", "set.npz"):
        assert evaluate(name, "--out", "here", data=idx_dir) == 0
    assert evaluate(str(idx_dir / "train-images-idx3-ubyte.gz"), "--out", "here", data=idx_dir) == 0
    assert {path.name for path in (work / "here").glob("*.html")} == {
        "folder-report.html",
        "set-report.html",
        "train-images-idx3-ubyte-report.html",
    }
    assert (work / "here" / "folder-metrics-fd110.jsonl").is_file()
    assert "exact copies" in capsys.readouterr().out


def test_evaluate_withholds_figures_about_digits_for_other_data(work, idx_dir, capsys):
    assert evaluate("first", data=idx_dir) == 0
    printed = capsys.readouterr().out.replace("\n", " ")
    assert "note: mnistnet was trained on MNIST" in printed
    assert "figures about classes are withheld" in printed
    assert "digits_kl" not in printed


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["nowhere"], 4, "there is nothing to evaluate at nowhere, and no run of that name in runs"),
        (["--runs-dir", "elsewhere"], 4, "there is no trained run in elsewhere"),
        (["notes.txt"], 3, "notes.txt holds 0 points; write two numbers per line, x and y"),
        (["empty"], 3, "empty is not a run, a model or a folder of PNGs"),
        (["few.npz"], 3, "too few images to evaluate: 5; provide at least 100"),
        (["few.npz", "--protocol", "fd50k"], 2, "needs 50,000 images, and the set has 5"),
        (["small.npz"], 3, "1x20x20"),
        (["first", "--seed", "-1"], 2, "--seed is -1"),
        (["first", "--protocol", "fd1k"], 2, "--protocol is 'fd1k'; it must be one of fd10k, fd26k, fd50k"),
        (["first", "--judge", "me"], 2, "there is no judge 'me'; the judges are mnistnet, mnistnet-b"),
        (["first", "second"], 2, "unexpected argument 'second'"),
        (["first", "--out", "notes.txt"], 74, "notes.txt"),
        (["first", "--out", "mine.html"], 2, "mine.html exists and is not a report of mnist-gan"),
        (["--data", "nothing", "first"], 2, "--data nothing is not mnist, digits, stacked-mnist, a toy, a folder"),
    ],
)
def test_evaluate_reports_a_mistake_in_one_sentence(work, idx_dir, capsys, words, code, sentence):
    (work / "notes.txt").write_text("seven")
    (work / "mine.html").write_text("<p>mine</p>")
    (work / "empty").mkdir()
    np.savez(work / "few.npz", images=np.zeros((5, 28, 28), np.uint8))
    np.savez(work / "small.npz", images=np.zeros((150, 20, 20), np.uint8))
    assert evaluate(*words, data=None if "--data" in words else idx_dir) == code
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.splitlines()[-1].startswith("mnist-gan: ")
    assert printed.out == ""


MEASURED = """
import re, sys
from pathlib import Path
from mnist_gan.cli import main
from mnist_gan.data import dataset
from mnist_gan.evaluation import PROTOCOLS, SampleProtocol

def memory(kind):
    return 1024 * int(re.search(rf"{kind}:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

dataset.is_mnist = lambda _: True
PROTOCOLS["fd10k"] = SampleProtocol(num_images=2_000, draws=2)
before = memory("VmRSS")
code = main(sys.argv[1:])
print(before, memory("VmHWM"), file=sys.stderr)
sys.exit(code)
"""
"""Evaluates in a small protocol; prints the memory before and at the peak, in bytes."""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
def test_evaluate_stays_below_one_and_a_half_gigabytes(tmp_path):
    """With a seventh of the images of MNIST and fd10k; memory per image is added for the others."""
    save_run(tmp_path / "run")
    random, training, held_out = np.random.default_rng(0), 12_000, 4_000
    arrays = {
        name: random.integers(0, 256, (n, 28, 28), np.uint8)
        for name, n in zip(IMAGES, (training, held_out), strict=True)
    }
    arrays |= {name: np.arange(n, dtype=np.uint8) % 10 for name, n in zip(LABELS, (training, held_out), strict=True)}
    write_idx_set(tmp_path / "data", arrays, compress=False)
    arguments = ["evaluate", str(tmp_path / "run"), "--json", "--data", str(tmp_path / "data")]
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MEASURED, *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    before, peak = map(int, result.stderr.splitlines()[-1].split())
    bytes_of_an_image = 28 * 28 + 8 * 64 + 8 * 10  # uint8 pixels, float64 features and logits
    missing = 70_000 - training - held_out + PROTOCOLS["fd10k"].draws * 10_000 - 2 * 2_000
    assert peak + missing * bytes_of_an_image < 1_500_000_000
    assert peak - before < 400_000_000, "the distances of all pairs at once would take 200 MB more"
    assert json.loads(result.stdout)["protocol"] == "fd2k"
