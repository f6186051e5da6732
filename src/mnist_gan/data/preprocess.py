"""Any image file brought to the form that MNIST's images have.

MNIST's digits are white on black, fitted into a box of 20 x 20 pixels at their own proportions, anti-aliased by it, and
placed in 28 x 28 so that their centre of mass is at the centre (LeCun et al. 1998, "Gradient-based learning applied to
document recognition", section III.A). A discriminator has seen nothing else, so that whoever asks for its opinion of a
photograph asks for its opinion of what this module makes of it; every step is reported in words.
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
"""Formats that are read. Pillow knows others that start programs or fetch files; nobody draws digits in those."""
MAX_FILE_BYTES: Final = 128 << 20
MAX_PIXELS: Final = 50_000_000
"""A camera's photograph has as many; what claims more is refused before it is unpacked."""
ORIENTATION: Final = 0x0112
"""The EXIF tag that says how a camera was held; 1 is upright."""
BOX_SHARE: Final = 20 / 28
"""Side of the box that the ink is fitted into, as a share of the image's side."""
WORKING_SIDE: Final = 1024
"""Larger pictures are reduced to at most about this side before they are looked at."""
MIN_CONTRAST: Final = 12.0
"""Grey levels by which ink must differ from its background to be seen."""
INK_SHARE: Final = 0.15
"""What has at least this share of the strongest ink counts as ink where the edges of a drawing are sought: less would
find the ripples that JPEG puts around a stroke, more would cut off soft edges."""

_Grey: TypeAlias = Float64[np.ndarray, "h w"]
_Box: TypeAlias = tuple[slice, slice]


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedImage:
    """An image in MNIST's form, and what was done to bring it there."""

    image: UInt8[Tensor, "c r r"]
    steps: tuple[str, ...]
    """What was done, in order, in words such as "inverted"; empty for an image that was left exactly as it is."""

    @property
    def description(self) -> str:
        """The steps as a line of text."""
        return ", ".join(self.steps) or "as it is"


def prepare_image(
    source: Path | bytes, *, resolution: int, channels: int = 1, name: str | None = None
) -> PreparedImage:
    """Bring an image file to MNIST's form.

    An image that has the resolution and a dark border is left exactly as it is. Of any other, whatever its size, mode,
    transparency and polarity: colours become greys; the background is taken away, light ink on it kept and dark ink
    inverted; the ink is cropped, fitted at its own proportions into a box of 20/28 of the resolution, and centred by
    mass.

    Args:
        source: a file, or a file's content.
        resolution: side of the result, in pixels.
        channels: of the result; with 3, a colour image of the resolution is left exactly as it is, and any other's grey
            is repeated.
        name: what messages call the image; None takes the file's path.

    Raises:
        DataError: the file is missing, too large, or no image that can be read, or nothing is to be seen in it.
    """
    shown = name or (str(source) if isinstance(source, Path) else "the image")
    picture, steps = _decode(_read(source, shown), shown)
    kept = _keep(picture, resolution=resolution, channels=channels)
    if kept is not None:
        image, how = kept
    else:
        image, how = _redraw(picture, resolution=resolution, shown=shown)
        image = image[None].repeat(channels, axis=0)
        how = [*how, *([_repeated(channels)] if channels > 1 else [])]
    if np.ptp(image) == 0:
        raise _nothing_to_see(shown)
    return PreparedImage(image=torch.from_numpy(image.copy()), steps=(*steps, *how))


def _read(source: Path | bytes, shown: str) -> bytes:
    if isinstance(source, bytes):
        content = source
    else:
        try:
            with source.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise DataError(
                f"{shown} cannot be read: {error.strerror or error}; give the path of an image file"
            ) from error
    if len(content) > MAX_FILE_BYTES:
        raise DataError(
            f"{shown} has more than {MAX_FILE_BYTES >> 20} MiB; save it smaller, a digit needs 28 x 28 pixels"
        )
    return content


def _decode(content: bytes, shown: str) -> tuple[Image.Image, list[str]]:
    """The file's (first) picture, upright, and what had to be done for that."""
    steps = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata that is not used here
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
            if getattr(picture, "n_frames", 1) > 1:
                steps.append(f"first of {picture.n_frames} frames")  # type: ignore[attr-defined]
            if picture.width * picture.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            picture.load()
            turned = picture.getexif().get(ORIENTATION, 1) in range(2, 9)
            upright = ImageOps.exif_transpose(picture) if turned else picture
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        most = min(MAX_PIXELS, Image.MAX_IMAGE_PIXELS or MAX_PIXELS)
        raise DataError(
            f"{shown} unpacks to more than {most:,} pixels; save it smaller, a digit needs 28 x 28"
        ) from error
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        raise DataError(
            f"{shown} is not an image that can be read, or is damaged; save it as PNG or JPEG and try again"
        ) from error
    if turned:
        steps.append("turned upright")
    return _without_idle_transparency(upright), steps


def _without_idle_transparency(picture: Image.Image) -> Image.Image:
    """The picture as RGBA where something in it is transparent, else without transparency."""
    if picture.mode not in {"LA", "La", "PA", "RGBA", "RGBa"} and "transparency" not in picture.info:
        return picture
    colour = picture.convert("RGBA")
    opaque = colour.getchannel("A").getextrema() == (255, 255)
    return colour.convert("RGB") if opaque else colour


def _keep(
    picture: Image.Image, *, resolution: int, channels: int
) -> tuple[UInt8[np.ndarray, "c r r"], list[str]] | None:
    """The picture exactly as it is, or inverted where its border is bright; None if that does not give MNIST's form."""
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
    if _border(image).mean() < 128:
        return image, repeated
    return (255 - image, ["inverted", *repeated]) if _border(255 - image).mean() < 64 else None


