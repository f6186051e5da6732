"""Import existing sets of images: a folder of PNGs, an `.npz`, an IDX file.

The images are not resized, inverted or rescaled: an evaluation must measure the set itself, not a repair of it.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mnist_gan.data.dataset import image_tensor, label_tensor
from mnist_gan.data.foreign import recognize_file
from mnist_gan.data.idx import read_idx
from mnist_gan.data.idx_set import find_idx_file
from mnist_gan.data.mnist import TRAIN_IMAGES, TRAIN_LABELS
from mnist_gan.errors import DataError
from mnist_gan.scaling import AtRest
from mnist_gan.text import pluralize

MAX_BYTES: Final = 512 << 20
"""Limit for the pixels of a set: 680,000 images of MNIST's size."""
MAX_SIDE: Final = 256
MAX_LABEL: Final = 99_999
"""Largest label: a model has at most 100,000 classes."""
NAME_WITH_LABEL: Final = re.compile(r"\d+-(\d{1,4})")
"""Names such as `000012-7`, which `mnist-gan sample` writes."""
IDX_IMAGES: Final = (b"\x00\x00\x08\x03", b"\x00\x00\x08\x04")
EXPECTED: Final = "a folder of PNGs, an .npz, or an IDX file of images"

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (images read, total images)."""


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Images as uint8, with their labels if known."""

    images: AtRest
    labels: Int64[Tensor, "n"] | None
    source: str
    """Description for the user: number of images and path."""


def _silent(done: int, total: int) -> None:
    pass


def read_image_set(path: Path, *, progress: Progress = _silent) -> ImageSet:
    """Read a set of images.

    - Folder: its `.png` files in name order. Labels come from the names (`000012-7.png`) or from numbered subfolders. A
      folder with an IDX file of training images gives those.
    - `.npz`: the array `images`, or the only array; uint8, N x H x W, N x C x H x W or N x H x W x C. Labels come from
      the array `labels`.
    - IDX file, plain or `.gz`. Labels come from the `labels` file beside it, if present.

    Raises:
        DataError: the path is none of these, a file is damaged, or the images differ in size.
    """
    if path.is_dir():
        idx = find_idx_file(path, TRAIN_IMAGES)
        labels = find_idx_file(path, TRAIN_LABELS)
        return _read_folder(path, progress) if idx is None else _read_idx(idx, labels)
    if not path.exists():
        raise DataError(f"{path} does not exist; give {EXPECTED}")
    if path.suffix.lower() == ".npz":
        return _read_npz(path)
    if _begins_as_idx(path):
        return _read_idx(path, _labels_path(path))
    raise _foreign(path) or DataError(f"{path} is not a supported set of images; give {EXPECTED}")


def is_folder_of_images(path: Path) -> bool:
    """True if a folder has PNGs or an IDX file of training images, by their names."""
    return path.is_dir() and (bool(_png_files(path)) or find_idx_file(path, TRAIN_IMAGES) is not None)


def _png_files(folder: Path) -> list[Path]:
    """The PNGs in a folder, or if there are none, those in its numbered subfolders."""
    direct = sorted(_pngs_in(folder))
    inside = (child for child in folder.iterdir() if child.name.isascii() and child.name.isdigit() and child.is_dir())
    return direct or [file for child in sorted(inside) for file in sorted(_pngs_in(child))]


def _pngs_in(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.suffix.lower() == ".png" and not file.name.startswith(".")]


