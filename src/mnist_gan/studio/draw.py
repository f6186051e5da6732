"""A drawing from the page: fitted as MNIST's digits were, judged, explained, and searched for among the latents."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import numpy as np
import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from mnist_gan import sampling
from mnist_gan.artifacts.gan import GAN
from mnist_gan.data.drawing import Points, prepare_strokes
from mnist_gan.data.preprocess import PreparedImage
from mnist_gan.errors import DataError
from mnist_gan.sampling import Inversion
from mnist_gan.studio import opinions
from mnist_gan.studio.bodies import number, only, read_json, whole_number
from mnist_gan.studio.inference import Ticket
from mnist_gan.studio.jobs import Progress, Search
from mnist_gan.studio.models import Model, Workbench, workbench_of
from mnist_gan.studio.problems import Problem
from mnist_gan.studio.views import MAX_SEED, decode_z, encode_z

MAX_STROKES: Final = 200
MAX_POINTS: Final = 5000
MAX_CANVAS: Final = 10_000
MAX_BODY_BYTES: Final = 512 << 10
JUDGE_SECONDS: Final = 30.0
FRAMES: Final = 40
"""Pictures of a search that are told, at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """Strokes of a pen, in canvas units: x to the right, y down."""

    strokes: tuple[Points, ...]
    pen_width: float | None
    """None draws with a pen as wide as MNIST's."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Drawing:
        """Read a drawing, within its bounds; points outside the canvas are put on its edge.

        Raises:
            Problem: it is none, or has too much of something (413).
        """
        canvas = number(body.get("canvas"), "canvas", low=1, high=MAX_CANVAS)
        width = body.get("width")
        strokes = body.get("strokes")
        if not isinstance(strokes, list):
            raise Problem(400, "strokes must be a list of lists of points")
        if len(strokes) > MAX_STROKES:
            raise Problem(413, f"a drawing may have {MAX_STROKES} strokes; clear it and draw with fewer")
        if sum(len(stroke) for stroke in strokes if isinstance(stroke, list)) > MAX_POINTS:
            raise Problem(413, f"a drawing may have {MAX_POINTS:,} points; clear it and draw again")
        pen_width = None if width is None else number(width, "width", low=1e-3, high=canvas / 2)
        return cls(strokes=tuple(_stroke(stroke, canvas) for stroke in strokes), pen_width=pen_width)

    def fitted(self, gan: GAN | None = None) -> PreparedImage:
        """The drawing as MNIST's digits were made, in the form that a model takes.

        Raises:
            Problem: nothing is drawn.
        """
        resolution, channels = (28, 1) if gan is None else (gan.shape.resolution, gan.shape.channels)
        try:
            return prepare_strokes(self.strokes, resolution=resolution, channels=channels, pen_width=self.pen_width)
        except DataError as error:
            raise Problem(400, str(error)) from error


def _stroke(points: Any, canvas: float) -> Points:
    if not isinstance(points, list) or not all(
        isinstance(point, list) and len(point) == 2 and all(map(_is_coordinate, point)) for point in points
    ):
        raise Problem(400, "a stroke must be a list of points, each of them two numbers")
    return np.clip(np.array(points, dtype=np.float64).reshape(-1, 2), 0, canvas)


def _is_coordinate(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e9


def _model_id(body: Mapping[str, Any]) -> str:
    value = body.get("model", "shipped")
    if not isinstance(value, str):
        raise Problem(400, "model must be the id of a model")
    return value


def _label(body: Mapping[str, Any]) -> int | None:
    value = body.get("label")
    return None if value is None else whole_number(value, "label", low=0, high=9999)


async def post_fit(request: Request) -> Response:
    """The drawing as MNIST would have it."""
    body = await read_json(request, limit=MAX_BODY_BYTES)
    only(body, "strokes", "width", "canvas")
    drawing = Drawing.of(body)
    fitted = await workbench_of(request).pictures.run(request, lambda _: drawing.fitted())
    return JSONResponse({"image": opinions.pixels(fitted.image), "steps": fitted.steps})


async def post_judge(request: Request) -> Response:
    """What both networks think of the drawing, why, and what it is like."""
    body = await read_json(request, limit=MAX_BODY_BYTES)
    only(body, "strokes", "width", "canvas", "model", "label")
    drawing, model_id, label = Drawing.of(body), _model_id(body), _label(body)
    workbench = workbench_of(request)

    def work(ticket: Ticket) -> dict[str, Any]:
        gan = workbench.open(model_id).gan
        fitted = drawing.fitted(gan)
        reading = opinions.read(fitted.image)
        asked = opinions.label_for(gan, fitted.image, asked=label, read_digit=reading["digit"])
        ticket.check()
        return {
            "image": opinions.pixels(fitted.image),
            "steps": fitted.steps,
            "reading": reading,
            "opinion": opinions.opinion(gan, fitted.image, asked),
            "attribution": opinions.attribution(gan, fitted.image, asked),
            "nearest": _nearest(workbench, gan, fitted),
        }

    return JSONResponse(await workbench.searches.run(request, work, seconds=JUDGE_SECONDS))


def _nearest(workbench: Workbench, gan: GAN, fitted: PreparedImage) -> dict[str, Any]:
    """The training images that are most like it, or why there are none to see."""
    try:
        images, labels = workbench.training_images(gan.config.data)
    except DataError as error:
        return {"images": [], "unavailable": f"The training images are not on this machine: {error}."}
    if images.shape[1:] != fitted.image.shape:
        return {"images": [], "unavailable": "The training images on this machine have another form than the model's."}
    return opinions.nearest(fitted.image, images, labels)


async def post_invert(request: Request) -> Response:
    """Begin the search for the z that gives the drawing."""
    body = await read_json(request, limit=MAX_BODY_BYTES)
    only(body, "strokes", "width", "canvas", "model", "label", "seed", "steps", "starts")
    drawing, model_id, label = Drawing.of(body), _model_id(body), _label(body)
    steps = whole_number(body.get("steps", 300), "steps", low=20, high=500)
    starts = whole_number(body.get("starts", 8), "starts", low=1, high=16)
    seed = whole_number(body.get("seed", 0), "seed", low=0, high=MAX_SEED)
    workbench = workbench_of(request)

    def prepare(_: Ticket) -> Search:
        model = workbench.open(model_id)
        fitted = drawing.fitted(model.gan)
        digit = opinions.read(fitted.image)["digit"]
        asked = opinions.label_for(model.gan, fitted.image, asked=label, read_digit=digit)
        return _search(model, fitted, asked, steps=steps, starts=starts, seed=seed)

    job = workbench.jobs.start(await workbench.pictures.run(request, prepare))
    return JSONResponse({"job": job.id, "events": f"/api/jobs/{job.id}/events"}, status_code=202)


def _search(
    model: Model, fitted: PreparedImage, asked: opinions.Asked, *, steps: int, starts: int, seed: int
) -> Search:
    gan = model.gan

    def pieces(ticket: Ticket) -> Iterator[Progress]:
        found = sampling.invert(
            gan.G,
            fitted.image,
            label=asked.label,
            features=gan.D.trunk,
            steps=steps,
            starts=starts,
            seed=seed,
            report_every=-(-steps // FRAMES),
        )
        for step in found:
            ticket.check()
            yield _result(model, fitted, step, asked) if step.finished else _progress(step)

    return pieces


def _progress(found: Inversion) -> Progress:
    return {
        "step": found.step,
        "steps": found.steps,
        "error": found.error,
        "image": opinions.pixels(found.image),
        "z": encode_z(found.z),
        "label": found.label,
    }


def _result(model: Model, fitted: PreparedImage, found: Inversion, asked: opinions.Asked) -> Progress:
    """The last progress, with what comes of it; the picture is that of the z in the address, to the last bit."""
    address = encode_z(found.z)
    z = decode_z(address, z_dim=len(found.z))
    image = sampling.render(model.gan.G, z[None], None if found.label is None else torch.tensor([found.label]))[0]
    error = float((image.float() - fitted.image.float()).div(255).square().mean())
    place = {"model": model.id, "z": address} | ({} if found.label is None else {"digit": str(found.label)})
    return _progress(dataclasses.replace(found, z=z, image=image, error=error)) | {
        "probability_real": opinions.opinion(model.gan, image, asked)["probability_real"],
        "z_norm": float(z.norm()),
        "typical_norm": len(z) ** 0.5,
        "explore": urlencode(place),
    }


async def get_job(request: Request) -> Response:
    """Where a search stands."""
    return JSONResponse(workbench_of(request).jobs.find(request.path_params["job"]).to_dict())


async def get_events(request: Request) -> Response:
    """A search as it goes on."""
    job = workbench_of(request).jobs.find(request.path_params["job"])
    return StreamingResponse(job.events(), media_type="text/event-stream", headers={"cache-control": "no-store"})


async def delete_job(request: Request) -> Response:
    """End a search."""
    job = workbench_of(request).jobs.find(request.path_params["job"])
    job.cancel()
    return JSONResponse({"state": job.state})


ROUTES: Final = [
    Route("/api/draw/fit", post_fit, methods=["POST"]),
    Route("/api/draw/judge", post_judge, methods=["POST"]),
    Route("/api/draw/invert", post_invert, methods=["POST"]),
    Route("/api/jobs/{job}", get_job),
    Route("/api/jobs/{job}", delete_job, methods=["DELETE"]),
    Route("/api/jobs/{job}/events", get_events),
]
