"""Exploring a model: pictures from an address. The same address gives the same bytes.

Every handler reads the whole state from its query (`View`) and hands the drawing to the lane for pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from mnist_gan import sampling
from mnist_gan.artifacts.animation import encode_animation
from mnist_gan.artifacts.pictures import encode_npz, encode_png, to_picture
from mnist_gan.studio import models, opinions
from mnist_gan.studio.inference import Ticket
from mnist_gan.studio.models import workbench_of
from mnist_gan.studio.problems import Problem
from mnist_gan.studio.views import MAX_INDEX, MAX_SEED, Query, Scene, View, encode_z

MAX_TILES: Final = 200
MAX_STEPS: Final = 60
MAX_PIXELS: Final = 4_000_000
"""Of a picture, or of all frames of an animation together."""
STRIP_RANGE: Final = 3.0
FRAME_MS: Final = 80
SLOW_FRAME_MS: Final = 350
"""For a time-lapse of a dozen moments."""
PNG_LEVEL: Final = 6
"""The finest, 9, takes four times as long and saves a twentieth."""
MEDIA_TYPES: Final = {"png": "image/png", "gif": "image/gif", "npz": "application/octet-stream"}


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Images, and how they are handed over."""

    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, "n"] | None
    z: Float[Tensor, "n z_dim"]
    columns: int
    there_and_back: bool = False
    """Whether an animation goes back the way it came."""
    frame_ms: int = FRAME_MS


Draw = Callable[[Scene, Query, Ticket], Sheet]


def _endpoint(name: str, formats: Sequence[str], draw: Draw, *, scale: int) -> Route:
    """A route that answers with pictures."""

    async def handle(request: Request) -> Response:
        query = Query(request.query_params)
        view, form = View.of(query), query.choice("format", formats)
        size = query.whole("scale", low=1, high=16) or scale
        await _prepare(request, view, query)

        def work(ticket: Ticket) -> bytes:
            scene = Scene.of(view, workbench)
            return _encode(draw(scene, query, ticket), form=form, scale=size, ticket=ticket)

        workbench = workbench_of(request)
        content = await workbench.pictures.run(request, work)
        return _answer(request, content, form=form, name=f"{name}-{_short_name(view)}")

    return Route(f"/api/explore/{name}", handle)


async def _prepare(request: Request, view: View, query: Query) -> None:
    """Find the model's directions, where the view needs them: that takes longer than a picture may."""
    if view.needs_directions or query.text("direction") is not None:
        await workbench_of(request).directions(request, view.model)


def _one(scene: Scene, _: Query, ticket: Ticket) -> Sheet:
    """The view's picture."""
    z, labels = scene.latent(), scene.labels([scene.view.index])
    return Sheet(images=scene.draw(z, labels, ticket=ticket), labels=labels, z=z, columns=1)


def _samples(scene: Scene, query: Query, ticket: Ticket) -> Sheet:
    """Images `first` to `first + n` of the view's seed."""
    n = query.whole("n", low=1, high=MAX_TILES) or 40
    columns = query.whole("columns", low=1, high=50) or 10
    first = query.whole("first", high=MAX_INDEX) or 0
    z, labels = scene.latents(first, n), scene.labels(range(first, first + n))
    return Sheet(images=scene.draw(z, labels, ticket=ticket), labels=labels, z=z, columns=columns)


def _strip(scene: Scene, query: Query, ticket: Ticket) -> Sheet:
    """The view at even steps of one slider, the others as they are."""
    n = query.whole("n", low=3, high=15) or 7
    directions = scene.model.directions
    if query.text("direction") is None or directions is None:
        raise Problem(400, "direction must be the number of a slider")
    which = query.whole("direction", high=len(directions) - 1) or 0
    amounts = torch.linspace(-STRIP_RANGE, STRIP_RANGE, n)
    here = scene.view.sliders[which] if which < len(scene.view.sliders) else 0.0
    z = scene.latent() + (amounts[:, None] - here) * directions.vectors[which]
    labels = scene.labels([scene.view.index] * n)
    return Sheet(images=scene.draw(z, labels, ticket=ticket), labels=labels, z=z, columns=n)


