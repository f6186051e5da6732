"""Writing a run's files as its ticks come: when to log, judge, sample, save, go back and stop."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from mnist_gan.artifacts.checkpoints import check_finite, roll_back, save_checkpoint
from mnist_gan.artifacts.model_card import model_card
from mnist_gan.artifacts.pictures import save_grid
from mnist_gan.artifacts.snapshots import epochs_to_keep, save_snapshot
from mnist_gan.errors import DivergenceError, MnistGanError
from mnist_gan.evaluation import Diagnosis, Reference, diagnose, monitor_floor
from mnist_gan.experiment.control import Control
from mnist_gan.experiment.facts import facts_of_run
from mnist_gan.experiment.following import Followers
from mnist_gan.experiment.look import Looks
from mnist_gan.experiment.pictures import draw_pictures
from mnist_gan.experiment.setup import Setup, resolved
from mnist_gan.experiment.snapshots import averaged_generator, fixed_samples, judge, logits_to_show, make_snapshot
from mnist_gan.figures import DISTANCE_PREFIX, METRIC_PREFIX
from mnist_gan.models import Generator
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.runs.metrics import MetricsFile, read_rows
from mnist_gan.runs.state import EndReason, Plateau, read_plateau, write_plateau
from mnist_gan.training import Tick

logger = logging.getLogger(__name__)


def _nothing(_: Any) -> None:
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Observer:
    """Whoever watches a run. All are called in the training's own thread and must return soon."""

    tick: Callable[[Tick], None] = _nothing
    """Takes every tick, after its files are written."""
    judged: Callable[[Diagnosis], None] = _nothing
    """Takes the diagnosis after every evaluation, before the tick."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a run ended."""

    directory: RunDirectory
    finished: bool
    """False: it was stopped, and can be resumed."""
    cur_nimg: int
    diagnosis: Diagnosis | None = None
    """The diagnosis of the training; None without evaluations."""
    end_reason: EndReason | None = None
    """Why a finished run ended: its length was reached, or the distance had stopped falling (`run.stop_on_plateau`)."""


