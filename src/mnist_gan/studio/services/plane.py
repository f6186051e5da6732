"""Games on points of the plane: one for each open page, played move by move, and what the page shows of each.

A game computes only when its page asks for moves or a picture, so a hidden page costs nothing. The number of games and
the time that one may lie idle are bounded.
"""

from __future__ import annotations

import dataclasses
import math
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias, cast

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mnist_gan import presets, rng, sampling
from mnist_gan.config import TOY_NAMES, Config, ToyName, to_dict
from mnist_gan.data import Dataset, limit_training, load_dataset
from mnist_gan.data.sketch import Stroke, consists_of_dots, sketched
from mnist_gan.data.toys import Board, Mixture, density_of
from mnist_gan.errors import ConfigError, DataError
from mnist_gan.evaluation.densities import Cells, density_cells, generated_cells, log_ratio
from mnist_gan.evaluation.memorization import measure_memorization
from mnist_gan.evaluation.neighbours import nearest
from mnist_gan.evaluation.toys import jensen_shannon, mode_table
from mnist_gan.experiment.game import CHANGEABLE, Game
from mnist_gan.objectives import build_objective, least_discriminator_loss, optimal_logit
from mnist_gan.runs.comparison import flatten
from mnist_gan.scaling import Coordinates
from mnist_gan.studio import api
from mnist_gan.studio.cache import Cache
from mnist_gan.studio.errors import NotFoundError
from mnist_gan.studio.lessons import Game as Experiment
from mnist_gan.studio.services import form
from mnist_gan.studio.services.queue import Queue

SKETCH: Final = "points"
"""Name of the data that the visitor draws."""
WIDTHS: Final = (8, 16, 32, 64, 128)
LIMITS: Final = (8, 12, 30, 100, 1000)
"""Numbers of training points that the page offers besides all."""
MAX_GAMES: Final = 12
IDLE_SECONDS: Final = 1800.0
MAX_MOVES: Final = 200
"""Moves in one request."""
FIELD: Final = 64
"""Cells of D's logit along each side."""
FIELD_CHUNK: Final = 1024
"""Cells that D scores at once; the maps of all of them do not fit the cache of a core."""
POINTS: Final = 512
"""Generated points that are shown and counted; always of the same z."""
REAL_POINTS: Final = 1_500
REACHED: Final = 0.02
"""Share of the generated points that must be nearest to a mode for it to count as reached, at any distance."""
ARROWS: Final = 96
"""Generated points with an arrow."""
LINES: Final = 13
"""Lines of the grid of z in each direction."""
LINE_STEPS: Final = 48
SKETCH_SIZE: Final = 20_000
"""Training points that are drawn from a sketch."""
HELD_OUT: Final = 512
"""Held-out points that generated ones are compared with."""
ENDLESS_NIMG: Final = 10**12

FIELDS: Final = (
    "objective.loss",
    "objective.r1_gamma",
    "objective.r2_gamma",
    "objective.gp_lambda",
    "optimizer.g_lr",
    "optimizer.d_lr",
    "training.d_steps",
    "training.seed",
)
"""Settings of the page, in its order; those that cannot change in the middle of a game start a new one."""
MORE_FIELDS: Final = (
    "objective.penalty_interval",
    "objective.label_smoothing",
    "objective.weight_clip",
    "optimizer.beta1",
    "training.batch_size",
)

