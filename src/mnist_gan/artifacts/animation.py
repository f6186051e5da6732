"""Animations of sample grids: GIF or animated WebP of at most 2 MB."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeVar

from PIL import Image, ImageDraw, ImageFont

from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.storage import write_bytes

MAX_BYTES: Final = 2_000_000
"""Upper bound of a file; animations are encoded more coarsely until they fit or the coarsest setting is reached."""
MAX_FRAMES: Final = 60
FRAME_MS: Final = 120
TRAINING_MS: Final = 5000
"""Approximate duration of the animation of a training; each frame lasts `SHORTEST_MS` to `LONGEST_MS`."""
SHORTEST_MS: Final = 80
LONGEST_MS: Final = 500
FIRST_MS: Final = 800
LAST_MS: Final = 2500

_Item = TypeVar("_Item")
_SAMPLE_NAME: Final = re.compile(r"epoch-(\d+)\.png")
_GIF_TRIES: Final = ((560, 64), (480, 32), (400, 16), (320, 16), (240, 8))
"""Maximum width in pixels and number of grey levels, finest first."""
_WEBP_TRIES: Final = ((560, 80), (480, 70), (400, 60), (320, 50), (240, 40))
"""Maximum width in pixels and quality in percent, finest first."""
_PAPER, _TEXT, _TRACK, _BAR = 18, 235, 60, 180


def find_samples(folder: Path | str) -> list[tuple[int, Path]]:
    """Sample grids `epoch-NNNN.png` of a run as (epoch, path), sorted by epoch.

    Raises:
        ArtifactError: the folder has none.
    """
    names = ((_SAMPLE_NAME.fullmatch(path.name), path) for path in Path(folder).glob("epoch-*.png"))
    found = sorted((int(match[1]), path) for match, path in names if match)
    if not found:
        raise ArtifactError(f"{folder} has no sample grids (epoch-0000.png, ...); train the run first")
    return found


def animate_samples(folder: Path | str, *paths: Path | str, max_frames: int = MAX_FRAMES) -> None:
    """Write the sample grids of a run as animations with the epoch below. The first and last frames last longer.

    Args:
        folder: the run's samples.
        paths: output files; the suffix `.gif` or `.webp` selects the format.
        max_frames: upper bound; more grids are thinned evenly, keeping the first and the last.

    Raises:
        ArtifactError: there are no grids, one cannot be read, or they differ in size.
        ConfigError: another suffix, or `max_frames` below 2.
        StorageError: a file cannot be written.
    """
    if max_frames < 2:
        raise ConfigError(f"an animation needs at least 2 frames, got {max_frames}")
    samples = thin(find_samples(folder), count=max_frames)
    grids = [_read_grid(path) for _, path in samples]
    odd = next((path for (_, path), grid in zip(samples, grids, strict=True) if grid.size != grids[0].size), None)
    if odd is not None:
        raise ArtifactError(f"{odd} differs in size from {samples[0][1].name}; remove files that are not of this run")
    captions = [f"epoch {epoch}" for epoch, _ in samples]
    progress = [epoch / max(1, samples[-1][0]) for epoch, _ in samples]
    frame_ms = max(
        SHORTEST_MS, min(LONGEST_MS, TRAINING_MS // len(grids) // 10 * 10)
    )  # GIF stores hundredths of a second
    for path in paths:
        save_animation(path, grids, captions=captions, progress=progress, frame_ms=frame_ms)


def save_animation(
    path: Path | str,
    frames: Sequence[Image.Image],
    *,
    captions: Sequence[str] | None = None,
    progress: Sequence[float] | None = None,
    frame_ms: int = FRAME_MS,
    first_ms: int = FIRST_MS,
    last_ms: int = LAST_MS,
) -> None:
    """Write pictures of one size as a looping animation. The same pictures give the same bytes.

    Args:
        path: ends in `.gif` or `.webp`.
        frames: one or more pictures of mode L or RGB.
        captions: one line of text below each frame.
        progress: values in [0, 1], drawn as a bar below each caption.
        frame_ms: duration of a frame, in milliseconds.
        first_ms: duration of the first frame; use `frame_ms` for a closed path.
        last_ms: duration of the last frame.

    Raises:
        ConfigError: another suffix.
        StorageError: the file cannot be written.
    """
    form = animation_format(path)
    content = encode_animation(
        frames,
        form=form,
        captions=captions,
        progress=progress,
        frame_ms=frame_ms,
        first_ms=first_ms,
        last_ms=last_ms,
    )
    write_bytes(path, content)


def encode_animation(
    frames: Sequence[Image.Image],
    *,
    form: Literal["GIF", "WEBP"],
    captions: Sequence[str] | None = None,
    progress: Sequence[float] | None = None,
    frame_ms: int = FRAME_MS,
    first_ms: int = FIRST_MS,
    last_ms: int = LAST_MS,
) -> bytes:
    """Bytes of the file of `save_animation`. Further arguments as there."""
    durations = [first_ms, *[frame_ms] * (len(frames) - 2), last_ms][: len(frames)]
    for width, fineness in _GIF_TRIES if form == "GIF" else _WEBP_TRIES:
        small = [_shrink(frame, width) for frame in frames]
        if captions is not None:
            shares = [0.0] * len(small) if progress is None else progress
            small = [_add_footer(*parts) for parts in zip(small, captions, shares, strict=True)]
        content = (_encode_gif if form == "GIF" else _encode_webp)(small, durations, fineness)
        if len(content) <= MAX_BYTES:
            break
    return content


def animation_format(path: Path | str) -> Literal["GIF", "WEBP"]:
    """Format of a path's suffix.

    Raises:
        ConfigError: neither .gif nor .webp.
    """
    match Path(path).suffix.lower():
        case ".gif":
            return "GIF"
        case ".webp":
            return "WEBP"
    raise ConfigError(f"{path} has no suffix of an animation; end its name in .gif or .webp")


def thin(items: Sequence[_Item], *, count: int) -> list[_Item]:
    """At most `count` items, evenly spaced, including the first and the last."""
    if len(items) <= count:
        return list(items)
    return [items[round(index * (len(items) - 1) / (count - 1))] for index in range(count)]


def _read_grid(path: Path) -> Image.Image:
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            return picture.convert("L" if picture.mode in {"1", "L"} else "RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read as a PNG; remove it to animate the others") from error


def _shrink(frame: Image.Image, width: int) -> Image.Image:
    if frame.width <= width:
        return frame
    return frame.resize((width, max(1, round(frame.height * width / frame.width))), Image.Resampling.LANCZOS)


def _add_footer(frame: Image.Image, caption: str, share: float) -> Image.Image:
    """Frame with a band below it: the caption, then a bar over `share` of the width."""
    text_size = max(14, frame.width // 24)
    height, bar = text_size * 3 // 2, max(2, text_size // 6)
    picture = Image.new(frame.mode, (frame.width, frame.height + height + bar), _grey(frame, _PAPER))
    picture.paste(frame, (0, 0))
    draw = ImageDraw.Draw(picture)
    place = (text_size // 2, frame.height + height / 2)
    draw.text(place, caption, fill=_grey(frame, _TEXT), font=ImageFont.load_default(text_size), anchor="lm")
    picture.paste(_grey(frame, _TRACK), (0, frame.height + height, frame.width, picture.height))
    picture.paste(_grey(frame, _BAR), (0, frame.height + height, round(frame.width * share), picture.height))
    return picture


def _grey(frame: Image.Image, level: int) -> int | tuple[int, int, int]:
    return level if frame.mode == "L" else (level, level, level)


def _encode_gif(frames: Sequence[Image.Image], durations: Sequence[int], colours: int) -> bytes:
    first, *others = [_with_palette(frame, colours) for frame in frames]
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=list(durations), loop=0, optimize=False)
    return buffer.getvalue()


def _with_palette(frame: Image.Image, colours: int) -> Image.Image:
    """Frame with a palette: evenly spaced greys, the same for every frame, or colours chosen for this frame."""
    if frame.mode != "L":
        return frame.quantize(colours, dither=Image.Dither.NONE)
    step = 255 / (colours - 1)
    indices = frame.point([round(level / step) for level in range(256)])
    indexed = Image.frombytes("P", frame.size, indices.tobytes())
    indexed.putpalette([round(index * step) for index in range(colours) for _ in range(3)])
    return indexed


def _encode_webp(frames: Sequence[Image.Image], durations: Sequence[int], quality: int) -> bytes:
    first, *others = [frame.convert("RGB") for frame in frames]
    buffer = io.BytesIO()
    first.save(buffer, "WEBP", save_all=True, append_images=others, duration=list(durations), loop=0, quality=quality)
    return buffer.getvalue()