class Recording:
    """One run's files, kept up with its training."""

    def __init__(self, setup: Setup, directory: RunDirectory, observer: Observer) -> None:
        self.setup, self.directory, self.observer = setup, directory, observer
        self.config, self.state = setup.config, setup.state
        self.stop_on_plateau = setup.config.run.stop_on_plateau and read_plateau(directory) is None
        self.metrics = MetricsFile(directory.metrics)
        self.followers = Followers(setup.config, directory)
        looks = Looks(setup, directory)
        self.control = Control(setup, directory, look=looks.take)
        self._forget_the_future()

    def follow(self, stop: Callable[[], bool]) -> Outcome:
        """Train to the end, or until stopped; a training that diverges is taken back as often as the config allows.

        Raises:
            DivergenceError: it diverged once more than that.
        """
        try:
            plateau = self._follow_once(stop)
            while plateau is None:
                plateau = self._follow_once(stop)
        except BaseException as error:
            self._tell_of(error)
            raise
        finally:
            self.metrics.close()
            self.followers.close()
        finished = plateau or self.state.cur_nimg >= self.setup.total_nimg
        if finished and self.config.run.pictures:
            floors = {name: self.floor for row in self.rows for name in row if name.startswith(DISTANCE_PREFIX)}
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

    def _follow_once(self, stop: Callable[[], bool]) -> bool | None:
        """Whether the training ended on a plateau; None if it was taken back and is to go on."""
        try:
            for tick in self.setup.ticks(
                stop=lambda: self.control.before_step(stop), current_config=self.control.config
            ):
                on_plateau = self.record(tick)
                self.observer.tick(tick)
                if on_plateau:
                    return True
        except DivergenceError as error:
            self._take_back(error)
            return None
        return False

    def record(self, tick: Tick) -> bool:
        """Row, sample grid, model and checkpoint, as each is due; says whether the training is to end on a plateau.

        The checkpoint comes last, when all before it is on disk: a run that is killed in between goes on from the
        checkpoint before, and writes the same files again.
        """
        run, final = self.config.run, tick.reason in {"stopped", "finished"}
        due = bool(tick.stats)  # a tick without statistics lies between two rows
        evaluate = run.evaluate and (tick.reason == "finished" or (due and tick.crossed(resolved(run.evaluate_nimg))))
        look = tick.reason in {"start", "finished"} or (due and tick.crossed(self.setup.epoch_nimg))
        save = tick.reason == "start" or final or (due and tick.crossed(resolved(run.checkpoint_nimg)))
        if evaluate or look or save:
            check_finite(self.state)
            G = averaged_generator(self.state, self.config)
        if evaluate:
            self.control.publish(activity="evaluating")
        metrics = judge(G, self.reference).row() if evaluate else {}
        if due:
            self.rows.append(_row(tick) | metrics)
            self.metrics.append(self.rows[-1])
            self.followers.log_row(self.rows[-1])
        on_plateau = evaluate and self._announce() and not final
        if look:
            self.write_samples(G, tick)
        if evaluate or (save and not self.judged and tick.reason != "start"):
            self.write_model_if_best(G, tick, metrics)
        if save or on_plateau:
            self.write_checkpoint()
        if on_plateau:
            write_plateau(self.directory, Plateau(cur_nimg=tick.cur_nimg))
        return on_plateau

    @cached_property
    def reference(self) -> Reference:
        """The real images, as the judge sees them."""
        return Reference.of(self.setup.dataset)

    @cached_property
    def floor(self) -> float:
        """What the distance of held-out real images is, under the protocol of the evaluations while training."""
        return monitor_floor(reference=self.reference).distance

    @property
    def judged(self) -> bool:
        """Whether an evaluation has been made."""
        return self.best_distance is not None

    @property
    def best_distance(self) -> float | None:
        """The least distance so far."""
        distances = [value for row in self.rows if (value := _distance(row)) is not None]
        return min(distances, default=None)

    def diagnosis(self) -> Diagnosis | None:
        """The diagnosis of the training so far; None without evaluations."""
        return diagnose(self.rows, floor=self.floor) if self.config.run.evaluate and self.judged else None

    def write_samples(self, G: Generator, tick: Tick) -> None:
        """The grid of the fixed z, under the number of the epoch that ends here."""
        images, columns = fixed_samples(G, seed=self.config.training.seed)
        epoch = self._last_epoch if tick.reason == "finished" else int(tick.epoch)
        grid = self.directory.sample(epoch)
        save_grid(grid, images, columns=columns)
        if epoch in epochs_to_keep(last_epoch=self._last_epoch, count=self.config.run.snapshots):
            save_snapshot(self.directory.snapshots, G, cur_nimg=tick.cur_nimg, epoch=tick.epoch)
        self.followers.log_samples(grid, cur_nimg=tick.cur_nimg)
        if self.followers:
            self.followers.log_histograms(self._distributions(G), cur_nimg=tick.cur_nimg)

    @property
    def _last_epoch(self) -> int:
        """The number of the epoch that the training ends in, begun or whole."""
        return -(-self.setup.total_nimg // self.setup.epoch_nimg)

    def write_checkpoint(self) -> None:
        """The whole state, after all rows up to here are durable."""
        self.metrics.sync()
        latest = next((value for row in reversed(self.rows) if (value := _distance(row)) is not None), None)
        save_checkpoint(self.directory.checkpoints, self.state, keep=self.config.run.checkpoints, distance=latest)

    def write_model_if_best(self, G: Generator, tick: Tick, metrics: dict[str, float]) -> None:
        """The networks for use, if no earlier ones had a lesser distance to the real images."""
        distance = _distance(metrics)
        if distance is not None and distance != self.best_distance:
            return
        facts: dict[str, Any] = {"data": self.setup.dataset.name, "cur_nimg": tick.cur_nimg, "step": tick.step}
        facts |= {"epoch": tick.epoch, "metrics": _headlines(metrics)}
        gan = make_snapshot(G, self.state, self.config, self.setup.dataset, facts=facts)
        # times and machines stay out of the model itself, which is the same again wherever it is the same
        told = facts | facts_of_run(self.directory, self.setup.dataset, self.rows)
        card = model_card(dataclasses.replace(gan, facts=told), name=self.directory.root.resolve().name)
        gan.save(self.directory.model, card=card)

    def _distributions(self, G: Generator) -> dict[str, Tensor]:
        """What histograms show: the logits of real and of generated images, and every weight of both networks."""
        weights = {
            f"Weights/{network}/{name}": weight.detach()
            for network, module in (("G", G), ("D", self.state.D))
            for name, weight in module.named_parameters()
        }
        return logits_to_show(G, self.state, self.config, self.setup.dataset) | weights

    def _announce(self) -> bool:
        """Pass the diagnosis to the observer; True if the training is to end on a plateau."""
        said = self.diagnosis()
        if said is None:
            return False
        self.control.floor = self.floor
        self.observer.judged(said)
        return self.stop_on_plateau and said.state == "plateau"

    def _tell_of(self, error: BaseException) -> None:
        """Let whoever watches know that, and why, nothing more will come."""
        failed = isinstance(error, MnistGanError)
        self.control.publish("failed" if failed else "stopped", message=str(error) if failed else None)

    def _take_back(self, error: DivergenceError) -> None:
        """Go back to the best checkpoint with half the learning rates.

        Raises:
            DivergenceError: `error`, if that was done as often as the config allows.
        """
        if self.state.rollbacks >= self.config.run.rollbacks:
            raise error
        checkpoint = roll_back(self.directory.checkpoints, self.state)
        self._forget_the_future()
        logger.warning(
            f"{error}. Back to {checkpoint} with learning rates of {self.state.lr_scale:g} times the schedule "
            f"(rollback {self.state.rollbacks} of {self.config.run.rollbacks})"
        )

    def _forget_the_future(self) -> None:
        """Drop rows that were logged after the state's clock; they will be written anew."""
        self.metrics.truncate_after(self.state.cur_nimg)
        self.followers.begin(self.state.cur_nimg)
        self.rows = read_rows(self.directory.metrics)


def _row(tick: Tick) -> dict[str, float]:
    speed = tick.nimg / tick.seconds if tick.seconds else 0.0
    clock: dict[str, float] = {"cur_nimg": tick.cur_nimg, "step": tick.step, "epoch": tick.epoch}
    return clock | tick.stats | {"Timing/img_per_sec": speed, "Timing/train_sec": tick.seconds}


def _headlines(metrics: dict[str, float]) -> dict[str, float]:
    """The metrics without those of single digits."""
    named = {name.removeprefix(METRIC_PREFIX): value for name, value in metrics.items()}
    return {name: value for name, value in named.items() if "/" not in name}


def _distance(row: dict[str, Any]) -> float | None:
    """The distance that a row holds, if it holds one."""
    return next((value for name, value in row.items() if name.startswith(DISTANCE_PREFIX)), None)