Arrays: TypeAlias = dict[str, Float32[Tensor, "..."]]


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """Parts of a picture that cost time; the page asks for those that it shows."""

    field: bool = True
    """D's logit."""
    lines: bool = True
    """The grid of z under G."""
    optimum: bool = False
    """The best possible answer of a discriminator."""
    average: bool = False
    """Show the averaged generator instead of the one that plays."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """The state of a game for the page: numbers, and arrays in the range of the networks, -1 to 1."""

    figures: dict[str, float | None]
    arrays: Arrays


@dataclass(eq=False)
class Session:
    """A game and its exact references."""

    game: Game
    density: Mixture | Board
    modes: Mixture | None
    """Modes to count; None where the points have none."""
    used: float = dataclasses.field(default_factory=time.monotonic)
    """Monotonic time of the last request."""

    @property
    def scaling(self) -> Coordinates:
        """Units of the points."""
        return cast("Coordinates", self.game.shape.scaling)

    def __post_init__(self) -> None:
        with torch.no_grad():
            self.first_points = self.game.state.G(self.z)
            # of the untrained generator

    @cached_property
    def real_cells(self) -> Cells:
        """Probability of each cell of the field under the distribution of the real points."""
        return density_cells(self.density, self.scaling, cells=FIELD)

    @cached_property
    def z(self) -> Float32[Tensor, "n z_dim"]:
        """Latents of the points that are shown."""
        source = rng.generator(self.game.config.training.seed, "plane/z")
        return torch.randn(POINTS, self.game.config.generator.z_dim, generator=source)

    @cached_property
    def field_points(self) -> Float32[Tensor, "cells 2 1 1"]:
        """Middles of the cells of the field, rows from low to high y."""
        middles = (torch.arange(FIELD) + 0.5) / FIELD * 2 - 1
        y, x = torch.meshgrid(middles, middles, indexing="ij")
        return torch.stack([x, y], dim=-1).view(-1, 2, 1, 1)

    def real_points(self) -> Float32[Tensor, "n 2"]:
        """Some training points, in the range of the networks."""
        points = self.scaling.to_network(self.game.dataset.images[:REAL_POINTS])
        return points.flatten(1)

    def held_out_points(self) -> Float32[Tensor, "n 2"]:
        """Points of the same distribution that the game never uses, in the range of the networks."""
        return self.scaling.to_network(self.game.dataset.held_out_images[:HELD_OUT]).flatten(1)

    def play(self, kind: str, moves: int, *, check: Callable[[], None] = lambda: None) -> None:
        """Make moves of one kind; `check` is called before each and may raise.

        Raises:
            DivergenceError: a loss or score was not finite.
        """
        move = {"step": self.game.step, "D": self.game.move_discriminator, "G": self.game.move_generator}[kind]
        for _ in range(moves):
            check()
            move()

    def picture(self, view: View) -> Picture:
        """Draw the state of the game. Leaves it as it is."""
        G = self.game.state.G_ema if view.average else self.game.state.G
        with torch.no_grad():
            points = G(self.z)
        slopes = self._slopes(points[:ARROWS])
        arrays: Arrays = {"points": points.flatten(1), "arrows": -slopes}
        with torch.no_grad():
            if view.field:
                rows = [self.game.state.D(points) for points in torch.split(self.field_points, FIELD_CHUNK)]
                arrays["field"] = torch.cat(rows).view(FIELD, FIELD)
            if view.lines:
                z = sampling.latent_lines(self.game.config.generator.z_dim, lines=LINES, steps=LINE_STEPS)
                arrays["lines"] = G(z.flatten(0, 2)).flatten(1)
        figures = self._figures(points, slopes)
        if view.optimum:
            optimum, exact = self._optimum()
            figures |= exact | self._copying(points.flatten(1))
            if optimum is not None:
                arrays["optimum"] = optimum
        return Picture(figures=figures, arrays=arrays)

    def _slopes(self, points: Float32[Tensor, "n 2 1 1"]) -> Float32[Tensor, "n 2"]:
        """Gradient of G's loss at each generated point: it moves against its slope."""
        config, D = self.game.config, self.game.state.D
        objective = build_objective(config.objective)
        points = points.detach().requires_grad_(True)
        real_logits = None
        if objective.generator_needs_real:
            with torch.no_grad():
                real_logits = D(self.scaling.to_network(self.game.dataset.images[: len(points)]))
        loss = objective.generator_loss(D(points), real_logits).sum()
        (slopes,) = torch.autograd.grad(loss, points)
        return slopes.flatten(1)

    def _figures(self, points: Float32[Tensor, "n 2 1 1"], slopes: Float32[Tensor, "m 2"]) -> dict[str, float | None]:
        game, at_rest = self.game, self.scaling.to_rest(points).flatten(1).double()
        with torch.no_grad():
            fake_logit = float(game.state.D(points).mean())
        table = None if self.modes is None else mode_table(at_rest, self.modes)
        return {
            "cur_nimg": game.state.cur_nimg,
            "step": game.state.step,
            "d_moves": game.d_moves,
            "g_moves": game.g_moves,
            "modes": None if table is None else table.modes,
            "reached": None if table is None else int((table.nearest >= REACHED * len(points)).sum()),
            "all_modes": None if table is None else len(table.counts),
            "quality": high_quality(at_rest, self.density),
            "slope": float(slopes.norm(dim=1).median()),
            "moved": 50 * float((points - self.first_points).flatten(1).norm(dim=1).mean()),
            "fake_logit": fake_logit,
            "boundary": build_objective(game.config.objective).decision_rule.boundary,
            **game.statistics,
        }

    def _copying(self, points: Float32[Tensor, "n 2"]) -> dict[str, float | None]:
        """Median distances to the nearest point of another kind, in percent of the plane's width.

        `copying` is the ratio of those of generated and of held-out points to the training points that are shown: about
        1 for new points, far below 1 for copies.
        """
        training, held_out = self.real_points(), self.held_out_points()
        distances = nearest(held_out, training)[0]
        ratio = measure_memorization(points, training, held_out_distances=distances).ratio
        return {
            "to_training": 50 * float(nearest(points, training)[0].median()),
            "held_out_to_training": 50 * float(distances.median()),
            "held_out_to_generated": 50 * float(nearest(held_out, points)[0].median()),
            "copying": ratio if math.isfinite(ratio) else None,
        }

    def _optimum(self) -> tuple[Float32[Tensor, "cells cells"] | None, dict[str, float | None]]:
        """Best possible logit of each cell against the generator that plays, and exact figures of both densities."""
        objective = self.game.config.objective
        generated = generated_cells(self.game.state.G, cells=FIELD)
        best = optimal_logit(objective, log_ratio(self.real_cells, generated))
        divergence = jensen_shannon(self.real_cells.flatten(), generated.flatten())
        is_cross_entropy = objective.loss in {"minimax", "non_saturating"} and not objective.label_smoothing
        least = least_discriminator_loss(divergence) if is_cross_entropy else None
        return None if best is None else best.float(), {"divergence": divergence, "least_d_loss": least}


