import io
import os

import numpy as np
import pytest
import torch
from PIL import Image

from mnist_gan.artifacts.pictures import save_images, save_npz
from mnist_gan.data import image_sets
from mnist_gan.data.idx import write_idx
from mnist_gan.data.image_sets import is_folder_of_images, read_image_set
from mnist_gan.errors import DataError


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (12, 1, 28, 28), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("channels", [1, 3])
def test_read_image_set_reads_what_sample_writes(tmp_path, images, channels):
    images, labels = images.expand(-1, channels, -1, -1).clone(), torch.arange(12) % 10
    images[:, 0, 0, 0] = images[:, -1, 0, 0] // 2  # a colour, where there are three channels
    save_images(tmp_path / "folder", images, labels)
    save_npz(tmp_path / "set.npz", images, labels)
    for path in (tmp_path / "folder", tmp_path / "set.npz"):
        found = read_image_set(path)
        assert torch.equal(found.images, images)
        assert found.labels is not None
        assert torch.equal(found.labels, labels)
        assert str(path) in found.source


def test_read_image_set_gives_no_labels_without_names(tmp_path, images):
    save_images(tmp_path / "folder", images)
    np.savez(tmp_path / "set.npz", images[:, 0].numpy())
    write_idx(tmp_path / "some.gz", images[:, 0].numpy())
    for name in ("folder", "set.npz", "some.gz"):
        found = read_image_set(tmp_path / name)
        assert found.labels is None
        assert torch.equal(found.images, images)


def test_read_image_set_finds_idx_labels(tmp_path, images):
    labels = np.arange(12, dtype=np.uint8) % 10
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", images[:, 0].numpy())
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels)
    for path in (tmp_path, tmp_path / "train-images-idx3-ubyte.gz"):
        found = read_image_set(path)
        assert torch.equal(found.images, images)
        assert found.labels is not None
        assert found.labels.tolist() == labels.tolist()


def test_read_image_set_takes_labels_from_numbered_folders(tmp_path, images):
    for digit in (3, 7):
        (tmp_path / str(digit)).mkdir()
        for index in range(2):
            Image.fromarray(images[digit + index, 0].numpy()).save(tmp_path / str(digit) / f"{index}.png")
    found = read_image_set(tmp_path)
    assert found.labels is not None
    assert found.labels.tolist() == [3, 3, 7, 7]
    assert torch.equal(found.images[2:], images[7:9])
    alone = read_image_set(tmp_path / "7")
    assert alone.labels is None


def test_read_image_set_reduces_grey_rgb_images_to_one_channel(tmp_path, images):
    for index, image in enumerate(images):
        Image.fromarray(image[0].numpy()).convert("RGB" if index % 2 else "L").save(tmp_path / f"{index:02d}.png")
    assert torch.equal(read_image_set(tmp_path).images, images)


def test_read_image_set_accepts_channels_last(tmp_path, images):
    colour = images.expand(-1, 3, -1, -1).numpy()
    np.savez(tmp_path / "set.npz", images=colour.transpose(0, 2, 3, 1))
    assert np.array_equal(read_image_set(tmp_path / "set.npz").images.numpy(), colour)


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({}, "has no .png files"),
        ({"a.png": b"no picture"}, "a.png cannot be read as a PNG"),
        ({"a.png": png(Image.new("L", (28, 28))), "b.png": png(Image.new("L", (27, 28)))}, "b.png is 27x28, but"),
        ({"a.png": png(Image.new("L", (3000, 20)))}, "a.png is 3000x20 pixels"),
        ({"a.png": png(Image.new("RGBA", (28, 28), (1, 1, 1, 9)))}, "transparent"),
        ({"a.png": png(Image.new("I;16", (28, 28)))}, "more than 8 bits per pixel"),
        ({"a.png": png(Image.new("L", (28, 28)))[:45]}, "a.png cannot be read as a PNG"),
    ],
)
def test_read_image_set_refuses_an_invalid_folder(tmp_path, content, sentence):
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=sentence) as refusal:
        read_image_set(tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"images": np.zeros((5, 28, 28))}, "type float64"),
        ({"images": np.zeros((28, 28), np.uint8)}, r"shape \(28, 28\)"),
        ({"images": np.zeros((5, 2, 28, 28), np.uint8)}, r"shape \(5, 2, 28, 28\)"),
        ({"images": np.zeros((0, 28, 28), np.uint8)}, r"shape \(0"),
        ({"x": np.zeros(3, np.uint8), "y": np.zeros(3)}, "no array `images` .arrays: x, y"),
        ({"images": np.zeros((5, 28, 28), np.uint8), "labels": np.zeros(4, int)}, "labels of shape"),
        ({"images": np.array([{}], dtype=object)}, "plain arrays"),
    ],
)
def test_read_image_set_refuses_an_invalid_npz(tmp_path, arrays, sentence):
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(DataError, match=sentence):
        read_image_set(tmp_path / "set.npz")


