"""Data sets from arrays."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mnist_gan.data import as_dataset
from mnist_gan.errors import DataError
from mnist_gan.scaling import to_uint8

GREYS = np.arange(14 * 16, dtype=np.uint8).reshape(14, 4, 4)


def source(**arrays):
    return SimpleNamespace(**arrays)


def test_as_dataset_holds_out_a_seventh_and_keeps_pairs_of_images_and_labels():
    dataset = as_dataset(source(images=GREYS, labels=np.arange(14)), name="ideas.greys")
    assert (dataset.images.shape, dataset.held_out_images.shape) == ((12, 1, 4, 4), (2, 1, 4, 4))
    images, labels = (
        torch.cat([dataset.images, dataset.held_out_images]),
        torch.cat([dataset.labels, dataset.held_out_labels]),
    )
    assert sorted(labels.tolist()) == list(range(14))
    assert torch.equal(images[:, 0], torch.from_numpy(GREYS)[labels])
    assert (dataset.name, dataset.num_classes, dataset.labelled) == ("ideas.greys", 14, True)


def test_as_dataset_takes_the_held_out_images_of_the_source():
    given = source(images=GREYS, labels=np.arange(14) % 2, held_out_images=GREYS[:3], held_out_labels=np.zeros(3, int))
    dataset = as_dataset(given, name="x")
    assert (len(dataset.images), len(dataset.held_out_images)) == (14, 3)


def test_as_dataset_rounds_floats_to_grey_levels():
    floats = torch.linspace(-1, 1, 14 * 3 * 16).view(14, 3, 4, 4)
    given = source(images=floats, held_out_images=floats[:2])
    dataset = as_dataset(given, name="x")
    assert torch.equal(dataset.images, to_uint8(floats))
    assert not dataset.labelled
    assert dataset.num_classes == 1


def test_as_dataset_takes_rows_of_floats_as_points():
    points = np.random.default_rng(0).normal(size=(14, 2)) * 5
    dataset = as_dataset(source(images=points, held_out_images=points[:2]), name="x")
    assert (dataset.images.dtype, dataset.images.shape) == (torch.float32, (14, 2, 1, 1))
    assert torch.equal(dataset.images.flatten(1), torch.from_numpy(points).float())


def test_as_dataset_digests_tell_data_apart():
    one, same = (as_dataset(source(images=GREYS), name=name).digests for name in ("a", "b"))
    other = as_dataset(source(images=GREYS[::-1]), name="a").digests
    assert one == same
    assert one["images"] != other["images"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "without images"),
        ({"images": "text"}, "images of the data set x is str"),
        ({"images": np.zeros((3, 4, 5), np.uint8)}, r"shape \(3, 1, 4, 5\); it must be"),
        ({"images": np.zeros((0, 4, 4), np.uint8)}, "with square images"),
        ({"images": np.zeros((3, 4, 4), np.int64)}, r"torch\.int64; it must be uint8"),
        ({"images": np.full((3, 4, 4), 255.0)}, r"floats from 255 to 255; floats must be in \[-1, 1\]"),
        ({"images": np.full((3, 4, 4), np.nan)}, "floats must be in"),
        ({"images": np.full((3, 2), np.inf)}, "not finite"),
        ({"images": GREYS[:1]}, "at least 2"),
        ({"images": GREYS, "labels": np.arange(3)}, "14 whole numbers, one for each image"),
        ({"images": GREYS, "labels": np.arange(14.0)}, "14 whole numbers"),
        ({"images": GREYS, "labels": np.arange(14) - 1}, "the label -1; number the classes from 0"),
        ({"images": GREYS, "labels": np.arange(14), "held_out_images": GREYS}, "labels for one part only"),
        ({"images": GREYS, "held_out_images": GREYS[:, :2, :2]}, "give both the same shape"),
    ],
)
def test_as_dataset_refuses_arrays_that_cannot_be_trained_on(arrays, message):
    with pytest.raises(DataError, match=message):
        as_dataset(source(**arrays), name="x")