class Plane:
    """The games of all pages, and the queue that plays them."""

    def __init__(self) -> None:
        self.queue = Queue("plane", gradients=True)
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._datasets: Cache[str, Dataset] = Cache(len(TOY_NAMES))

    def __len__(self) -> int:
        """Number of open games."""
        return len(self._sessions)

    def close(self) -> None:
        """End the queue, and all games with it."""
        self.queue.close()

    def open(self, config: Config, *, strokes: Sequence[Stroke] = ()) -> tuple[str, Session]:
        """Begin a game; returns its id. The game that lay idle for the longest gives way if there are too many.

        Raises:
            ConfigError: the drawing cannot be used.
        """
        session = self._session(config, strokes)
        with self._lock:
            self._forget_idle()
            while len(self._sessions) >= MAX_GAMES:
                self._sessions.popitem(last=False)
            game_id = secrets.token_urlsafe(9)
            self._sessions[game_id] = session
        return game_id, session

    def find(self, game_id: str) -> Session:
        """Return a game.

        Raises:
            NotFoundError: there is none, or it was closed.
        """
        with self._lock:
            self._forget_idle()
            session = self._sessions.get(game_id)
            if session is None:
                raise NotFoundError("This game was closed, because it lay idle or too many others are open. Reset it.")
            session.used = time.monotonic()
            self._sessions.move_to_end(game_id)
            return session

    def end(self, game_id: str) -> bool:
        """Close a game; returns False if it was not open."""
        with self._lock:
            return self._sessions.pop(game_id, None) is not None

    def _forget_idle(self) -> None:
        oldest = time.monotonic() - IDLE_SECONDS
        for game_id in [game_id for game_id, session in self._sessions.items() if session.used < oldest]:
            del self._sessions[game_id]

    def _session(self, config: Config, strokes: Sequence[Stroke]) -> Session:
        name = config.data.name
        if name != SKETCH:
            dataset = self._datasets.get(name, None, lambda: load_dataset(dataclasses.replace(config.data, limit=None)))
            return Session(
                Game(config, limit_training(dataset, config.data.limit)),
                density_of(cast("ToyName", name)),
                dataset.mixture,
            )
        try:
            density, dots = sketched(strokes), consists_of_dots(strokes)
        except DataError as error:
            raise ConfigError(str(error)) from error
        dataset = limit_training(_sketched_dataset(density), config.data.limit)
        return Session(Game(config, dataset), density, density if dots else None)


