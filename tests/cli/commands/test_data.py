import gzip
import json

import pytest

from mnist_gan.cli import main
from mnist_gan.data.mnist import TRAIN_LABELS


def test_data_lists_the_places_and_how_to_get_mnist(machine_without_mnist, capsys):
    assert main(["data"]) == 3
    captured = capsys.readouterr()
    rows = [line.split() for line in captured.out.splitlines()]
    assert rows[0][:3] == ["place", "state", "where"]
    assert rows[1][:3] == ["MNIST_GAN_DATA", "not", "set"]
    assert rows[2][:2] == ["cache", "empty"]
    assert "mnist-gan data --download" in captured.out
    assert captured.err == ("mnist-gan: none of these places has MNIST; download it with `mnist-gan data --download`\n")


@pytest.mark.mnist
def test_data_verifies_the_real_mnist(machine_without_mnist, mnist_dir, monkeypatch, capsys):
    monkeypatch.setenv("MNIST_GAN_DATA", str(mnist_dir))
    assert main(["data", "--json"]) == 0
    place = json.loads(capsys.readouterr().out)[0]
    assert (place["role"], place["state"], place["path"]) == ("MNIST_GAN_DATA", "ok", str(mnist_dir))
    assert {file["state"] for file in place["files"]} == {"verified"}


def test_data_tells_another_data_set_from_damage(machine_without_mnist, idx_dir, capsys):
    main(["data", "--dir", str(idx_dir)])
    assert "--data.dir" in capsys.readouterr().out
    main(["data", "--dir", str(idx_dir), "--json"])
    assert json.loads(capsys.readouterr().out)[0]["state"] == "another data set"
    (idx_dir / f"{TRAIN_LABELS}.gz").write_bytes(gzip.compress(b"nonsense"))
    main(["data", "--dir", str(idx_dir), "--json"])
    assert json.loads(capsys.readouterr().out)[0]["state"] == "damaged"


def test_data_downloads_on_request(machine_without_mnist, monkeypatch):
    asked = []
    monkeypatch.setattr("mnist_gan.data.download_mnist", lambda: asked.append(True))
    assert main(["data"]) == 3
    assert asked == []
    assert main(["data", "--download"]) == 3
    assert asked == [True]


@pytest.mark.parametrize("width", [40, 80])
def test_data_fits_the_terminal(machine_without_mnist, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    main(["data"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= width


@pytest.mark.parametrize("word", ["x", "--frobnicate"])
def test_data_reports_an_unknown_argument_in_one_sentence(machine_without_mnist, capsys, word):
    assert main(["data", word]) == 2
    assert capsys.readouterr().err.count("\n") == 1
