"""The Explore page: pictures from an address. The same address always gives the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from mnist_gan import sampling
from mnist_gan.artifacts.animation import encode_animation
from mnist_gan.artifacts.pictures import encode_npz, encode_png, to_picture
from mnist_gan.artifacts.scoring import score_images
from mnist_gan.sampling.truncation import MAX_PSI
from mnist_gan.studio import api
from mnist_gan.studio.context import studio_of
from mnist_gan.studio.params import Query
from mnist_gan.studio.services.inference import DIRECTION_COUNT, Inference
from mnist_gan.studio.services.judging import recognize
from mnist_gan.studio.services.present import recognition_json, score_json
from mnist_gan.studio.services.queue import QueueEntry
from mnist_gan.studio.services.scene import Scene, View, encode_z

MAX_SEED: Final = 2**53 - 1
"""Largest integer that JavaScript represents exactly."""
MAX_INDEX: Final = 1_000_000
MAX_SLIDER: Final = 6.0
MAX_SLIDERS: Final = 64
MAX_TILES: Final = 200
MAX_STEPS: Final = 60
MAX_PIXELS: Final = 4_000_000
"""Pixels of a picture, or of all frames of an animation together."""
STRIP_RANGE: Final = 3.0
FRAME_MS: Final = 80
SLOW_FRAME_MS: Final = 350
"""Frame duration of a time-lapse, which has about a dozen frames."""
MEDIA_TYPES: Final = {"png": "image/png", "gif": "image/gif", "npz": "application/octet-stream"}


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Images and their arrangement."""

    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, "n"] | None
    z: Float[Tensor, "n z_dim"]
    columns: int
    there_and_back: bool = False
    """True if an animation returns to its first frame in reverse order."""
    frame_ms: int = FRAME_MS


Draw: TypeAlias = Callable[[Scene, Query, Inference], Sheet]


def parse_view(query: Query) -> View:
    """Read a view; missing parameters take their defaults.

    Raises:
        HTTPException: 400 for a value out of range.
    """
    psi = query.number("psi", low=0, high=MAX_PSI)
    return View(
        model=query.text("model") or "shipped",
        at=query.whole("at", high=10**15),
        digit=query.whole("digit", high=9999),
        seed=query.whole("seed", high=MAX_SEED) or 0,
        index=query.whole("index", high=MAX_INDEX) or 0,
        z=query.text("z"),
        psi=1.0 if psi is None else psi,
        sliders=query.numbers("d", low=-MAX_SLIDER, high=MAX_SLIDER, most=MAX_SLIDERS),
        mix=query.whole("mix", high=9999),
        t=query.number("t", low=0, high=1) or 0.0,
    )


def _route(name: str, formats: Sequence[str], draw: Draw, *, scale: int) -> Route:
    """Route `/api/explore/<name>`, which answers with the picture that `draw` makes."""

    async def handle(request: Request) -> Response:
        inference, query = studio_of(request).inference, Query(request.query_params)
        view, form = parse_view(query), query.choice("format", formats)
        size = query.whole("scale", low=1, high=16) or scale
        await compute_directions(request, view, query)

        def work(entry: QueueEntry) -> bytes:
            sheet = draw(Scene.open(view, inference, entry.check), query, inference)
            entry.check()
            return _encode(sheet, form=form, scale=size)

        content = await inference.picture_queue.run(work, disconnected=request.is_disconnected)
        return _respond(request, content, form=form, name=f"{name}-{_short_name(view)}")

    return Route(f"/api/explore/{name}", handle)


async def compute_directions(request: Request, view: View, query: Query) -> None:
    """Compute the directions that a view needs, which takes longer than a picture may."""
    query.whole("direction", high=DIRECTION_COUNT - 1)  # refused before the computation
    if view.needs_directions or query.text("direction") is not None:
        inference = studio_of(request).inference
        await inference.directions(view.model, disconnected=request.is_disconnected)


def _image(scene: Scene, _: Query, __: Inference) -> Sheet:
    """Draw the view."""
    z, labels = scene.latent(), scene.labels([scene.view.index])
    return Sheet(images=scene.draw(z, labels), labels=labels, z=z, columns=1)


