from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mnist_gan.data.importers.base import check_bytes, decode_image, is_held_out_name, is_training_name
from mnist_gan.errors import DataError


def encode(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def test_decode_image_gives_grey_or_colour() -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    np.testing.assert_array_equal(decode_image(encode(Image.fromarray(grey)), "x"), grey)
    assert decode_image(encode(Image.new("RGBA", (3, 2), (1, 2, 3, 255))), "x")[0, 0].tolist() == [1, 2, 3]
    with pytest.raises(DataError, match="x is damaged or not a supported image"):
        decode_image(b"<svg/>", "x")


@pytest.mark.parametrize(
    ("name", "training", "held_out"),
    [
        ("train", True, False),
        ("train-00000-of-00001", True, False),
        ("fashion-mnist_test", False, True),
        ("t10k-images", False, True),
        ("validation", False, True),
        ("latest", False, False),
        ("trainers", False, False),
    ],
)
def test_names_of_parts_are_whole_words(name: str, training: bool, held_out: bool) -> None:
    assert (is_training_name(name), is_held_out_name(name)) == (training, held_out)


def test_check_bytes_has_a_limit_of_2_gib() -> None:
    check_bytes(2 << 30, "x")
    with pytest.raises(DataError, match="x holds more than 2 GiB"):
        check_bytes((2 << 30) + 1, "x")