def _path(scene: Scene, query: Query, ticket: Ticket) -> Sheet:
    """From the view to another image, along the sphere."""
    steps = _steps(query)
    other = View.of(Query(_other_end(scene.view, query)))
    end = scene.towards(other).latent()
    z = sampling.path_through(torch.cat([scene.latent(), end]), steps=steps)
    labels = scene.labels([scene.view.index] * len(z))
    images = scene.draw(z, labels, ticket=ticket)
    return Sheet(images=images, labels=labels, z=z, columns=_columns(query, len(z)), there_and_back=True)


def _other_end(view: View, query: Query) -> dict[str, str]:
    """The query of a path's other end: another place, the same truncation and sliders."""
    seed, index = query.whole("to_seed", high=MAX_SEED), query.whole("to_index", high=MAX_INDEX)
    default = (view.seed + 1) % (MAX_SEED + 1) if index is None else view.seed
    shared = {"psi": format(view.psi, ".12f"), "d": ",".join(format(amount, ".12f") for amount in view.sliders)}
    there = query.text("to_z")
    if there is not None:
        return {**shared, "z": there}
    return {
        **shared,
        "seed": str(default if seed is None else seed),
        "index": str(view.index if index is None else index),
    }


def _mix(scene: Scene, query: Query, ticket: Ticket) -> Sheet:
    """From one digit to another in one hand."""
    steps, labels = _steps(query), scene.labels([scene.view.index])
    if labels is None:
        raise Problem(409, "this model is unconditional: there is nothing between one digit and another")
    if scene.view.mix is None:
        raise Problem(400, "mix must name the other digit")
    stations = scene.G.embed(torch.cat([labels, torch.full_like(labels, scene.view.mix)]))
    embedded = sampling.path_through(stations, steps=steps, between=sampling.lerp)
    z = scene.latent().expand(len(embedded), -1)
    images = scene.draw_embedded(z, embedded, ticket=ticket)
    return Sheet(images=images, labels=None, z=z, columns=_columns(query, len(z)), there_and_back=True)


def _columns(query: Query, n: int) -> int:
    return query.whole("columns", low=1, high=MAX_TILES) or n


def _steps(query: Query) -> int:
    return query.whole("steps", low=1, high=MAX_STEPS) or 8


def _timelapse(scene: Scene, query: Query, ticket: Ticket) -> Sheet:
    """The same z at every moment that was kept, and at last the model itself."""
    moments = scene.model.moments()
    if not moments:
        raise Problem(409, f"{scene.model.id} kept no generators of its training; runs do with --run.snapshots")
    z, labels = scene.latent(), scene.labels([scene.view.index])
    images = []
    for moment in [*(one.cur_nimg for one in moments), None]:
        ticket.check()
        images.append(scene.at(moment).draw(z, labels, ticket=ticket))
    n = len(images)
    return Sheet(
        images=torch.cat(images),
        labels=None if labels is None else labels.expand(n),
        z=z.expand(n, -1),
        columns=_columns(query, n),
        frame_ms=SLOW_FRAME_MS,
    )


async def _opinion(request: Request) -> Response:
    """What both networks say of the view's picture."""
    workbench, view = workbench_of(request), View.of(Query(request.query_params))
    await _prepare(request, view, Query({}))

    def work(ticket: Ticket) -> dict[str, Any]:
        scene = Scene.of(view, workbench)
        labels = scene.labels([view.index])
        image = scene.draw(scene.latent(), labels, ticket=ticket)[0]
        reading = opinions.read(image)
        label = None if labels is None else int(labels[0])
        asked = opinions.Asked(label=label, source="none" if label is None else "digit")
        return {"reading": reading, "opinion": opinions.opinion(scene.model.gan, image, asked)}

    return JSONResponse(await workbench.pictures.run(request, work))


