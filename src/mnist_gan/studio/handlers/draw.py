"""The Draw page: a drawing is fitted to MNIST's format, judged, explained, and searched for among the latents."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import numpy as np
import torch
from jaxtyping import UInt8
from sse_starlette import EventSourceResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from mnist_gan import sampling
from mnist_gan.artifacts.gan import GAN, SHIPPED
from mnist_gan.artifacts.scoring import score_images
from mnist_gan.data.drawing import Points, prepare_strokes
from mnist_gan.data.preprocess import MNIST_FORM, PreparedImage
from mnist_gan.errors import DataError
from mnist_gan.evaluation.neighbours import k_nearest
from mnist_gan.sampling import Attribution, Inversion
from mnist_gan.studio import api
from mnist_gan.studio.context import studio_of
from mnist_gan.studio.handlers.explore import MAX_SEED
from mnist_gan.studio.params import check_fields, number, read_json, whole_number
from mnist_gan.studio.services.inference import Inference, Model
from mnist_gan.studio.services.judging import attribute, recognize, score_drawing
from mnist_gan.studio.services.present import image_json, recognition_json, score_json
from mnist_gan.studio.services.queue import QueueEntry
from mnist_gan.studio.services.scene import decode_z, encode_z
from mnist_gan.studio.services.searches import SearchWork
from mnist_gan.text import pluralize

MAX_STROKES: Final = 200
MAX_POINTS: Final = 5000
MAX_CANVAS: Final = 10_000
MAX_BODY_BYTES: Final = 512 << 10
JUDGE_SECONDS: Final = 30.0
MAX_FRAMES: Final = 40
"""Progress pictures of one search."""
NEAREST: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """Strokes of a pen in canvas units: x to the right, y down."""

    strokes: tuple[Points, ...]
    pen_width: float | None
    """None for a pen as wide as MNIST's."""

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Drawing:
        """Read a drawing. Points outside the canvas move to its edge.

        Raises:
            HTTPException: 400 for anything else, 413 for too many strokes or points.
        """
        canvas = number(body.get("canvas"), "canvas", low=1, high=MAX_CANVAS)
        width, strokes = body.get("width"), body.get("strokes")
        if not isinstance(strokes, list):
            raise HTTPException(400, "strokes must be a list of lists of points.")
        if len(strokes) > MAX_STROKES:
            raise HTTPException(413, f"A drawing may have {MAX_STROKES} strokes. Clear it and draw with fewer.")
        if sum(len(stroke) for stroke in strokes if isinstance(stroke, list)) > MAX_POINTS:
            raise HTTPException(413, f"A drawing may have {MAX_POINTS:,} points. Clear it and draw again.")
        pen_width = None if width is None else number(width, "width", low=1e-3, high=canvas / 2)
        return cls(strokes=tuple(_parse_stroke(stroke, canvas) for stroke in strokes), pen_width=pen_width)

    def fit(self, gan: GAN | None = None) -> PreparedImage:
        """Bring the drawing to MNIST's format, or to the size, channels and form of a model's images.

        Raises:
            HTTPException: 400 for an empty drawing.
        """
        resolution, channels = (28, 1) if gan is None else (gan.shape.resolution, gan.shape.channels)
        form = MNIST_FORM if gan is None else gan.form
        try:
            return prepare_strokes(
                self.strokes, resolution=resolution, channels=channels, pen_width=self.pen_width, form=form
            )
        except DataError as error:
            raise HTTPException(400, f"{error}.") from error


def _parse_stroke(points: Any, canvas: float) -> Points:
    if not isinstance(points, list) or not all(
        isinstance(point, list) and len(point) == 2 and all(map(_is_coordinate, point)) for point in points
    ):
        raise HTTPException(400, "A stroke must be a list of points, each of two numbers.")
    return np.clip(np.array(points, dtype=np.float64).reshape(-1, 2), 0, canvas)


