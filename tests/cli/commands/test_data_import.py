import os

import numpy as np
import pytest
from PIL import Image
from tests.support.sources import images, write_csv

from mnist_gan.cli import main
from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset

LABELS = np.arange(28) % 4


def test_import_writes_the_set_its_record_and_a_preview(workdir, capsys):
    write_csv(workdir / "train.csv", images(28), [("cat", "dog", "owl", "emu")[label] for label in LABELS])
    assert main(["data", "import", "train.csv"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("train: 24 training and 4 held-out images from a CSV of labels and pixels\n")
    assert "4 classes: cat, dog, emu, owl; 6 to 6 training images each" in out
    assert "mnist-gan train quick --data.dir train" in out
    assert load_dataset(DataConfig(dir="train")).class_names == ("cat", "dog", "emu", "owl")
    with Image.open("train/preview.png") as picture:
        assert picture.width > 4 * 8
    assert main(["data", "import", "train.csv"]) == 0  # the name is taken
    assert (workdir / "train-idx").is_dir()
    assert main(["data", "import", "train.csv", "--out", "train"]) == 2
    assert "not an empty folder" in capsys.readouterr().err


def test_import_takes_colour_and_choices(workdir, capsys):
    np.savez("a.npz", images=images(28, 8, 8, 3), labels=LABELS)
    assert main(["data", "import", "a.npz", "--size", "12", "--grey", "--transpose", "yes"]) == 0
    out = capsys.readouterr().out
    for step in (
        "colour became grey, as chosen",
        "rows and columns exchanged, as chosen",
        "padded to 12x12, as chosen",
    ):
        assert step in out
    assert main(["data", "import", "a.npz", "--out", "colour"]) == 0
    assert load_dataset(DataConfig(dir="colour")).img_channels == 3


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ([], 2, "there is nothing to import; name a file or folder"),
        (["nowhere"], 3, "nowhere does not exist; give an .npz"),
        (["notes.txt"], 3, "notes.txt is not recognized"),
        (["notes.txt", "--size", "0"], 2, "--size is 0"),
        (["notes.txt", "--fit", "crop"], 2, "--fit is 'crop'; it must be one of pad, resize"),
    ],
)
def test_import_refuses_in_one_sentence_and_writes_nothing(workdir, capsys, words, code, sentence):
    (workdir / "notes.txt").write_text("hello")
    before = os.listdir()  # noqa: PTH208 - names only
    assert main(["data", "import", *words]) == code
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1
    assert os.listdir() == before  # noqa: PTH208