def test_read_image_set_refuses_an_npz_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(image_sets, "MAX_BYTES", 1 << 20)
    np.savez_compressed(tmp_path / "bomb.npz", images=np.zeros((4000, 28, 28), np.uint8))
    assert (tmp_path / "bomb.npz").stat().st_size < 10_000
    monkeypatch.setattr(np, "load", None)
    with pytest.raises(DataError, match="more than 1 MiB"):
        read_image_set(tmp_path / "bomb.npz")


@pytest.mark.parametrize("content", [b"PK\x03\x04 cut off", b"", b"\x93NUMPY"])
def test_read_image_set_refuses_a_damaged_npz(tmp_path, content):
    (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"set\.npz cannot be read"):
        read_image_set(tmp_path / "set.npz")


def test_read_image_set_refuses_other_paths(tmp_path):
    (tmp_path / "notes.txt").write_text("seven")
    with pytest.raises(DataError, match=r"notes\.txt is not a supported set of images"):
        read_image_set(tmp_path / "notes.txt")
    with pytest.raises(DataError, match="does not exist"):
        read_image_set(tmp_path / "nowhere")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_read_image_set_refuses_a_pipe_without_opening_it(tmp_path):
    os.mkfifo(tmp_path / "0.png")
    with pytest.raises(DataError, match="is not a file"):
        read_image_set(tmp_path)


def test_read_image_set_refuses_a_wrong_number_of_labels(tmp_path, images):
    write_idx(tmp_path / "x-images-idx3-ubyte", images[:, 0].numpy())
    write_idx(tmp_path / "x-labels-idx1-ubyte", np.zeros(11, np.uint8))
    with pytest.raises(DataError, match="11 labels, but x-images-idx3-ubyte 12 images"):
        read_image_set(tmp_path / "x-images-idx3-ubyte")


def test_is_folder_of_images_recognizes_pngs_and_idx(tmp_path, images):
    assert not is_folder_of_images(tmp_path)
    save_images(tmp_path / "folder", images)
    assert is_folder_of_images(tmp_path / "folder")
    assert not is_folder_of_images(tmp_path / "nowhere")


def test_read_image_set_reads_labels_of_every_integer_type(tmp_path, images):
    for dtype in (np.uint8, np.int16, np.uint64):
        np.savez(tmp_path / "set.npz", images=images[:, 0].numpy(), labels=np.arange(12).astype(dtype))
        labels = read_image_set(tmp_path / "set.npz").labels
        assert labels is not None
        assert labels.tolist() == list(range(12))


@pytest.mark.parametrize(
    ("label", "dtype", "true"), [(2**63, np.uint64, "from 0 to 9223372036854775808"), (-1, np.int64, "from -1 to 0")]
)
def test_read_image_set_refuses_impossible_labels_with_their_true_numbers(tmp_path, images, label, dtype, true):
    labels = np.zeros(12, dtype)
    labels[3] = label
    np.savez(tmp_path / "set.npz", images=images[:, 0].numpy(), labels=labels)
    with pytest.raises(DataError, match=f"has labels {true}; they must be from 0 to 99,999"):
        read_image_set(tmp_path / "set.npz")


@pytest.mark.parametrize("name", ["set.npz", "images.idx", "folder/0.png"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "is a Git LFS pointer.*git lfs pull"),
        (b"<!DOCTYPE html>\n<title>404</title>", "is a web page, .*its download failed"),
    ],
)
def test_read_image_set_recognizes_a_failed_download(tmp_path, name, content, words):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_image_set(path.parent if path.parent != tmp_path else path)


def test_read_image_set_finds_labels_in_folders_named_like_files(tmp_path, images):
    for name, array in (("images-idx3", images[:, 0].numpy()), ("labels-idx1", np.arange(12, dtype=np.uint8))):
        write_idx(tmp_path / f"train-{name}-ubyte" / f"train-{name}-ubyte", array)
    found = read_image_set(tmp_path)
    assert found.labels is not None
    assert found.labels.tolist() == list(range(12))