def _is_coordinate(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e9


def _model_id(body: Mapping[str, Any]) -> str:
    value = body.get("model", SHIPPED)
    if not isinstance(value, str):
        raise HTTPException(400, "model must be the id of a model.")
    return value


def _label(body: Mapping[str, Any]) -> int | None:
    value = body.get("label")
    return None if value is None else whole_number(value, "label", low=0, high=9999)


async def post_fit(request: Request) -> Response:
    """Show the drawing in MNIST's format."""
    body = await read_json(request, limit=MAX_BODY_BYTES)
    check_fields(body, *api.names_of(api.DrawingBody))
    drawing, queue = Drawing.parse(body), studio_of(request).inference.picture_queue
    fitted = await queue.run(lambda _: drawing.fit(), disconnected=request.is_disconnected)
    return JSONResponse(api.Fitted(image=image_json(fitted.image), steps=list(fitted.steps)))


async def post_judge(request: Request) -> Response:
    """Recognize and score the drawing, attribute the score to its pixels, and find the nearest training images."""
    body = await read_json(request, limit=MAX_BODY_BYTES)
    check_fields(body, *api.names_of(api.JudgeBody))
    drawing, model_id, label = Drawing.parse(body), _model_id(body), _label(body)
    inference = studio_of(request).inference

    def work(entry: QueueEntry) -> api.Judgement:
        gan = inference.model(model_id).gan
        fitted = drawing.fit(gan)
        recognition = recognize(drawing.fit().image)  # mnistnet reads MNIST's form
        score = score_drawing(gan, fitted.image, label=label, digit=recognition.digit)
        entry.check()
        return {
            "image": image_json(fitted.image),
            "steps": list(fitted.steps),
            "recognition": recognition_json(recognition),
            "score": score_json(score),
            "attribution": _attribution_json(attribute(gan, fitted.image, label=score.label)),
            "nearest": _nearest_json(inference, gan, fitted.image),
        }

    queue = inference.search_queue
    return JSONResponse(await queue.run(work, disconnected=request.is_disconnected, seconds=JUDGE_SECONDS))


def _attribution_json(attribution: Attribution) -> api.Attribution:
    values = attribution.contributions.sum(dim=0)  # over the channels
    return {
        "values": values.flatten().tolist(),
        "max_abs": float(values.abs().max()),
        "logit": attribution.logit,
        "baseline_logit": attribution.baseline_logit,
        "completeness_error": attribution.remainder,
    }


def _nearest_json(inference: Inference, gan: GAN, image: UInt8[Tensor, "c h w"]) -> api.Nearest:
    """The most similar training images, or the reason why there are none."""
    try:
        dataset = inference.training_data(gan.config.data)
    except DataError as error:
        return {"images": [], "message": f"The training images are not on this machine: {error}."}
    images = dataset.images
    if images.shape[1:] != image.shape:
        return {"images": [], "message": "The training images on this machine have another size than the model's."}
    distances, indices = k_nearest(image.flatten(), images.flatten(1), k=NEAREST)
    largest = 255 * image.numel() ** 0.5  # distance of white from black
    return {
        "images": [
            {
                "index": i,
                "name": dataset.class_names[int(dataset.labels[i])],
                "distance": float(distance) / largest,
                **image_json(images[i]),
            }
            for distance, i in zip(distances, indices.tolist(), strict=True)
        ],
        "message": f"The most similar of {pluralize(len(images), 'training image')}. The distance is the root mean "
        "square difference of the pixels, from 0 (equal) to 1 (black against white).",
    }


async def post_invert(request: Request) -> Response:
    """Start the search for a z that the generator turns into the drawing."""
    body = await read_json(request, limit=MAX_BODY_BYTES)
    check_fields(body, *api.names_of(api.SearchBody))
    drawing, model_id, label = Drawing.parse(body), _model_id(body), _label(body)
    steps = whole_number(body.get("steps", 300), "steps", low=20, high=500)
    starts = whole_number(body.get("starts", 8), "starts", low=1, high=16)
    seed = whole_number(body.get("seed", 0), "seed", low=0, high=MAX_SEED)
    inference = studio_of(request).inference

    def prepare(_: QueueEntry) -> SearchWork:
        model = inference.model(model_id)
        image = drawing.fit(model.gan).image
        score = score_drawing(model.gan, image, label=label, digit=recognize(drawing.fit().image).digit)
        return _search(model, image, label=score.label, steps=steps, starts=starts, seed=seed)

    work = await inference.picture_queue.run(prepare, disconnected=request.is_disconnected)
    search = inference.searches.start(work)
    started = api.SearchStarted(job=search.id, events=f"/api/jobs/{search.id}/events")
    return JSONResponse(started, status_code=202)


def _search(
    model: Model, image: UInt8[Tensor, "c h w"], *, label: int | None, steps: int, starts: int, seed: int
) -> SearchWork:
    def work(entry: QueueEntry) -> Iterator[api.Progress]:
        for found in sampling.invert(
            model.gan.G,
            image,
            label=label,
            features=model.gan.D.features,
            steps=steps,
            starts=starts,
            seed=seed,
            report_every=-(-steps // MAX_FRAMES),
        ):
            entry.check()
            yield _result_json(model, image, found) if found.finished else _progress_json(found)

    return work


def _progress_json(found: Inversion) -> api.Progress:
    return {
        "step": found.step,
        "steps": found.steps,
        "error": found.error,
        "image": image_json(found.image),
        "z": encode_z(found.z),
        "label": found.label,
    }


def _result_json(model: Model, image: UInt8[Tensor, "c h w"], found: Inversion) -> api.Found:
    """The last progress, drawn from the z of its address, which is rounded to 16 bits."""
    address = encode_z(found.z)
    z = decode_z(address, z_dim=len(found.z))
    labels = None if found.label is None else torch.tensor([found.label])
    drawn = sampling.render(model.gan.G, z[None], labels)
    error = float((drawn[0].float() - image.float()).div(255).square().mean())
    (score,) = score_images(model.gan, drawn, labels=labels, label_source="requested")
    query = {"model": model.id, "z": address} | ({} if found.label is None else {"digit": str(found.label)})
    return {
        **_progress_json(dataclasses.replace(found, z=z, image=drawn[0], error=error)),
        "probability_real": score.probability_real,
        "explore": urlencode(query),
    }


async def get_search(request: Request) -> Response:
    """Describe a search."""
    return JSONResponse(studio_of(request).inference.searches.find(request.path_params["job"]).to_dict())


async def get_search_events(request: Request) -> Response:
    """Stream the progress of a search."""
    search = studio_of(request).inference.searches.find(request.path_params["job"])
    return EventSourceResponse(search.events(), sep="\n")


async def delete_search(request: Request) -> Response:
    """Cancel a search."""
    search = studio_of(request).inference.searches.find(request.path_params["job"])
    search.cancel()
    return JSONResponse(api.SearchEnded(state=search.state))


ROUTES: Final = [
    Route("/api/draw/fit", post_fit, methods=["POST"]),
    Route("/api/draw/judge", post_judge, methods=["POST"]),
    Route("/api/draw/invert", post_invert, methods=["POST"]),
    Route("/api/jobs/{job}", get_search),
    Route("/api/jobs/{job}", delete_search, methods=["DELETE"]),
    Route("/api/jobs/{job}/events", get_search_events),
]