def _redraw(picture: Image.Image, *, resolution: int, shown: str) -> tuple[UInt8[np.ndarray, "r r"], list[str]]:
    """White on black, cropped, fitted and centred, and how."""
    whole = f"{picture.width}x{picture.height}"
    grey, steps, factor = _to_grey(picture)
    ink, inverted = _separate_ink(grey)
    if ink.max() < MIN_CONTRAST:
        raise _nothing_to_see(shown)
    rows, columns = _ink_box(ink)
    width, height = columns.stop - columns.start, rows.stop - rows.start
    scale = round(resolution * BOX_SHARE) / max(width, height)
    fitted_size = (max(1, round(width * scale)), max(1, round(height * scale)))
    cropped = f"{min(width * factor, picture.width)}x{min(height * factor, picture.height)}"
    fitted = _resize(ink[rows, columns], fitted_size)
    core = float(np.percentile(fitted[fitted > INK_SHARE * fitted.max()], 90))
    pale = core < 230
    steps = [
        *steps,
        *(["inverted"] if inverted else []),
        *([f"cropped {whole} to {cropped}"] if cropped != whole else []),
        f"resized {cropped} to {fitted_size[0]}x{fitted_size[1]}",
        *(["contrast stretched"] if pale else []),
        "centred by mass",
    ]
    strong = np.clip(fitted * (255 / core), 0, 255) if pale else fitted
    return centre_by_mass(np.rint(strong).astype(np.uint8), resolution=resolution), steps


def _to_grey(picture: Image.Image) -> tuple[_Grey, list[str], int]:
    """Grey levels from 0 to 255, what was done for that, and the whole number by which the picture was reduced."""
    steps: list[str] = []
    if picture.mode[0] in "IF":  # more than 8 bits
        levels = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0, neginf=0)
        low, high = levels.min(), levels.max()
        picture = Image.fromarray(((levels - low) * (255 / max(high - low, 1e-9))).astype(np.uint8))
        steps.append("brought to 8 bits")
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
    """Lay a transparent picture on a ground that lets its drawing be seen.

    Where everything visible has about one grey, the shape is in the transparency, and the ground is what contrasts.
    Where not, the drawing has its own ground, which is what most of it shows, and that is continued.
    """
    levels, alpha = np.asarray(grey, dtype=np.float64), np.asarray(opacity, dtype=np.float64) / 255
    visible = levels[alpha > 0.5]
    if not visible.size:
        return np.zeros_like(levels)
    low, middle, high = np.percentile(visible, [0.5, 50, 99.5])
    one_grey = high - low < 100
    ground = (255.0 if middle < 128 else 0.0) if one_grey else middle
    return alpha * levels + (1 - alpha) * ground


def _separate_ink(grey: _Grey) -> tuple[_Grey, bool]:
    """How much each pixel differs from the background in the ink's direction, and whether that is towards dark.

    The ink is on the side on which the differences are greater: their cubes weigh strong strokes over noise and shades.
    """
    background, noise = _background(grey)
    difference = grey - background
    inverted = bool((difference**3).sum() < 0)
    ink = -difference if inverted else difference
    return np.clip(ink - 4 * noise, 0, 255), inverted


def _background(grey: _Grey) -> tuple[_Grey, float]:
    """The background as a plane through the border's levels (a light from one side is a slope), and its noise.

    What differs much from the border's median is ink that touches the edge, and is left out.
    """
    y, x = np.indices(grey.shape)
    frame = _frame(grey.shape)
    terms = np.stack([np.ones_like(grey), x / grey.shape[1], y / grey.shape[0]], axis=-1)  # [H, W, 3]
    levels, places = grey[frame], terms[frame]
    near = np.abs(levels - np.median(levels)) < 60
    plane, *_ = np.linalg.lstsq(places[near], levels[near], rcond=None)
    residuals = levels[near] - places[near] @ plane
    noise = 1.4826 * float(np.median(np.abs(residuals)))
    return np.round(terms @ plane, 3), noise if noise > 0.5 else 0.0


def _frame(shape: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    """The pixels at the border: a fiftieth of the shorter side, at least one pixel."""
    width = max(1, min(shape) // 50)
    frame = np.ones(shape, dtype=bool)
    frame[width:-width, width:-width] = False
    return frame


def _border(image: UInt8[np.ndarray, "c h w"]) -> UInt8[np.ndarray, "..."]:
    return image[:, _frame(image.shape[1:])]


def _ink_box(ink: _Grey) -> _Box:
    """Rows and columns that hold the ink, but for specks that vanish when the picture is blurred."""
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
    """Reduced by averaging, so that strokes are anti-aliased and a picture enlarged by a whole number comes back."""
    method = Image.Resampling.BOX if size[0] <= ink.shape[1] else Image.Resampling.BICUBIC
    resized = Image.fromarray(ink.astype(np.float32)).resize(size, method)
    return np.clip(np.asarray(resized, dtype=np.float64), 0, 255)


def centre_by_mass(fitted: UInt8[np.ndarray, "h w"], *, resolution: int) -> UInt8[np.ndarray, "r r"]:
    """Placed so that the centre of mass is in the pixel at half the resolution, as in MNIST, but never cut off."""
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


def _nothing_to_see(shown: str) -> DataError:
    return DataError(
        f"nothing is to be seen in {shown}: its pixels are all about the same; give an image with a digit on it"
    )
