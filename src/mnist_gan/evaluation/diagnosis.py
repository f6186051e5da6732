"""How a training goes, in plain words: a state, the evidence for it, and a remedy.

`diagnose` reads the rows of a run's metrics and nothing else, so that the live display, the report and a test over
recorded runs all say the same. Each kind of trouble is one function from the history to its evidence, or None; the
first in `SYMPTOMS` that finds evidence names the state. All numbers that decide are in one table, `Thresholds`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal, TypeAlias

from mnist_gan.figures import DISTANCE_PREFIX

State: TypeAlias = Literal[
    "too early", "healthy", "plateau", "collapsing", "discriminator too strong", "discriminator too weak", "diverging"
]
Row: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """Every number that a diagnosis depends on. To be fitted on recorded healthy and failing runs."""

    evaluations_needed: int = 3
    """Evaluations before anything but divergence is said."""
    recent: int = 3
    """How many of the latest evaluations (or rows of scores) must agree."""
    diversity: float = 0.55
    """Diversity within a digit, relative to real images, below which its samples are too alike."""
    share: float = 0.1
    """Share of a digit, relative to MNIST's, below which it is lost."""
    lost_distance: float = 3.0
    """Distance over the best one before it, above which the training has come apart."""
    faded_distance: float = 1.5
    """The same, above which a discriminator that guesses teaches nothing any more."""
    hopeless_distance: float = 15.0
    """Distance, in percent of the real variance, above which images are no digits."""
    identical: float = 0.2
    """Diversity within a digit below which its samples are one picture."""
    runaway_score: float = 500.0
    """Mean score, of real or of generated images, that shows that nothing holds the discriminator back."""
    score_growth: float = 20.0
    """Spread of real and generated scores over its median so far, above which they run away."""
    strong: float = 0.97
    """Accuracy on real and on generated images (or chance of a real one scoring higher) of one that wins."""
    weak: float = 0.55
    """The same of one that guesses."""
    improvement: float = 0.03
    """Relative fall of the best distance that counts as progress."""
    patience: int = 8
    """Evaluations without such a fall that make a plateau."""


THRESHOLDS: Final = Thresholds()


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """What is to be said of a training at one moment."""

    state: State
    evidence: tuple[str, ...]
    """What was seen, one sentence each, with its numbers."""
    remedy: str | None
    """What to try; None where nothing needs doing."""

    def __str__(self) -> str:
        """One line for people."""
        said = f"{self.state}: {'; '.join(self.evidence)}" if self.evidence else self.state
        return f"{said}. {self.remedy}" if self.remedy else said


@dataclass(frozen=True, kw_only=True)
class History:
    """The rows of a run, sorted into what the symptoms read."""

    rows: Sequence[Row]
    evaluations: Sequence[Row]
    """Rows that hold a distance."""
    distance_name: str | None
    floor: float | None
    """Distance of held-out real images under the same protocol."""

    @classmethod
    def of(cls, rows: Sequence[Row], *, floor: float | None = None) -> History:
        """Sort `rows`, in order of images seen. The distance is the first `Metric/fd...` that occurs."""
        names = (name for row in rows for name in row if name.startswith(DISTANCE_PREFIX))
        distance_name = next(names, None)
        evaluations = [row for row in rows if distance_name in row]
        return cls(rows=rows, evaluations=evaluations, distance_name=distance_name, floor=floor)

    @property
    def distances(self) -> list[float]:
        """The distance at each evaluation."""
        return [row[self.distance_name] for row in self.evaluations] if self.distance_name is not None else []

    def latest(self, name: str, count: int) -> list[float]:
        """The last `count` values of a field, oldest first; fewer where there are fewer."""
        return [row[name] for row in self.rows if name in row][-count:]

    def latest_per_digit(self, name: str, count: int) -> dict[int, list[float]]:
        """The last `count` values of `name/0`, `name/1`, ... at evaluations; a value that is absent is left out."""
        return {
            digit: [row[f"{name}/{digit}"] for row in self.evaluations[-count:] if f"{name}/{digit}" in row]
            for digit in range(10)
        }


SCORES: Final = ("Loss/scores/real", "Loss/scores/fake")
Symptom: TypeAlias = Callable[[History, Thresholds], tuple[str, ...]]
"""Evidence for one kind of trouble; empty where there is none."""