def _samples(scene: Scene, query: Query, _: Inference) -> Sheet:
    """Draw images `first` to `first + n` of the view's seed."""
    n = query.whole("n", low=1, high=MAX_TILES) or 40
    columns = query.whole("columns", low=1, high=50) or 10
    first = query.whole("first", high=MAX_INDEX) or 0
    z, labels = scene.latents(first, n), scene.labels(range(first, first + n))
    return Sheet(images=scene.draw(z, labels), labels=labels, z=z, columns=columns)


def _strip(scene: Scene, query: Query, _: Inference) -> Sheet:
    """Draw the view at even steps along one direction."""
    n = query.whole("n", low=3, high=15) or 7
    directions = scene.model.directions
    if query.text("direction") is None or directions is None:
        raise HTTPException(400, "direction must be the number of a slider.")
    direction = query.whole("direction", high=len(directions) - 1) or 0
    amounts = torch.linspace(-STRIP_RANGE, STRIP_RANGE, n)
    current = scene.view.sliders[direction] if direction < len(scene.view.sliders) else 0.0
    z = scene.latent() + (amounts[:, None] - current) * directions.vectors[direction]
    labels = scene.labels([scene.view.index] * n)
    return Sheet(images=scene.draw(z, labels), labels=labels, z=z, columns=n)


def _path(scene: Scene, query: Query, _: Inference) -> Sheet:
    """Draw the path from the view to another image, along the sphere."""
    ends = torch.cat([scene.latent(), scene.latent(_other_end(scene.view, query))])
    z = sampling.path_through(ends, steps=_steps(query))
    labels = scene.labels([scene.view.index] * len(z))
    columns = _columns(query, len(z))
    return Sheet(images=scene.draw(z, labels), labels=labels, z=z, columns=columns, there_and_back=True)


def _other_end(view: View, query: Query) -> View:
    """Other end of a path: another place in the latent space, with the same truncation and sliders."""
    seed, index = query.whole("to_seed", high=MAX_SEED), query.whole("to_index", high=MAX_INDEX)
    default = (view.seed + 1) % (MAX_SEED + 1) if index is None else view.seed
    return replace(
        view,
        z=query.text("to_z"),
        seed=default if seed is None else seed,
        index=view.index if index is None else index,
    )


def _mix(scene: Scene, query: Query, _: Inference) -> Sheet:
    """Draw the way from one digit to another with the same z."""
    labels = scene.labels([scene.view.index])
    if labels is None:
        raise HTTPException(409, "This model is unconditional; it cannot blend digits.")
    if scene.view.mix is None:
        raise HTTPException(400, "mix must name the other digit.")
    ends = scene.G.embed(torch.cat([labels, torch.full_like(labels, scene.view.mix)]))
    embedded = sampling.path_through(ends, steps=_steps(query), between=sampling.lerp)
    z = scene.latent().expand(len(embedded), -1)
    columns = _columns(query, len(z))
    return Sheet(images=scene.draw_embedded(z, embedded), labels=None, z=z, columns=columns, there_and_back=True)


def _columns(query: Query, n: int) -> int:
    return query.whole("columns", low=1, high=MAX_TILES) or n


def _steps(query: Query) -> int:
    return query.whole("steps", low=1, high=MAX_STEPS) or 8


def _timelapse(scene: Scene, query: Query, inference: Inference) -> Sheet:
    """Draw the same z with every snapshot, and at last with the model itself."""
    snapshots = scene.model.snapshots()
    if not snapshots:
        message = f"{scene.model.id} has no snapshots of its training; a training keeps them with --run.snapshots."
        raise HTTPException(409, message)
    z, labels = scene.latent(), scene.labels([scene.view.index])
    images = [
        scene.with_generator(inference.generator(scene.model, at)).draw(z, labels)
        for at in [*(snapshot.cur_nimg for snapshot in snapshots), None]
    ]
    n = len(images)
    return Sheet(
        images=torch.cat(images),
        labels=None if labels is None else labels.expand(n),
        z=z.expand(n, -1),
        columns=_columns(query, n),
        frame_ms=SLOW_FRAME_MS,
    )