def _read_folder(folder: Path, progress: Progress) -> ImageSet:
    try:
        files = _png_files(folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    if not files:
        raise DataError(f"{folder} has no .png files; give {EXPECTED}")
    arrays: list[NDArray[np.uint8]] = []
    for done, file in enumerate(files):
        array = _read_png(file)
        if arrays and array.shape[:2] != arrays[0].shape[:2]:
            raise DataError(
                f"{file} is {_size(array)}, but {files[0]} is {_size(arrays[0])}; all images must have the same size"
            )
        if (done + 1) * array.nbytes > MAX_BYTES:
            raise _too_large(folder)
        arrays.append(array)
        progress(done + 1, len(files))
    images = _in_common_channels(arrays)
    return ImageSet(
        images=images, labels=_labels_from_names(files), source=f"{pluralize(len(files), 'PNG')} in {folder}"
    )


def _read_png(path: Path) -> NDArray[np.uint8]:
    """One image: (H, W) for grey, (H, W, 3) for colour."""
    try:
        if not path.is_file():  # opening a pipe would block
            raise DataError(f"{path} is not a file; remove it from the folder")
        with warnings.catch_warnings(), Image.open(path, formats=("PNG",)) as picture:
            warnings.simplefilter("error")  # Pillow only warns about decompression bombs
            if max(picture.size) > MAX_SIDE:
                raise DataError(
                    f"{path} is {picture.width}x{picture.height} pixels; the limit is {MAX_SIDE}x{MAX_SIDE}"
                )
            if picture.mode in {"1", "L"}:
                return np.asarray(picture.convert("L"))
            if picture.mode.startswith(("I", "F")):
                raise DataError(f"{path} has more than 8 bits per pixel; save it with 8")
            pixels = np.asarray(picture.convert("RGBA"))
    except DataError:
        raise
    except Exception as error:  # decoders raise all kinds of errors for damaged files
        damaged = DataError(f"{path} cannot be read as a PNG; remove it or save it again")
        raise _foreign(path) or damaged from error
    if pixels[:, :, 3].min() < 255:
        raise DataError(f"{path} has transparent pixels; save it without an alpha channel")
    return pixels[:, :, :3]


def _in_common_channels(arrays: Sequence[NDArray[np.uint8]]) -> UInt8[Tensor, "n c h w"]:
    """One channel if every image is grey, whatever the files' modes; otherwise three."""
    if all(array.ndim == 2 or not np.ptp(array, axis=2).any() for array in arrays):
        return torch.from_numpy(np.stack([array if array.ndim == 2 else array[:, :, 0] for array in arrays])[:, None])
    coloured = [array if array.ndim == 3 else np.repeat(array[:, :, None], 3, axis=2) for array in arrays]
    return torch.from_numpy(np.stack(coloured).transpose(0, 3, 1, 2).copy())


def _labels_from_names(files: Sequence[Path]) -> Int64[Tensor, "n"] | None:
    matches = [NAME_WITH_LABEL.fullmatch(file.stem) for file in files]
    if all(matches):
        return torch.tensor([int(match[1]) for match in matches if match])
    folders = [file.parent.name for file in files]
    # a single folder named 7 may mean anything; several numbered folders are classes
    if len(set(folders)) > 1 and all(name.isascii() and name.isdigit() for name in folders):
        return torch.tensor([int(name) for name in folders])
    return None


def _read_npz(path: Path) -> ImageSet:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise _too_large(path)
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files if name in {"images", "labels"}}
            if "images" not in arrays and len(content.files) == 1:
                arrays["images"] = content[content.files[0]]
            names = ", ".join(content.files) or "none"
    except DataError:
        raise
    except Exception as error:  # zipfile and numpy raise all kinds of errors for damaged files
        damaged = DataError(f"{path} cannot be read as an .npz of plain arrays; save it again with numpy.savez")
        raise _foreign(path, is_archive=True) or damaged from error
    if "images" not in arrays:
        raise DataError(f"{path} has no array `images` (arrays: {names}); save the images under that name")
    images = _npz_images(arrays["images"], path)
    labels = None if "labels" not in arrays else _npz_labels(arrays["labels"], len(images), path)
    return ImageSet(images=images, labels=labels, source=f"{pluralize(len(images), 'image')} in {path}")


def _npz_images(array: NDArray[np.generic], path: Path) -> UInt8[Tensor, "n c h w"]:
    if array.dtype != np.uint8:
        raise DataError(f"{path} holds images of type {array.dtype}; convert them to uint8, 0 (black) to 255")
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in {1, 3} and array.shape[3] in {1, 3}:
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or array.shape[1] not in {1, 3} or array.size == 0:
        raise DataError(
            f"{path} holds an array of shape {array.shape}; expected N x H x W or N x C x H x W, C = 1 or 3"
        )
    return torch.from_numpy(np.ascontiguousarray(array).view(np.uint8))


def _npz_labels(array: NDArray[np.generic], n: int, path: Path) -> Int64[Tensor, "n"]:
    if array.shape != (n,) or not np.issubdtype(array.dtype, np.integer):
        raise DataError(
            f"{path} holds labels of shape {array.shape} and type {array.dtype}; expected one integer per image"
        )
    low, high = int(array.min()), int(array.max())
    if not (low >= 0 and high <= MAX_LABEL):
        raise DataError(f"{path} has labels from {low} to {high}; they must be from 0 to {MAX_LABEL:,}")
    return torch.from_numpy(array.astype(np.int64))


def _begins_as_idx(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) in IDX_IMAGES or path.suffix.lower() == ".gz"
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _foreign(path: Path, *, is_archive: bool = False) -> DataError | None:
    """The error for a file whose content is recognized as something else, such as a web page; else None."""
    found = recognize_file(path, is_archive=is_archive)
    return None if found is None else DataError(f"{path} {found.clause}; {found.remedy}")


def _read_idx(path: Path, labels_path: Path | None) -> ImageSet:
    array = read_idx(path, dimensions=(3, 4)).array
    if array.nbytes > MAX_BYTES:
        raise _too_large(path)
    labels = None
    if labels_path is not None:
        labels = label_tensor(read_idx(labels_path, dimensions=1).array)
        if len(labels) != len(array):
            raise DataError(
                f"{labels_path} holds {pluralize(len(labels), 'label')}, but {path.name} "
                f"{pluralize(len(array), 'image')}; use matching files"
            )
    images = image_tensor(array)
    return ImageSet(images=images, labels=labels, source=f"{pluralize(len(images), 'image')} in {path}")


def _labels_path(path: Path) -> Path | None:
    """`t10k-images-idx3-ubyte.gz` -> `t10k-labels-idx1-ubyte`, plain or compressed."""
    name = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")
    if name == path.name.removesuffix(".gz"):  # no file of images by its name
        return None
    return find_idx_file(path.parent, name)


def _size(array: NDArray[np.uint8]) -> str:
    return f"{array.shape[1]}x{array.shape[0]}"


def _too_large(path: Path) -> DataError:
    return DataError(f"{path} holds more than {MAX_BYTES >> 20} MiB of pixels; use a part of it, such as 50,000 images")
