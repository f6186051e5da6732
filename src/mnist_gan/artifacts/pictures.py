"""Images as files: a grid, a folder of PNGs, an `.npz`.

The same images give the same bytes. Files hold no time stamp and no program name, so a resumed run can be compared with
an uninterrupted one.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Int64, Shaped, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mnist_gan.storage import new_folder, write_bytes
from mnist_gan.text import pluralize

Images: TypeAlias = UInt8[Tensor, "n c h w"] | UInt8[np.ndarray, "n c h w"]
"""Images at rest: uint8, (N, C, H, W), with 1 channel (grey) or 3 (red, green, blue)."""
Labels: TypeAlias = Int64[Tensor, "n"] | Int64[np.ndarray, "n"]

GRID_WIDTH: Final = 900
"""Maximum width of an enlarged grid, in pixels; the scale is a whole number up to `MAX_SCALE`."""
MAX_SCALE: Final = 4
LINE_GREY: Final = 72
"""Grey level of the lines between images, visible beside black and white."""
PAPER_GREY: Final = 18
TEXT_GREY: Final = 235
PNG_LEVEL: Final = 6
"""zlib's compression. Level 9 takes three times as long and makes a grid of noise one hundredth smaller."""


def as_arrays(images: Images) -> UInt8[np.ndarray, "n c h w"]:
    """Images as a NumPy array on the CPU."""
    return images.cpu().numpy() if isinstance(images, Tensor) else np.asarray(images)


def to_picture(image: UInt8[np.ndarray, "c h w"]) -> Image.Image:
    """Pillow image of mode L for 1 channel, RGB for 3.

    Raises:
        ValueError: another number of channels.
    """
    channels = image.shape[0]
    if channels not in {1, 3}:
        raise ValueError(f"cannot draw an image of {channels} channels; expected 1 or 3")
    pixels = image[0] if channels == 1 else image.transpose(1, 2, 0)  # [H, W] or [H, W, 3]
    return Image.fromarray(np.ascontiguousarray(pixels))