async def _latent(request: Request) -> Response:
    """The view's z, with truncation and sliders in it."""
    workbench, view = workbench_of(request), View.of(Query(request.query_params))
    await _prepare(request, view, Query({}))

    def work(_: Ticket) -> dict[str, Any]:
        scene = Scene.of(view, workbench)
        z = scene.latent()[0]
        return {"z": encode_z(z), "norm": float(z.norm()), "typical_norm": scene.G.z_dim**0.5}

    return JSONResponse(await workbench.pictures.run(request, work))


def _encode(sheet: Sheet, *, form: str, scale: int, ticket: Ticket) -> bytes:
    """The bytes of a file."""
    _, channels, height, width = sheet.images.shape
    if form != "npz" and len(sheet.images) * height * width * scale * scale > MAX_PIXELS:
        raise Problem(400, f"this would be more than {MAX_PIXELS:,} pixels; ask for fewer images or a smaller scale")
    if form == "npz":
        return encode_npz(sheet.images, sheet.labels, {"z": sheet.z.numpy()})
    if channels not in {1, 3}:
        raise Problem(409, f"images of {channels} channels cannot be shown; take them as .npz")
    tiles = [_enlarged(image, scale) for image in sheet.images.numpy()]
    ticket.check()
    return _animation(tiles, sheet) if form == "gif" else encode_png(_sprite(tiles, sheet.columns), level=PNG_LEVEL)


def _animation(tiles: Sequence[Image.Image], sheet: Sheet) -> bytes:
    if sheet.there_and_back:
        frames = [*tiles, *tiles[-2:0:-1]]
        return encode_animation(
            frames, form="GIF", frame_ms=sheet.frame_ms, first_ms=sheet.frame_ms, last_ms=sheet.frame_ms
        )
    return encode_animation(tiles, form="GIF", frame_ms=sheet.frame_ms, first_ms=2 * sheet.frame_ms)


def _enlarged(image: UInt8[np.ndarray, "c h w"], scale: int) -> Image.Image:
    """Each pixel as a square."""
    picture = to_picture(image)
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def _sprite(tiles: Sequence[Image.Image], columns: int) -> Image.Image:
    """The tiles row by row, with nothing between them; a last row that is not full ends in black."""
    columns, (width, height) = min(columns, len(tiles)), tiles[0].size
    sheet = Image.new(tiles[0].mode, (columns * width, -(-len(tiles) // columns) * height))
    for place, tile in enumerate(tiles):
        sheet.paste(tile, (place % columns * width, place // columns * height))
    return sheet


def _short_name(view: View) -> str:
    """What a file is called that is saved; letters and digits only."""
    place = "z" if view.z is not None else f"seed{view.seed}-{view.index}"
    parts = ["" if view.digit is None else f"digit{view.digit}", place, "" if view.at is None else f"at{view.at}"]
    return "-".join(part for part in parts if part)


def _answer(request: Request, content: bytes, *, form: str, name: str) -> Response:
    """The file, or word that the client has it already."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"etag": etag, "cache-control": "no-cache"}
    if request.query_params.get("download") == "1" or form == "npz":
        headers["content-disposition"] = f'attachment; filename="{name}.{form}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)


ROUTES: Final = [
    *models.ROUTES,
    _endpoint("image", ("png", "npz"), _one, scale=8),
    _endpoint("samples", ("png", "npz"), _samples, scale=4),
    _endpoint("strip", ("png", "npz"), _strip, scale=2),
    _endpoint("path", ("png", "gif", "npz"), _path, scale=4),
    _endpoint("mix", ("png", "gif", "npz"), _mix, scale=4),
    _endpoint("timelapse", ("png", "gif", "npz"), _timelapse, scale=4),
    Route("/api/explore/opinion", _opinion),
    Route("/api/explore/z", _latent),
]
