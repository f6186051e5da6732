"""Convert any image file to the format of MNIST's images.

MNIST's digits are white on black, fitted into a box of 20 x 20 pixels with their aspect ratio kept, anti-aliased, and
placed in 28 x 28 with the centre of mass at the centre (LeCun et al. 1998, "Gradient-based learning applied to document
recognition", section III.A). A discriminator is trained only on such images, so its score of a photograph is a score of
the converted image. Every step of the conversion is therefore reported.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float64, UInt8
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor

from mnist_gan.errors import DataError

FORMATS: Final = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
"""Supported formats. Others of Pillow can start programs or fetch files."""
FORM_IMAGES: Final = 1000
"""Images that `ImageForm.of` measures."""
MAX_FILE_BYTES: Final = 128 << 20
MAX_PIXELS: Final = 50_000_000
"""Enough for a photograph; larger images are refused before decompression."""
ORIENTATION: Final = 0x0112
"""The EXIF tag of the camera orientation; 1 is upright."""
BOX_SHARE: Final = 20 / 28
"""Side of the box for the ink, as a fraction of the image's side."""
WORKING_SIDE: Final = 1024
"""Larger pictures are first reduced to about this side."""
MIN_CONTRAST: Final = 12.0
"""Smallest difference between ink and background, in grey levels."""
INK_SHARE: Final = 0.15
"""Threshold for the bounding box, as a fraction of the strongest ink. A lower one includes JPEG ripples around strokes;
a higher one cuts off soft edges."""

