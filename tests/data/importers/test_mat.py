from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.sources import images, read, refusal

from mnist_gan.data.mnist import HELD_OUT_IMAGES, TRAIN_IMAGES, TRAIN_LABELS

scipy_io: Any = pytest.importorskip("scipy.io")

LABELS = np.arange(1, 25) % 3 + 1


def test_read_takes_emnists_structure(tmp_path: Path) -> None:
    def part(seed: int) -> dict[str, Any]:
        # MATLAB's order is column by column
        flat = images(24, seed=seed).transpose(0, 2, 1).reshape(24, 64)
        return {"images": flat, "labels": LABELS[:, None].astype(np.float64), "writers": np.zeros((24, 1))}

    mapping = np.array([[1, 65, 97], [2, 66, 98], [3, 67, 99]], np.uint8)
    content = {"dataset": {"train": part(0), "test": part(1), "mapping": mapping}}
    scipy_io.savemat(tmp_path / "emnist.mat", content, do_compression=True)
    found = read(tmp_path / "emnist.mat")
    np.testing.assert_array_equal(found.arrays[TRAIN_IMAGES], images(24))
    np.testing.assert_array_equal(found.arrays[HELD_OUT_IMAGES], images(24, seed=1))
    assert found.class_names == ("Aa", "Bb", "Cc")
    assert found.arrays[TRAIN_LABELS].tolist() == (LABELS - 1).tolist()


def test_read_takes_svhn_with_its_zero(tmp_path: Path) -> None:
    pixels, labels = images(24, 32, 32, 3), np.where(LABELS == 3, 10, LABELS)
    scipy_io.savemat(tmp_path / "train_32x32.mat", {"X": pixels.transpose(1, 2, 3, 0), "y": labels[:, None]})
    found = read(tmp_path / "train_32x32.mat", size=28, fit="resize")
    assert found.arrays[TRAIN_IMAGES].shape[1:] == (28, 28, 3)
    assert found.class_names == ("0", "1", "2")
    assert "the label 10 is the digit 0" in found.steps
    scipy_io.savemat(tmp_path / "test_32x32.mat", {"X": pixels[:3].transpose(1, 2, 3, 0), "y": labels[:3, None]})
    np.testing.assert_array_equal(read(tmp_path).arrays[HELD_OUT_IMAGES], pixels[:3])


def test_read_refuses_other_variables_hdf5_and_damage(tmp_path: Path) -> None:
    scipy_io.savemat(tmp_path / "a.mat", {"stuff": np.zeros(3)})
    assert "neither EMNIST's structure" in refusal(tmp_path / "a.mat")
    (tmp_path / "b.mat").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert "is an HDF5 file, as MATLAB 7.3 writes; save it again with the option -v7" in refusal(tmp_path / "b.mat")
    scipy_io.savemat(tmp_path / "c.mat", {"X": images(8, 3, 8, 8), "y": LABELS[:8]}, do_compression=True)
    (tmp_path / "c.mat").write_bytes((tmp_path / "c.mat").read_bytes()[:300])
    assert "cannot be read as a MATLAB file" in refusal(tmp_path / "c.mat")


def test_read_refuses_a_bomb_before_scipy_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnist_gan.data.importers.base.MAX_BYTES", 1 << 20)
    monkeypatch.setattr("scipy.io.loadmat", lambda *_, **__: pytest.fail("scipy was asked"))
    packed = zlib.compress(bytes(1 << 24))
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    (tmp_path / "a.mat").write_bytes(header + struct.pack("<II", 15, len(packed)) + packed)
    assert "uncompressed data" in refusal(tmp_path / "a.mat")