def runaway_scores(history: History, limits: Thresholds) -> tuple[str, ...]:
    """Scores that grow without end."""
    scores = [abs(row[name]) for row in history.rows for name in SCORES if name in row]
    if max(scores, default=0.0) > limits.runaway_score:
        return (f"the discriminator's scores have been as large as {max(scores):,.0f}",)
    gaps = [
        abs(row["Loss/scores/real"] - row["Loss/scores/fake"])
        for row in history.rows
        if "Loss/scores/real" in row and "Loss/scores/fake" in row
    ]
    if len(gaps) < 2 * limits.recent:
        return ()
    usual, now = median(gaps), min(gaps[-limits.recent :])
    if usual > 0 and now > limits.score_growth * usual:
        return (f"real and generated scores are {now:.3g} apart, {now / usual:.0f} times as far as usual",)
    return ()


def lost_distance(history: History, limits: Thresholds) -> tuple[str, ...]:
    """A distance far above the best one before."""
    return _risen_distance(history, limits, times=limits.lost_distance)


def _risen_distance(history: History, limits: Thresholds, *, times: float) -> tuple[str, ...]:
    distances = history.distances
    if len(distances) < 1 + limits.recent:
        return ()
    best, now = min(distances[: -limits.recent]), min(distances[-limits.recent :])
    if now > times * best:
        return (f"the distance has risen from {best:.3g} to {now:.3g}",)
    return ()


def collapsing(history: History, limits: Thresholds) -> tuple[str, ...]:
    """Digits that stopped coming, or samples of a digit that are too alike, at each of the latest evaluations."""
    if not _past_beginning(history, limits):
        return ()
    return (*_lost_digits(history, limits), *_alike_samples(history, limits))


def identical_samples(history: History, limits: Thresholds) -> tuple[str, ...]:
    """Samples of a digit that are all but one picture, at each of the latest evaluations."""
    return _alike_samples(history, dataclasses.replace(limits, diversity=limits.identical))


def _lost_digits(history: History, limits: Thresholds) -> tuple[str, ...]:
    lost = [
        digit
        for digit, shares in history.latest_per_digit("Metric/share", limits.recent).items()
        if len(shares) == limits.recent and max(shares) < limits.share
    ]
    return (f"almost no {_listed(lost)} among the samples",) if lost else ()


def _alike_samples(history: History, limits: Thresholds) -> tuple[str, ...]:
    alike = {
        digit: values[-1]
        for digit, values in history.latest_per_digit("Metric/diversity", limits.recent).items()
        if len(values) == limits.recent and max(values) < limits.diversity
    }
    if not alike:
        return ()
    least = min(alike.values())
    return (f"samples of {_listed(list(alike))} are too alike (as little as {least:.0%} of real digits' variety)",)


def discriminator_too_strong(history: History, limits: Thresholds) -> tuple[str, ...]:
    """Real and generated images told apart almost always, while the images do not get better."""
    if not _past_beginning(history, limits) or _improved_lately(history, limits):
        return ()
    wins = {
        name: values
        for name, values in _score_histories(history, limits).items()
        if len(values) == limits.recent and min(values) > limits.strong
    }
    scored = _score_histories(history, limits)
    if not scored or len(wins) < len(scored):
        return ()
    lowest = min(min(values) for values in wins.values())
    return (
        f"the discriminator is right {lowest:.1%} of the time or more",
        f"the distance, {history.distances[-1]:.3g}, does not fall",
    )


def discriminator_too_weak(history: History, limits: Thresholds) -> tuple[str, ...]:
    """Hardly better than guessing, while the images are still far from digits."""
    if not _past_beginning(history, limits) or history.distances[-1] < limits.hopeless_distance:
        return ()
    guess = _guess(history, limits)
    if guess is None:
        return ()
    return (
        f"the discriminator is right {guess:.0%} of the time at most, hardly better than guessing",
        f"yet the distance is still {history.distances[-1]:.3g}",
    )


def discriminator_faded(history: History, limits: Thresholds) -> tuple[str, ...]:
    """It guesses, and the images get worse: its scores were driven to zero, where they say nothing of an image.

    A gradient penalty does that where it outweighs what is left to tell apart, as images become good.
    """
    guess = _guess(history, limits)
    risen = _risen_distance(history, limits, times=limits.faded_distance)
    if guess is None or not risen:
        return ()
    return (f"the discriminator is right {guess:.0%} of the time at most, and teaches nothing any more", *risen)