def encode_png(picture: Image.Image) -> bytes:
    """PNG bytes without metadata; the same picture gives the same bytes."""
    bare = Image.frombytes(picture.mode, picture.size, picture.tobytes())  # without `info`: dates, profiles
    buffer = io.BytesIO()
    bare.save(buffer, format="PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


def save_picture(path: Path | str, picture: Image.Image) -> None:
    """Write a picture as PNG, atomically.

    Raises:
        StorageError: the file cannot be written.
    """
    write_bytes(path, encode_png(picture))


def save_grid(
    path: Path | str,
    images: Images,
    *,
    columns: int,
    scale: int | None = None,
    captions: Sequence[str] | None = None,
    column_titles: Sequence[str] | None = None,
) -> None:
    """Write images (N, C, H, W) as one PNG. Arguments as in `draw_grid`.

    Raises:
        StorageError: the file cannot be written.
    """
    save_picture(path, draw_grid(images, columns=columns, scale=scale, captions=captions, column_titles=column_titles))


def draw_grid(
    images: Images,
    *,
    columns: int,
    scale: int | None = None,
    captions: Sequence[str] | None = None,
    column_titles: Sequence[str] | None = None,
) -> Image.Image:
    """Draw images row by row, separated by thin lines.

    Args:
        images: uint8 (N, C, H, W), N at least 1, C 1 or 3.
        columns: images in a row; the last row may be shorter.
        scale: factor by which each image is enlarged; None chooses one for viewing.
        captions: one line of text below each image.
        column_titles: one line of text above each column.

    Raises:
        ValueError: no images, no columns, or the wrong number of captions or titles.
    """
    arrays = as_arrays(images)
    _check_layout(len(arrays), columns=columns, captions=captions, column_titles=column_titles)
    columns = min(columns, len(arrays))
    scale = scale or fitting_scale(arrays.shape[3] * columns)
    line = max(1, scale // 2)
    titles = list(column_titles or [])[:columns]
    width = _cell_width(arrays.shape[3] * scale, [*titles, *(captions or [])], text_size=_text_size(scale))
    captions = captions or [""] * len(arrays)
    cells = [
        _draw_cell(image, caption, scale=scale, width=width) for image, caption in zip(arrays, captions, strict=True)
    ]
    bands = [_draw_text(title, width=width, text_size=_text_size(scale)) for title in titles]

    top, height = bands[0].height if bands else 0, max(cell.height for cell in cells)
    rows = -(-len(cells) // columns)
    size = (line + columns * (width + line), top + line + rows * (height + line))
    mode = cells[0].mode
    grid = Image.new(mode, size, _grey(LINE_GREY, mode))
    grid.paste(_grey(PAPER_GREY, mode), (0, 0, size[0], top))
    for column, band in enumerate(bands):
        grid.paste(band, (line + column * (width + line), 0))
    blank = Image.new(mode, (width, height), _grey(PAPER_GREY, mode))
    for index in range(rows * columns):
        row, column = divmod(index, columns)
        place = (line + column * (width + line), top + line + row * (height + line))
        grid.paste(cells[index] if index < len(cells) else blank, place)
    return grid


def fitting_scale(width: int) -> int:
    """Factor by which to enlarge a row of `width` pixels for viewing."""
    return max(1, min(MAX_SCALE, GRID_WIDTH // width))


def save_images(folder: Path | str, images: Images, labels: Labels | None = None) -> list[Path]:
    """Write each image as a PNG in a new folder: `000012-7.png`, or `000012.png` without labels.

    The folder appears when it is complete. Images are not scaled.

    Returns:
        The files, in the order of the images.

    Raises:
        ConfigError: the folder exists and is not empty.
        StorageError: a file cannot be written.
    """
    arrays = as_arrays(images)
    names = [_image_name(index, None if labels is None else int(labels[index])) for index in range(len(arrays))]
    with new_folder(folder) as new:
        for name, image in zip(names, arrays, strict=True):
            (new / name).write_bytes(encode_png(to_picture(image)))
    return [Path(folder) / name for name in names]


def save_npz(path: Path | str, images: Images, labels: Labels | None = None) -> None:
    """Write a compressed `.npz`: `images` (uint8, N x H x W, or N x C x H x W for 3 channels) and `labels` (int64, N).

    Without labels, the file has no array `labels`. It holds no pickle and is read by `numpy.load(path)`.

    Raises:
        StorageError: the file cannot be written.
    """
    write_bytes(path, encode_npz(images, labels))


def encode_npz(
    images: Images, labels: Labels | None = None, others: Mapping[str, Shaped[np.ndarray, "..."]] | None = None
) -> bytes:
    """Bytes of the file of `save_npz`, with `others` as further arrays."""
    arrays = as_arrays(images)
    content: dict[str, Shaped[np.ndarray, "..."]] = {"images": arrays[:, 0] if arrays.shape[1] == 1 else arrays}
    if labels is not None:
        content["labels"] = labels.cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **content, **(others or {}))
    return buffer.getvalue()


def _image_name(index: int, label: int | None) -> str:
    return f"{index:06d}.png" if label is None else f"{index:06d}-{label}.png"


def _text_size(scale: int) -> int:
    return max(11, 6 * scale)


def _cell_width(width: int, texts: Sequence[str], *, text_size: int) -> int:
    """Width of a column in pixels: its images, captions and title."""
    font = ImageFont.load_default(text_size)
    return max([width, *(int(font.getlength(text)) + text_size for text in texts)])


def _draw_cell(image: UInt8[np.ndarray, "c h w"], caption: str, *, scale: int, width: int) -> Image.Image:
    """One enlarged image in a cell of `width` pixels, with its caption below."""
    picture = to_picture(image)
    tile = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    if not caption:
        return _centred(tile, width=width)
    band = _draw_text(caption, width=width, text_size=_text_size(scale))
    cell = Image.new(tile.mode, (width, tile.height + band.height), _grey(PAPER_GREY, tile.mode))
    cell.paste(_centred(tile, width=width), (0, 0))
    cell.paste(band, (0, tile.height))
    return cell


def _draw_text(text: str, *, width: int, text_size: int) -> Image.Image:
    """Dark band with centred light text."""
    band = Image.new("L", (width, text_size * 3 // 2), PAPER_GREY)
    middle = (band.width / 2, band.height / 2)
    ImageDraw.Draw(band).text(middle, text, fill=TEXT_GREY, font=ImageFont.load_default(text_size), anchor="mm")
    return band


def _centred(tile: Image.Image, *, width: int) -> Image.Image:
    if tile.width == width:
        return tile
    cell = Image.new(tile.mode, (width, tile.height), _grey(PAPER_GREY, tile.mode))
    cell.paste(tile, ((width - tile.width) // 2, 0))
    return cell


def _grey(level: int, mode: str) -> int | tuple[int, int, int]:
    return level if mode == "L" else (level, level, level)


def _check_layout(n: int, *, columns: int, captions: Sequence[str] | None, column_titles: Sequence[str] | None) -> None:
    if n < 1 or columns < 1:
        raise ValueError(f"a grid needs at least one image and one column, got {n} and {columns}")
    if captions is not None and len(captions) != n:
        raise ValueError(f"{pluralize(len(captions), 'caption')} for {pluralize(n, 'image')}")
    if column_titles is not None and len(column_titles) < min(columns, n):
        raise ValueError(f"{pluralize(len(column_titles), 'title')} for {pluralize(columns, 'column')}")