_Grey: TypeAlias = Float64[np.ndarray, "h w"]
_Box: TypeAlias = tuple[slice, slice]


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageForm:
    """Form of a data set's images: size and polarity of the drawing. The default is MNIST's."""

    box_share: float = BOX_SHARE
    """Side of the box for the ink, as a fraction of the image's side."""
    inverted: bool = False
    """Dark ink on a light background."""

    def __post_init__(self) -> None:
        if not (type(self.box_share) in {int, float} and 0 < self.box_share <= 1 and type(self.inverted) is bool):
            raise ValueError(f"{self} is not an image form: box_share must be in (0, 1], inverted a bool")

    @classmethod
    def of(cls, images: UInt8[Tensor, "n c r r"]) -> ImageForm:
        """Measure up to 1,000 images, evenly spaced: the median box, and the mean of the borders."""
        chosen = images[:: -(-len(images) // FORM_IMAGES)]
        grey = chosen.double().mean(dim=1).numpy()
        inverted = bool(np.mean([image[_frame(image.shape)].mean() for image in grey]) >= 128)
        boxes = [_ink_box(ink) for ink in (255 - grey if inverted else grey) if np.ptp(ink) >= MIN_CONTRAST]
        sides = [max(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in boxes]
        return cls(box_share=float(np.median(sides)) / images.shape[-1] if sides else BOX_SHARE, inverted=inverted)


MNIST_FORM: Final = ImageForm()


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedImage:
    """An image in the form of MNIST or of another data set, and the steps of its conversion."""

    image: UInt8[Tensor, "c r r"]
    steps: tuple[str, ...]
    """Steps in order, such as "inverted"; empty for an unchanged image."""

    @property
    def description(self) -> str:
        """The steps as a line of text."""
        return ", ".join(self.steps) or "as it is"


def prepare_image(
    source: Path | bytes,
    *,
    resolution: int,
    channels: int = 1,
    name: str | None = None,
    form: ImageForm = MNIST_FORM,
) -> PreparedImage:
    """Convert an image file to MNIST's format, or to the form of another data set.

    An image of the right resolution with a dark border is left unchanged. Any other is converted to grey, the
    background is subtracted, dark ink is inverted, and the ink is cropped, fitted into a box of 20/28 of the resolution
    with its aspect ratio kept, and centred by mass. `form` gives another box, or dark ink on a light background.

    Args:
        source: a path, or the content of a file.
        resolution: side of the result, in pixels.
        channels: of the result. With 3, a colour image of the right resolution is left unchanged; otherwise the grey
            channel is repeated.
        name: name of the image in messages; None uses the path.
        form: size and polarity of the result; `GAN.form` is that of a model's training images.

    Raises:
        DataError: the file is missing, too large, not a readable image, or blank.
    """
    title = name or (str(source) if isinstance(source, Path) else "the image")
    picture, steps = _decode(_read(source, title), title)
    unchanged = _use_unchanged(picture, resolution=resolution, channels=channels, inverted=form.inverted)
    if unchanged is not None:
        image, more = unchanged
    else:
        image, more = _fit_ink(picture, resolution=resolution, title=title, form=form)
        image = image[None].repeat(channels, axis=0)
        more = [*more, *([_repeated(channels)] if channels > 1 else [])]
    if np.ptp(image) == 0:
        raise _blank(title)
    return PreparedImage(image=torch.from_numpy(image.copy()), steps=(*steps, *more))


def _read(source: Path | bytes, title: str) -> bytes:
    if isinstance(source, bytes):
        content = source
    else:
        try:
            with source.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise DataError(
                f"{title} cannot be read: {error.strerror or error}; give the path of an image file"
            ) from error
    if len(content) > MAX_FILE_BYTES:
        raise DataError(
            f"{title} has more than {MAX_FILE_BYTES >> 20} MiB; reduce it, a digit needs only 28 x 28 pixels"
        )
    return content


def _decode(content: bytes, title: str) -> tuple[Image.Image, list[str]]:
    """The first frame of the file, upright, and the steps taken."""
    steps = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about unused metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
            if getattr(picture, "n_frames", 1) > 1:
                steps.append(f"first of {picture.n_frames} frames")  # type: ignore[attr-defined]
            if picture.width * picture.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            picture.load()
            rotated = picture.getexif().get(ORIENTATION, 1) in range(2, 9)
            upright = ImageOps.exif_transpose(picture) if rotated else picture
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        most = min(MAX_PIXELS, Image.MAX_IMAGE_PIXELS or MAX_PIXELS)
        raise DataError(
            f"{title} decompresses to more than {most:,} pixels; reduce it, a digit needs only 28 x 28"
        ) from error
    except Exception as error:  # decoders raise all kinds of errors for damaged files
        raise DataError(f"{title} is damaged or not a supported image; save it as PNG or JPEG and try again") from error
    if rotated:
        steps.append("rotated upright")
    return _drop_opaque_alpha(upright), steps


def _drop_opaque_alpha(picture: Image.Image) -> Image.Image:
    """The picture as RGBA if a pixel is transparent, otherwise without an alpha channel."""
    if picture.mode not in {"LA", "La", "PA", "RGBA", "RGBa"} and "transparency" not in picture.info:
        return picture
    colour = picture.convert("RGBA")
    opaque = colour.getchannel("A").getextrema() == (255, 255)
    return colour.convert("RGB") if opaque else colour


def _use_unchanged(
    picture: Image.Image, *, resolution: int, channels: int, inverted: bool
) -> tuple[UInt8[np.ndarray, "c r r"], list[str]] | None:
    """The picture unchanged, or inverted if its border has the wrong polarity; None if neither is in the form."""
    if (
        picture.size != (resolution, resolution)
        or picture.mode not in {"1", "L", "P", "RGB"}
        or picture.info.get("transparency")
    ):
        return None
    colours = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)  # [3, H, W]
    if channels == 1 and not (colours == colours[0]).all():
        return None
    image = colours[:channels]
    repeated = [_repeated(channels)] if channels > 1 and picture.mode in {"1", "L"} else []
    border = _border(255 - image if inverted else image).mean()
    if border < 128:
        return image, repeated
    return (255 - image, ["inverted", *repeated]) if 255 - border < 64 else None


def _fit_ink(
    picture: Image.Image, *, resolution: int, title: str, form: ImageForm
) -> tuple[UInt8[np.ndarray, "r r"], list[str]]:
    """Separate the ink, crop, fit and centre it; also returns the steps."""
    whole = f"{picture.width}x{picture.height}"
    grey, steps, factor = _to_grey(picture)
    ink, inverted = _separate_ink(grey)
    if ink.max() < MIN_CONTRAST:
        raise _blank(title)
    rows, columns = _ink_box(ink)
    width, height = columns.stop - columns.start, rows.stop - rows.start
    scale = round(resolution * form.box_share) / max(width, height)
    fitted_size = (max(1, round(width * scale)), max(1, round(height * scale)))
    cropped = f"{min(width * factor, picture.width)}x{min(height * factor, picture.height)}"
    fitted = _resize(ink[rows, columns], fitted_size)
    core = float(np.percentile(fitted[fitted > INK_SHARE * fitted.max()], 90))
    pale = core < 230
    steps = [
        *steps,
        *(["inverted"] if inverted != form.inverted else []),
        *([f"cropped {whole} to {cropped}"] if cropped != whole else []),
        f"resized {cropped} to {fitted_size[0]}x{fitted_size[1]}",
        *(["contrast stretched"] if pale else []),
        "centred by mass",
    ]
    strong = np.clip(fitted * (255 / core), 0, 255) if pale else fitted
    centred = centre_by_mass(np.rint(strong).astype(np.uint8), resolution=resolution)
    return 255 - centred if form.inverted else centred, steps


def _to_grey(picture: Image.Image) -> tuple[_Grey, list[str], int]:
    """Grey levels from 0 to 255, the steps taken, and the integer factor of reduction."""
    steps: list[str] = []
    if picture.mode[0] in "IF":  # more than 8 bits
        levels = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0, neginf=0)
        low, high = levels.min(), levels.max()
        picture = Image.fromarray(((levels - low) * (255 / max(high - low, 1e-9))).astype(np.uint8))
        steps.append("converted to 8 bits")
    factor = -(-max(picture.size) // WORKING_SIDE)
    if picture.mode == "RGBA":
        small = picture.reduce(factor)
        return (
            _flatten(small.convert("RGB").convert("L"), small.getchannel("A")),
            [*steps, "transparency filled"],
            factor,
        )
    plain = picture if picture.mode in {"1", "L"} else picture.convert("RGB")
    return np.asarray(plain.convert("L").reduce(factor), dtype=np.float64), steps, factor


def _flatten(grey: Image.Image, opacity: Image.Image) -> _Grey:
    """Composite a transparent picture onto a background that shows the drawing.

    If the visible pixels have about one grey, the shape is in the alpha channel, and the background contrasts with that
    grey. Otherwise the picture has its own background, the median grey, and that is extended.
    """
    levels, alpha = np.asarray(grey, dtype=np.float64), np.asarray(opacity, dtype=np.float64) / 255
    visible = levels[alpha > 0.5]
    if not visible.size:
        return np.zeros_like(levels)
    low, middle, high = np.percentile(visible, [0.5, 50, 99.5])
    one_grey = high - low < 100
    background = (255.0 if middle < 128 else 0.0) if one_grey else middle
    return alpha * levels + (1 - alpha) * background


def _separate_ink(grey: _Grey) -> tuple[_Grey, bool]:
    """The ink as the difference from the background, from 0 to 255, and whether dark ink was inverted.

    The sign of the summed cubes decides between light and dark ink: cubes weight strong strokes over noise and shades.
    """
    background, noise = _background(grey)
    difference = grey - background
    inverted = bool((difference**3).sum() < 0)
    ink = -difference if inverted else difference
    return np.clip(ink - 4 * noise, 0, 255), inverted


def _background(grey: _Grey) -> tuple[_Grey, float]:
    """The background as a plane fitted to the border (light from one side gives a slope), and its noise.

    Pixels far from the border's median are ink that touches the edge; they are excluded.
    """
    y, x = np.indices(grey.shape)
    frame = _frame(grey.shape)
    terms = np.stack([np.ones_like(grey), x / grey.shape[1], y / grey.shape[0]], axis=-1)  # [H, W, 3]
    levels, positions = grey[frame], terms[frame]
    near = np.abs(levels - np.median(levels)) < 60
    plane, *_ = np.linalg.lstsq(positions[near], levels[near], rcond=None)
    residuals = levels[near] - positions[near] @ plane
    noise = 1.4826 * float(np.median(np.abs(residuals)))
    return np.round(terms @ plane, 3), noise if noise > 0.5 else 0.0


def _frame(shape: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    """Mask of the border: a fiftieth of the shorter side wide, at least one pixel."""
    width = max(1, min(shape) // 50)
    frame = np.ones(shape, dtype=bool)
    frame[width:-width, width:-width] = False
    return frame


def _border(image: UInt8[np.ndarray, "c h w"]) -> UInt8[np.ndarray, "..."]:
    return image[:, _frame(image.shape[1:])]


def _ink_box(ink: _Grey) -> _Box:
    """Bounding box of the ink, without specks that disappear after a blur."""
    mask = ink > INK_SHARE * ink.max()
    radius = max(ink.shape) // 100
    if radius:
        blurred = np.asarray(
            Image.fromarray(ink.astype(np.uint8)).filter(ImageFilter.BoxBlur(radius)), dtype=np.float64
        )
        mask &= blurred > INK_SHARE * blurred.max()
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _resize(ink: _Grey, size: tuple[int, int]) -> Float64[np.ndarray, "new_h new_w"]:
    """Resize. Reducing averages, which anti-aliases strokes and inverts an enlargement by an integer factor."""
    method = Image.Resampling.BOX if size[0] <= ink.shape[1] else Image.Resampling.BICUBIC
    resized = Image.fromarray(ink.astype(np.float32)).resize(size, method)
    return np.clip(np.asarray(resized, dtype=np.float64), 0, 255)


def centre_by_mass(fitted: UInt8[np.ndarray, "h w"], *, resolution: int) -> UInt8[np.ndarray, "r r"]:
    """Place the image with its centre of mass at half the resolution, as in MNIST, without cutting it off."""
    mass = fitted.astype(np.float64)
    top = _offset(mass.sum(axis=1), resolution=resolution)
    left = _offset(mass.sum(axis=0), resolution=resolution)
    image = np.zeros((resolution, resolution), dtype=np.uint8)
    image[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return image


def _offset(mass: Float64[np.ndarray, "n"], *, resolution: int) -> int:
    centre = float((mass * np.arange(len(mass))).sum() / mass.sum())
    return min(max(round(resolution / 2 - centre), 0), resolution - len(mass))


def _repeated(channels: int) -> str:
    return f"grey repeated in {channels} channels"


def _blank(title: str) -> DataError:
    return DataError(f"{title} is blank: its pixels are all about the same; give an image of a digit")
