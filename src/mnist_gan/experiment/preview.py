"""Previews of a training: sample grid, score histograms, digit statistics; for its clients, or kept for a comparison.

A preview is cheap enough for every few seconds. It does not affect the training: it reads copies, and its randomness is
derived from the seed.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import time
from functools import cached_property
from typing import Any, Final

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from mnist_gan import rng, sampling, storage, training
from mnist_gan.artifacts.gan import snapshot_of
from mnist_gan.artifacts.pictures import encode_png
from mnist_gan.artifacts.points import draw_samples
from mnist_gan.config import Config
from mnist_gan.evaluation import load_judge
from mnist_gan.evaluation.digits import diversity, relative_diversity
from mnist_gan.evaluation.discriminator import score_histogram
from mnist_gan.experiment.model import averaged_generator, fixed_samples
from mnist_gan.experiment.setup import Setup
from mnist_gan.models import Discriminator, Generator
from mnist_gan.objectives import Calibration
from mnist_gan.runs import channel
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.scaling import AtRest
from mnist_gan.training import Player, TrainState

logger = logging.getLogger(__name__)

NIMG: Final = 500
"""Number of real images, and of generated ones, that are scored and classified."""
REAL_NIMG: Final = 2000
"""Number of real images whose diversity is the reference."""
SCALE: Final = 2
"""Enlargement of the sample grid."""
CLASSES: Final = 10


class Previewer:
    """Renders previews of one training into the run folder."""

    def __init__(self, setup: Setup, directory: RunDirectory) -> None:
        self._setup, self._directory = setup, directory
        self._version = int(time.time() * 1000)  # rises across processes
        self._failed = False

    def render(self, *, keep: bool = False) -> None:
        """Publish a preview, which replaces the last; `keep` stores it for good, too.

        A failure is logged; it disables previews and does not end the training.
        """
        if self._failed:
            return
        try:
            figures, picture = self._render(self._setup.state)
            if keep:
                self._keep(figures, picture)
            self._version += 1
            channel.publish(self._directory.preview_image, picture)
            channel.publish_json(self._directory.preview, figures | {"version": self._version, "time": time.time()})
        except Exception as error:
            self._failed = True
            logger.warning(f"previews are disabled for the rest of this training: {error}")

    def try_half_step(self, config: Config, player: Player) -> None:
        """Publish what an update of one network alone would change, with the drawings of G itself.

        The update is made on a copy of the state. The averaged generator would hide most of a single update.
        """
        setup = self._setup
        objective = setup.plugin.build_objective(config.objective)
        try:
            trial = training.try_half_step(
                setup.state, config, objective, setup.stream(), player=player, total_nimg=setup.total_nimg
            )
            before, after = (self._render(_unaveraged(state)) for state in (setup.state, trial))
        except Exception as error:
            logger.warning(f"the trial step of {player} failed: {error}")
            return
        self._version += 1
        clock = {"version": self._version, "cur_nimg": setup.state.cur_nimg, "step": setup.state.step}
        scores = {"before": before[0]["scores"], "after": after[0]["scores"]}
        channel.publish(self._directory.trial_image("before"), before[1])
        channel.publish(self._directory.trial_image("after"), after[1])
        channel.publish_json(self._directory.trial, clock | {"player": player} | scores)

    def discard_kept(self, *, after: int) -> None:
        """Delete the previews kept after more than `after` images; the training renders them again."""
        for cur_nimg, file in self._directory.kept_previews().items():
            if cur_nimg > after:
                file.unlink()
                file.with_suffix(".png").unlink(missing_ok=True)

    def _keep(self, figures: dict[str, Any], picture: bytes) -> None:
        """Store a preview; its figures are written last, so that a reader finds the picture of each."""
        file = self._directory.kept_preview(figures["cur_nimg"])
        storage.make_directories(file.parent)
        storage.write_bytes(file.with_suffix(".png"), picture)
        storage.write_json(file, figures)

    def _render(self, state: TrainState) -> tuple[dict[str, Any], bytes]:
        """Figures and sample grid (PNG) of a state; equal states have equal ones."""
        untrained = self._setup.dataset.untrained_classes
        G = averaged_generator(state, self._setup.config, untrained_classes=untrained)
        grid, columns = fixed_samples(G, seed=self._setup.config.training.seed, untrained_classes=untrained)
        real = self._setup.dataset.images
        picture = draw_samples(grid, shape=G.shape, columns=columns, scale=SCALE, real=real)
        line = SCALE // 2
        columns, rows = (1, 1) if G.shape.is_points else (columns, -(-len(grid) // columns))
        images, labels = self._draw(G)
        figures: dict[str, Any] = {
            "cur_nimg": state.cur_nimg,
            "step": state.step,
            "epoch": state.cur_nimg / self._setup.epoch_nimg,
            "grid": {
                "columns": columns,
                "rows": rows,
                "cell": picture.width if G.shape.is_points else G.shape.resolution * SCALE + line,
                "border": line,
                "width": picture.width,
                "height": picture.height,
            },
            "scores": self._scores(G, state.D, images, labels),
            "digits": self._digits(images) if self._setup.dataset.is_mnist else None,
        }
        return figures, encode_png(picture)

    @property
    def _real_images(self) -> AtRest:
        return self._setup.dataset.held_out_images[:NIMG]

    def _draw(self, G: Generator) -> tuple[AtRest, Int64[Tensor, "n"] | None]:
        """Generate as many images as there are real ones, of the same classes; return them with their labels."""
        real = self._setup.dataset.held_out_labels[:NIMG]
        labels = real if G.shape.num_classes else None
        seed = rng.derive_seed(self._setup.config.training.seed, "preview")
        return sampling.render(G, rng.latents(seed, range(len(real)), G.z_dim), labels), labels

    def _scores(
        self, G: Generator, D: Discriminator, images: AtRest, labels: Int64[Tensor, "n"] | None
    ) -> dict[str, Any] | None:
        """Histograms of the logits of real and generated images over common edges; None if a logit is not finite."""
        config, neutral = self._setup.config, Calibration(scale=1.0, bias=0.0)
        gan = snapshot_of(G_ema=G, D=D, config=config, calibration=neutral, facts={})
        logits = {
            name: gan.logits(shown, labels=labels)
            for name, shown in (("real", self._real_images), ("generated", images))
        }
        if not all(bool(values.isfinite().all()) for values in logits.values()):
            return None
        histograms = score_histogram(logits)
        boundary = self._setup.plugin.build_objective(config.objective).decision_rule.boundary
        counts = {name: list(values) for name, values in histograms.counts.items()}
        return {"edges": list(histograms.edges), **counts, "boundary": boundary}

    def _digits(self, images: UInt8[Tensor, "n c h w"]) -> dict[str, Any]:
        """Counts and diversity of the generated digits, as read by the judge."""
        prediction = load_judge().predict(images)
        counts = torch.bincount(prediction.classes, minlength=CLASSES)
        spread = relative_diversity(
            diversity(prediction.features, prediction.classes, num_classes=CLASSES), self._real_diversity
        )
        known = [value for value in spread if value is not None and math.isfinite(value)]
        return {
            "n": len(images),
            "counts": counts.tolist(),
            "real_shares": self._real_shares,
            "diversity": spread,
            "mean_diversity": sum(known) / len(known) if known else None,
        }

    @cached_property
    def _real_shares(self) -> list[float]:
        counts = torch.bincount(self._setup.dataset.labels, minlength=CLASSES)
        return [count / int(counts.sum()) for count in counts.tolist()]

    @cached_property
    def _real_diversity(self) -> list[float | None]:
        prediction = load_judge().predict(self._setup.dataset.held_out_images[:REAL_NIMG])
        return diversity(prediction.features, prediction.classes, num_classes=CLASSES)


def _unaveraged(state: TrainState) -> TrainState:
    """The state with G itself in the place of its average."""
    return dataclasses.replace(state, G_ema=copy.deepcopy(state.G).eval().requires_grad_(False))
