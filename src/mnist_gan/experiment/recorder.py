"""Recorder: turns the ticks of a training into the files of a run; logs, evaluates, samples, saves, rolls back."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from torch import Tensor

from mnist_gan.artifacts.checkpoints import check_finite, roll_back, save_checkpoint
from mnist_gan.artifacts.model_card import render_model_card
from mnist_gan.artifacts.pictures import save_picture
from mnist_gan.artifacts.points import draw_samples
from mnist_gan.artifacts.snapshots import epochs_to_keep, save_snapshot
from mnist_gan.errors import DivergenceError, MnistGanError
from mnist_gan.evaluation import Diagnosis, RealData, diagnose, monitor_floor, reference_of
from mnist_gan.experiment.control import Control
from mnist_gan.experiment.logger_set import LoggerSet
from mnist_gan.experiment.model import (
    averaged_generator,
    data_facts,
    evaluate_generator,
    fixed_samples,
    make_model,
    named_logits,
    training_facts,
)
from mnist_gan.experiment.pictures import draw_pictures
from mnist_gan.experiment.preview import Previewer
from mnist_gan.experiment.setup import Setup, resolved
from mnist_gan.figures import DISTANCE_PREFIXES, METRIC_PREFIX
from mnist_gan.models import Generator
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.runs.metrics import MetricsFile, read_rows
from mnist_gan.runs.state import EndReason, Plateau, read_plateau, write_plateau
from mnist_gan.training import Leader, Tick

logger = logging.getLogger(__name__)

MAX_GRIDS: Final = 100
"""Sample grids of a training that has more epochs and keeps no more snapshots."""


def _ignore(_: Any) -> None:
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Observer:
    """Callbacks for the progress of a run, called in the thread of the training. They should return soon."""

    tick: Callable[[Tick], None] = _ignore
    """Receives every tick, after its files are written."""
    judged: Callable[[Diagnosis], None] = _ignore
    """Receives the diagnosis after every evaluation, before the tick."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Result of `run` or `resume`."""

    directory: RunDirectory
    finished: bool
    """False if the run was stopped; it can be resumed."""
    cur_nimg: int
    """Images seen."""
    diagnosis: Diagnosis | None = None
    """Diagnosis of the training; None without evaluations."""
    end_reason: EndReason | None = None
    """Why a finished run ended: its length was reached, or the distance had stopped falling (`run.stop_on_plateau`)."""


