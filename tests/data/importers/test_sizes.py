from __future__ import annotations

import numpy as np
import pytest

from mnist_gan.data.importers.sizes import background, bring_to_size, pad_to
from mnist_gan.errors import DataError

DRAWING = np.full((4, 4), 200, np.uint8)
DRAWING[1:3, 1:3] = 7


def test_pad_to_centres_on_the_background() -> None:
    padded = pad_to(DRAWING, 8)
    np.testing.assert_array_equal(padded[2:6, 2:6], DRAWING)
    assert int(background(padded)) == 200
    assert (padded == 7).sum() == 4


def test_pad_to_keeps_a_coloured_background() -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 90
    assert pad_to(red, 6)[0, 0].tolist() == [90, 0, 0]


def test_bring_to_size_keeps_the_aspect_ratio_when_it_resizes() -> None:
    wide = np.zeros((10, 20), np.uint8)
    wide[2:8] = 255
    small = bring_to_size(wide, 10, fit="resize")
    assert small.shape == (10, 10)
    assert small[:2].max() == 0
    assert small[4:6].min() > 200


def test_bring_to_size_refuses_to_pad_a_larger_image() -> None:
    with pytest.raises(DataError, match="4x4 pixels and cannot be padded to 3x3"):
        bring_to_size(DRAWING, 3, fit="pad")