def plane_config(data: Any, changes: Any, *, width: Any = None, limit: Any = None) -> Config:
    """The config of a game: the preset `points` on a data set, changed as on the Train page, without schedules.

    The presets of the mixtures have penalties that fall during a training, and a game has no end to fall to.

    Raises:
        ConfigError: unknown data or field, a value out of bounds, or values that do not work together.
    """
    if not isinstance(data, str) or data not in TOY_NAMES:
        raise ConfigError(f"data must be one of {', '.join(sorted(TOY_NAMES))}.")
    config = form.changed_config(presets.toy(data), _checked_names(changes, (*FIELDS, *MORE_FIELDS)))
    if width is not None and width not in WIDTHS:
        raise ConfigError(f"width must be one of {', '.join(map(str, WIDTHS))}.")
    if limit is not None and limit not in LIMITS:
        raise ConfigError(f"limit must be one of {', '.join(map(str, LIMITS))}.")
    G, D = config.generator, config.discriminator
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, limit=limit),
        generator=dataclasses.replace(G, channels=tuple(width or each for each in G.channels)),
        discriminator=dataclasses.replace(D, channels=tuple(width or each for each in D.channels)),
        objective=dataclasses.replace(config.objective, penalty_decay="constant"),
        optimizer=dataclasses.replace(config.optimizer, warmup_nimg=0, decay="constant"),
        training=dataclasses.replace(
            config.training, total_nimg=ENDLESS_NIMG, device="cpu", precision="float32", threads=1
        ),
    )


def read_changes(changes: Any) -> dict[str, Any]:
    """Check changes in the middle of a game.

    Raises:
        ConfigError: an unknown field, one that needs a new game, or a value out of bounds.
    """
    return {name: form.BY_NAME[name].read(value) for name, value in _checked_names(changes, CHANGEABLE).items()}


def play_experiment(experiment: Experiment, *, seed: int) -> dict[str, float | None]:
    """Play an experiment of a lesson from its beginning; returns the figures at its end.

    Raises:
        DivergenceError: a loss or score was not finite.
    """
    config = plane_config(experiment.data, {**experiment.changes, "training.seed": seed}, limit=experiment.limit)
    _, session = Plane().open(config)
    for kind, count in experiment.moves:
        session.play(kind, count)
    return session.picture(View(field=False, lines=False, optimum=True)).figures


def high_quality(points: Float[Tensor, "n 2"], density: Mixture | Board) -> float:
    """Share of the points within 3 standard deviations of the real distribution, or inside its squares."""
    if isinstance(density, Mixture):
        return mode_table(points, density).high_quality
    inside = (points[:, None] >= density.corners) & (points[:, None] <= density.corners + density.side)
    return float(inside.all(dim=2).any(dim=1).double().mean())


def describe() -> api.PlaneInfo:
    """Data sets, settings and widths for the page, as JSON values."""
    return {
        "data": [_describe_data(name) for name in presets.PRESETS if name in TOY_NAMES],
        "sketch": SKETCH,
        "widths": list(WIDTHS),
        "limits": list(LIMITS),
        "fields": [_describe_field(form.BY_NAME[name]) for name in (*FIELDS, *MORE_FIELDS)],
    }


def _describe_field(field: form.Field) -> api.PlaneField:
    described = field.to_dict() | {"advanced": field.name in MORE_FIELDS, "live": field.name in CHANGEABLE}
    return cast("api.PlaneField", described)


def _describe_data(name: str) -> api.PlaneData:
    recipe, config = presets.PRESETS[name], plane_config(name, {})
    values = flatten(to_dict(config))
    return {
        "name": name,
        "title": "Your own drawing" if name == SKETCH else recipe.title,
        "width": config.generator.channels[0],
        "values": {field: values.get(field) for field in (*FIELDS, *MORE_FIELDS)},
    }


def _checked_names(changes: Any, allowed: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(changes, dict):
        raise ConfigError("changes must be an object of fields and values.")
    wrong = next((name for name in changes if name not in allowed), None)
    if wrong is not None:
        raise ConfigError(f"{wrong[:60]!r} is not a field that can be changed here.")
    return changes


def _sketched_dataset(density: Mixture) -> Dataset:
    points, labels = density.sample(SKETCH_SIZE, rng.generator(0, "sketch"))
    held_out, held_out_labels = density.sample(HELD_OUT, rng.generator(0, "sketch/held-out"))
    return Dataset(
        name=SKETCH,
        images=points[:, :, None, None],
        labels=torch.zeros_like(labels),
        held_out_images=held_out[:, :, None, None],
        held_out_labels=torch.zeros_like(held_out_labels),
        digests={},
        source="points drawn by hand",
    )