class Recorder:
    """Trains a run and writes its files."""

    def __init__(
        self, setup: Setup, directory: RunDirectory, observer: Observer, *, leader: Leader | None = None
    ) -> None:
        self.setup, self.directory, self.observer, self.leader = setup, directory, observer, leader
        self.config, self.state = setup.config, setup.state
        self.stop_on_plateau = setup.config.run.stop_on_plateau and read_plateau(directory) is None
        self.metrics = MetricsFile(directory.metrics)
        self.loggers = LoggerSet(setup.config, directory)
        self.previewer = Previewer(setup, directory)
        self.control = Control(
            setup,
            directory,
            render_preview=self.previewer.render,
            try_half_step=self.previewer.try_half_step,
        )
        self._rewind()

    def train(self, stop: Callable[[], bool]) -> Outcome:
        """Train to the end, or until stopped; roll back after a divergence, as often as the config allows.

        Raises:
            DivergenceError: the training diverged more often than that.
        """
        try:
            plateau = self._train_once(stop)
            while plateau is None:
                plateau = self._train_once(stop)
        except BaseException as error:
            self._publish_error(error)
            raise
        finally:
            self.metrics.close()
            self.loggers.close()
        finished = plateau or self.state.cur_nimg >= self.setup.total_nimg
        if finished and self.config.run.pictures:
            floors = {name: self.floor for row in self.rows for name in row if name.startswith(DISTANCE_PREFIXES)}
            self.control.publish(activity="drawing animation and curves")
            draw_pictures(self.directory, self.rows, floors=floors)
        self.control.publish("finished" if finished else "stopped")
        return Outcome(
            directory=self.directory,
            finished=finished,
            cur_nimg=self.state.cur_nimg,
            diagnosis=self.diagnosis(),
            end_reason="plateau" if plateau else "length" if finished else None,
        )

    def _train_once(self, stop: Callable[[], bool]) -> bool | None:
        """Train until the end or a divergence; return True on a plateau, None after a rollback."""
        try:
            for tick in self.setup.ticks(
                stop=lambda: self.control.before_step(stop), current_config=self.control.config, leader=self.leader
            ):
                on_plateau = self.record(tick)
                self.observer.tick(tick)
                if on_plateau:
                    return True
        except DivergenceError as error:
            self._roll_back(error)
            return None
        return False

    def record(self, tick: Tick) -> bool:
        """Write the row, sample grid, model and checkpoint that are due; return True to end on a plateau.

        The checkpoint is written last: a run that is killed before resumes from the previous checkpoint and writes the
        same files again.
        """
        self.control.check_run_exists()  # else the files would create the folder anew
        run, final = self.config.run, tick.reason in {"stopped", "finished"}
        due = bool(tick.stats)  # a tick without statistics is not a row
        evaluate = run.evaluate and (tick.reason == "finished" or (due and tick.crossed(resolved(run.evaluate_nimg))))
        sample = tick.reason in {"start", "finished"} or (due and self._draws_grid(tick))
        save = tick.reason == "start" or final or (due and tick.crossed(resolved(run.checkpoint_nimg)))
        if evaluate or sample or save:
            check_finite(self.state)
            untrained = self.setup.dataset.untrained_classes
            G = averaged_generator(self.state, self.config, untrained_classes=untrained)
            latent_scale = self.setup.scale_latents_(G) if self.state.step else None  # noise has no spread to fit
        if evaluate:
            self.control.publish(activity="evaluating")
        metrics = evaluate_generator(G, self.reference).row() if evaluate else {}
        if due:
            self.rows.append(_row(tick) | metrics)
            self.metrics.append(self.rows[-1])
            self.loggers.log_row(self.rows[-1])
        on_plateau = evaluate and self._report_diagnosis() and not final
        if sample:
            self.write_samples(G, tick)
        if evaluate or (save and self.best_distance is None and tick.reason != "start"):
            self.write_model_if_best(G, tick, metrics, latent_scale=latent_scale)
        if self._keeps_preview(tick):
            self.keep_preview()
        if save or on_plateau:
            self.write_checkpoint()
        if on_plateau:
            write_plateau(self.directory, Plateau(cur_nimg=tick.cur_nimg))
        return on_plateau

    @cached_property
    def reference(self) -> RealData:
        """Statistics of the real images or points."""
        return reference_of(self.setup.dataset)

    @cached_property
    def floor(self) -> float:
        """Distance of held-out real images by the protocol of the evaluations during training."""
        return monitor_floor(reference=self.reference).distance

    @property
    def best_distance(self) -> float | None:
        """Smallest distance so far; None without evaluations."""
        distances = [value for row in self.rows if (value := _distance(row)) is not None]
        return min(distances, default=None)

    def diagnosis(self) -> Diagnosis | None:
        """Diagnose the training so far; None without evaluations."""
        if not self.config.run.evaluate or self.best_distance is None:
            return None
        return diagnose(self.rows, floor=self.floor)

    def write_samples(self, G: Generator, tick: Tick) -> None:
        """Write the grid of the fixed z, named after the epoch that ends here, and a snapshot if one is due."""
        untrained = self.setup.dataset.untrained_classes
        images, columns = fixed_samples(G, seed=self.config.training.seed, untrained_classes=untrained)
        epoch = self._last_epoch if tick.reason == "finished" else int(tick.epoch)
        grid = self.directory.sample(epoch)
        real = self.setup.dataset.images
        save_picture(grid, draw_samples(images, shape=G.shape, columns=columns, real=real))
        if epoch in epochs_to_keep(self._grid_epochs, count=self.config.run.snapshots):
            save_snapshot(self.directory.snapshots, G, cur_nimg=tick.cur_nimg, epoch=tick.epoch)
        self.loggers.log_samples(grid, cur_nimg=tick.cur_nimg)
        if self.loggers:
            self.loggers.log_histograms(self._distributions(G), cur_nimg=tick.cur_nimg)

    def _draws_grid(self, tick: Tick) -> bool:
        """True if an epoch that ends with a grid ended since the last tick."""
        before, now = (nimg // self.setup.epoch_nimg for nimg in (tick.last_nimg, tick.cur_nimg))
        return any(before < epoch <= now for epoch in self._grid_epochs)

    @property
    def _grid_epochs(self) -> list[int]:
        """Epochs that end with a sample grid: all, or some of a training with very many."""
        return epochs_to_keep(range(self._last_epoch + 1), count=max(MAX_GRIDS, self.config.run.snapshots))

    @property
    def _last_epoch(self) -> int:
        """Number of the epoch that the last step begins in; the step may go beyond its end."""
        step_nimg = self.config.training.batch_size * self.config.training.d_steps
        last_step = -(-self.setup.total_nimg // step_nimg) - 1
        return last_step * step_nimg // self.setup.epoch_nimg + 1

    def keep_preview(self) -> None:
        """Store a preview for good; clients get it, too, instead of another one."""
        before = time.thread_time()
        self.previewer.render(keep=True)
        self.control.record_preview(cost=time.thread_time() - before)

    def _keeps_preview(self, tick: Tick) -> bool:
        """True for the first tick, the last, and those that complete a share of the training."""
        wanted = self.config.run.previews
        if not wanted:
            return False
        due = bool(tick.stats) and tick.crossed(max(1, self.setup.total_nimg // wanted))
        return due or tick.reason in {"start", "finished"}

    def write_checkpoint(self) -> None:
        """Save the state, after all rows up to here are durable."""
        self.metrics.sync()
        latest = next((value for row in reversed(self.rows) if (value := _distance(row)) is not None), None)
        save_checkpoint(self.directory.checkpoints, self.state, keep=self.config.run.checkpoints, distance=latest)

    def write_model_if_best(
        self, G: Generator, tick: Tick, metrics: dict[str, float], *, latent_scale: float | None
    ) -> None:
        """Write the model unless an earlier one had a smaller distance."""
        distance = _distance(metrics)
        if distance is not None and distance != self.best_distance:
            return
        facts: dict[str, Any] = {"data": self.setup.dataset.name, "cur_nimg": tick.cur_nimg, "step": tick.step}
        facts |= {"epoch": tick.epoch, "metrics": _headlines(metrics)}
        facts |= data_facts(self.setup.dataset, self.setup.shape)
        facts |= {} if latent_scale is None else {"latent_scale": latent_scale}
        gan = make_model(G, self.state, self.config, self.setup.dataset, facts=facts, plugin=self.setup.plugin)
        # times and machine go into the card only, so that equal models have equal files
        card_facts = facts | training_facts(self.directory, self.setup.dataset, self.rows)
        card = render_model_card(dataclasses.replace(gan, facts=card_facts), name=self.directory.name)
        gan.save(self.directory.model, card=card)

    def _distributions(self, G: Generator) -> dict[str, Tensor]:
        """Values for histograms: logits of real and generated images, and the weights of both networks."""
        weights = {
            f"Weights/{network}/{name}": weight.detach()
            for network, module in (("G", G), ("D", self.state.D))
            for name, weight in module.named_parameters()
        }
        return named_logits(G, self.state, self.config, self.setup.dataset) | weights

    def _report_diagnosis(self) -> bool:
        """Pass the diagnosis to the observer; return True to end on a plateau."""
        diagnosis = self.diagnosis()
        if diagnosis is None:
            return False
        self.control.floor = self.floor
        self.observer.judged(diagnosis)
        return self.stop_on_plateau and diagnosis.state == "plateau"

    def _publish_error(self, error: BaseException) -> None:
        failed = isinstance(error, MnistGanError)
        self.control.publish("failed" if failed else "stopped", message=str(error) if failed else None)

    def _roll_back(self, error: DivergenceError) -> None:
        """Restore the best checkpoint and halve the learning rates.

        Raises:
            DivergenceError: `error`, if the config allows no further rollback.
        """
        if self.state.rollbacks >= self.config.run.rollbacks:
            raise error
        checkpoint = roll_back(self.directory.checkpoints, self.state)
        self._rewind()
        logger.warning(
            f"{error}. Back to {checkpoint} with learning rates of {self.state.lr_scale:g} times the schedule "
            f"(rollback {self.state.rollbacks} of {self.config.run.rollbacks})"
        )

    def _rewind(self) -> None:
        """Drop rows and previews from after the clock of the state; the training writes them again."""
        self.metrics.truncate_after(self.state.cur_nimg)
        self.previewer.discard_kept(after=self.state.cur_nimg)
        self.loggers.begin(self.state.cur_nimg)
        self.rows = read_rows(self.directory.metrics)


def _row(tick: Tick) -> dict[str, float]:
    speed = tick.nimg / tick.seconds if tick.seconds else 0.0
    clock: dict[str, float] = {"cur_nimg": tick.cur_nimg, "step": tick.step, "epoch": tick.epoch}
    return clock | tick.stats | {"Timing/img_per_sec": speed, "Timing/train_sec": tick.seconds}


def _headlines(metrics: dict[str, float]) -> dict[str, float]:
    """Metrics without those of single digits."""
    named = {name.removeprefix(METRIC_PREFIX): value for name, value in metrics.items()}
    return {name: value for name, value in named.items() if "/" not in name}


def _distance(row: dict[str, Any]) -> float | None:
    """Distance in a row; None if it has none."""
    return next((value for name, value in row.items() if name.startswith(DISTANCE_PREFIXES)), None)
