"""Models: the list, one model, and its directions."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnist_gan.studio import api
from mnist_gan.studio.context import studio_of
from mnist_gan.studio.services.queue import QueueEntry

METHOD: Final = (
    "The directions in the space of random numbers along which the pixels change most, averaged over thousands of "
    "digits. Each is named after the property that it changes most."
)


async def get_models(request: Request) -> Response:
    """List the models without loading any."""
    inference = studio_of(request).inference
    models = await inference.picture_queue.run(lambda _: inference.list_models(), disconnected=request.is_disconnected)
    return JSONResponse(api.ModelList(models=models))


async def get_model(request: Request) -> Response:
    """Describe a model and the snapshots of its training."""
    inference, model_id = studio_of(request).inference, request.path_params["model"]

    def describe(_: QueueEntry) -> api.Model:
        model = inference.model(model_id)
        gan = model.gan
        return {
            "id": model.id,
            "name": model.name,
            "conditional": gan.conditional,
            "num_classes": gan.shape.num_classes,
            "classes": list(gan.classes),
            "class_names": list(gan.class_names),
            "digits": gan.trained_on_digits,
            "channels": gan.shape.channels,
            "resolution": gan.shape.resolution,
            "z_dim": gan.G.z_dim,
            "snapshots": [
                {
                    "at": snapshot.cur_nimg,
                    "epoch": snapshot.epoch,
                    "title": f"epoch {snapshot.epoch:.4g}, {snapshot.cur_nimg:,} images seen",
                }
                for snapshot in model.snapshots()
            ],
        }

    return JSONResponse(await inference.picture_queue.run(describe, disconnected=request.is_disconnected))


async def get_directions(request: Request) -> Response:
    """Describe the sliders of a model."""
    directions = await studio_of(request).inference.directions(
        request.path_params["model"], disconnected=request.is_disconnected
    )
    described: list[api.Direction] = [
        {
            "index": index,
            "name": directions.names[index],
            "share": float(directions.shares[index]),
            "range": (-3, 3),
            "step": 0.1,
            "explanation": directions.explanation(index),
        }
        for index in range(len(directions))
    ]
    total = float(directions.shares.sum())
    return JSONResponse(api.Directions(directions=described, method=METHOD, share_total=total))


ROUTES: Final = [
    Route("/api/models", get_models),
    Route("/api/models/{model}", get_model),
    Route("/api/models/{model}/directions", get_directions),
]