def plateau(history: History, limits: Thresholds) -> tuple[str, ...]:
    """No better distance for some time."""
    distances = history.distances
    if len(distances) < limits.patience + limits.evaluations_needed:
        return ()
    best_before = min(distances[: -limits.patience])
    best_since = min(distances[-limits.patience :])
    if best_since < (1 - limits.improvement) * best_before:
        return ()
    return (f"the distance has not fallen below {best_before:.3g} in the last {limits.patience} evaluations",)


SYMPTOMS: Final[tuple[tuple[State, Symptom], ...]] = (
    ("diverging", runaway_scores),
    ("discriminator too weak", discriminator_faded),
    ("diverging", lost_distance),
    ("collapsing", identical_samples),
    ("discriminator too strong", discriminator_too_strong),
    ("discriminator too weak", discriminator_too_weak),
    ("collapsing", collapsing),
    ("plateau", plateau),
)
"""In order of urgency. A generator that its discriminator teaches nothing, for it wins or guesses, lacks digits too:
that comes first, unless all samples of a digit are one picture."""

REMEDIES: Final[dict[State, str]] = {
    "diverging": "Go back to the best checkpoint with half the learning rates, or raise --objective.r1-gamma",
    "collapsing": "Train conditionally, add a gradient penalty (--objective.r1-gamma 1), or lower the learning rates",
    "discriminator too strong": (
        "Check that real images are scaled to [-1, 1]; add --objective.r1-gamma 1, or lower --optimizer.d-lr"
    ),
    "discriminator too weak": (
        "Take a smaller gradient penalty (--objective.r1-gamma), raise --optimizer.d-lr, or widen the discriminator"
    ),
    "plateau": "Stop here and keep the best snapshot, or train with a learning rate that decays to zero",
}


def diagnose(rows: Sequence[Row], *, floor: float | None = None, thresholds: Thresholds = THRESHOLDS) -> Diagnosis:
    """The state of a training from the rows of its metrics so far.

    Args:
        rows: in order of images seen; fields as in metrics.jsonl. Rows without an evaluation count for their scores.
        floor: distance of held-out real images under the rows' protocol.
        thresholds: what decides.
    """
    history = History.of(rows, floor=floor)
    for state, symptom in SYMPTOMS:
        evidence = symptom(history, thresholds)
        if evidence:
            return Diagnosis(state=state, evidence=evidence, remedy=REMEDIES[state])
    if len(history.evaluations) < thresholds.evaluations_needed:
        said = f"{len(history.evaluations)} evaluations so far, {thresholds.evaluations_needed} are needed"
        return Diagnosis(state="too early", evidence=(said,), remedy=None)
    return Diagnosis(state="healthy", evidence=_good_signs(history), remedy=None)


def _good_signs(history: History) -> tuple[str, ...]:
    best = min(history.distances)
    beside = "" if not history.floor else f", {best / history.floor:.1f} times that of real digits"
    return (f"the distance is {history.distances[-1]:.3g}, its best so far {best:.3g}{beside}",)


def _past_beginning(history: History, limits: Thresholds) -> bool:
    return len(history.evaluations) >= limits.evaluations_needed


def _improved_lately(history: History, limits: Thresholds) -> bool:
    distances = history.distances
    before = distances[: -limits.recent]
    return not before or min(distances[-limits.recent :]) < (1 - limits.improvement) * min(before)


def _score_histories(history: History, limits: Thresholds) -> dict[str, list[float]]:
    """The latest scores: two accuracies, or the one chance that a real image scores higher."""
    names = ("Score/real_accuracy", "Score/fake_accuracy", "Score/real_above_fake")
    found = {name: history.latest(name, limits.recent) for name in names}
    return {name: values for name, values in found.items() if values}


def _balanced_accuracy(history: History, limits: Thresholds) -> list[float]:
    """The latest means of the accuracies on real and generated images; or the chance that a real one scores higher."""
    scores = _score_histories(history, limits)
    if "Score/real_above_fake" in scores:
        return scores["Score/real_above_fake"]
    pairs = zip(scores.get("Score/real_accuracy", []), scores.get("Score/fake_accuracy", []), strict=True)
    return [(real + fake) / 2 for real, fake in pairs]


def _guess(history: History, limits: Thresholds) -> float | None:
    """How often the discriminator has been right lately, at most; None where it does better than guess."""
    accuracies = _balanced_accuracy(history, limits)
    if len(accuracies) < limits.recent or max(accuracies) > limits.weak:
        return None
    return max(accuracies)


def _listed(digits: Sequence[int]) -> str:
    """Digits as prose: "3", "3 and 8", "3, 5 and 8"; with the plural's s."""
    names = [f"{digit}s" for digit in digits]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