async def get_score(request: Request) -> Response:
    """Score the view's image, and recognize its digit."""

    def judge(scene: Scene) -> api.ViewScore:
        labels = scene.labels([scene.view.index])
        images = scene.draw(scene.latent(), labels)
        (score,) = score_images(scene.model.gan, images, labels=labels, label_source="requested")
        recognition = recognition_json(recognize(images[0])) if scene.model.gan.trained_on_digits else None
        return {"recognition": recognition, "score": score_json(score)}

    return await _json(request, judge)


async def get_z(request: Request) -> Response:
    """Encode the view's z, with truncation and sliders."""

    def encode(scene: Scene) -> api.Latent:
        z = scene.latent()[0]
        return {"z": encode_z(z), "norm": float(z.norm()), "typical_norm": scene.G.z_dim**0.5}

    return await _json(request, encode)


async def _json(request: Request, compute: Callable[[Scene], api.ViewScore | api.Latent]) -> Response:
    inference, view = studio_of(request).inference, parse_view(Query(request.query_params))
    await compute_directions(request, view, Query({}))
    value = await inference.picture_queue.run(
        lambda entry: compute(Scene.open(view, inference, entry.check)), disconnected=request.is_disconnected
    )
    return JSONResponse(value)


def _encode(sheet: Sheet, *, form: str, scale: int) -> bytes:
    """Encode a sheet as a file."""
    _, channels, height, width = sheet.images.shape
    if form == "npz":
        return encode_npz(sheet.images, sheet.labels, {"z": sheet.z.numpy()})
    if len(sheet.images) * height * width * scale * scale > MAX_PIXELS:
        raise HTTPException(
            400, f"This would be more than {MAX_PIXELS:,} pixels; ask for fewer images or a lower scale."
        )
    if channels not in {1, 3}:
        raise HTTPException(409, f"Images of {channels} channels cannot be shown; download them as .npz.")
    tiles = [_enlarge(image, scale) for image in sheet.images.numpy()]
    return _animate(tiles, sheet) if form == "gif" else encode_png(_arrange(tiles, sheet.columns))


def _animate(tiles: Sequence[Image.Image], sheet: Sheet) -> bytes:
    if sheet.there_and_back:
        frames = [*tiles, *tiles[-2:0:-1]]
        return encode_animation(
            frames, form="GIF", frame_ms=sheet.frame_ms, first_ms=sheet.frame_ms, last_ms=sheet.frame_ms
        )
    return encode_animation(tiles, form="GIF", frame_ms=sheet.frame_ms, first_ms=2 * sheet.frame_ms)


def _enlarge(image: UInt8[np.ndarray, "c h w"], scale: int) -> Image.Image:
    picture = to_picture(image)
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def _arrange(tiles: Sequence[Image.Image], columns: int) -> Image.Image:
    """Arrange tiles row by row without gaps; an incomplete last row ends in black."""
    columns, (width, height) = min(columns, len(tiles)), tiles[0].size
    sheet = Image.new(tiles[0].mode, (columns * width, -(-len(tiles) // columns) * height))
    for place, tile in enumerate(tiles):
        sheet.paste(tile, (place % columns * width, place // columns * height))
    return sheet


def _short_name(view: View) -> str:
    """Name of a downloaded file: letters and digits only."""
    place = "z" if view.z is not None else f"seed{view.seed}-{view.index}"
    parts = ["" if view.digit is None else f"digit{view.digit}", place, "" if view.at is None else f"at{view.at}"]
    return "-".join(part for part in parts if part)


def _respond(request: Request, content: bytes, *, form: str, name: str) -> Response:
    """Send a file, or 304 if the client has it."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"etag": etag, "cache-control": "no-cache"}
    if request.query_params.get("download") == "1" or form == "npz":
        headers["content-disposition"] = f'attachment; filename="{name}.{form}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)


ROUTES: Final = [
    _route("image", ("png", "npz"), _image, scale=8),
    _route("samples", ("png", "npz"), _samples, scale=4),
    _route("strip", ("png", "npz"), _strip, scale=2),
    _route("path", ("png", "gif", "npz"), _path, scale=4),
    _route("mix", ("png", "gif", "npz"), _mix, scale=4),
    _route("timelapse", ("png", "gif", "npz"), _timelapse, scale=4),
    Route("/api/explore/score", get_score),
    Route("/api/explore/z", get_z),
]
