"""Diagnosis of a training: a state, the evidence for it, and a remedy.

`diagnose` reads the rows of metrics.jsonl and nothing else, so the display, the report and the studio agree. Each
symptom is a function from the history to its evidence; the first of `SYMPTOMS` with evidence names the state.
`Thresholds` holds every number that decides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final, Literal, TypeAlias

from mnist_gan.figures import DISTANCE_PREFIXES, METRIC_PREFIX
from mnist_gan.text import pluralize

State: TypeAlias = Literal[
    "too early",
    "improving",
    "healthy",
    "plateau",
    "collapsing",
    "discriminator too strong",
    "discriminator too weak",
    "diverging",
]
Row: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """Numbers that decide a diagnosis, fitted on recorded healthy and failing runs."""

    evaluations_needed: int = 4
    """Evaluations before any state but "diverging" or "collapsing" on identical samples."""
    recent: int = 3
    """Number of latest evaluations (or rows of scores) that must agree."""
    diversity: float = 0.55
    """Diversity within a digit, relative to real images, below which its samples are too similar."""
    mean_diversity: float = 0.9
    """Diversity, averaged over the digits, below which the samples are too similar."""
    share: float = 0.1
    """Share of a digit, relative to MNIST's, below which it is lost."""
    lost_distance: float = 3.0
    """Distance over the best earlier one, above which the training diverges."""
    faded_distance: float = 1.5
    """The same ratio, above which a guessing discriminator is too weak."""
    hopeless_distance: float = 15.0
    """Distance, in percent of the real variance, above which images are no digits."""
    good_distance: float = 8.0
    """Distance, in percent of the real variance, up to which a training without symptoms is healthy, not improving."""
    identical: float = 0.2
    """Diversity within a digit below which its samples are practically identical."""
    runaway_score: float = 2000.0
    """Absolute mean score above which the discriminator diverges."""
    score_growth: float = 20.0
    """Difference of mean real and generated scores over its median so far, above which the discriminator diverges."""
    strong: float = 0.97
    """Mean of the latest accuracies on real and on generated images (or of ranking probabilities), above which the
    discriminator is too strong. One spike does not count."""
    weak: float = 0.55
    """Balanced accuracy (or ranking probability) below which the discriminator is guessing."""
    improvement: float = 0.03
    """Relative fall of the best distance that counts as progress."""
    progress: float = 0.1
    """Relative fall of the best distance that shows that the generator learns from a discriminator that always wins."""
    patience: int = 8
    """Evaluations without progress that make a plateau."""


THRESHOLDS: Final = Thresholds()
POINT_THRESHOLDS: Final = Thresholds(good_distance=1.0, hopeless_distance=3.0)
"""For points: their energy distance is in percent of the real spread, 0.1 for real points and 4 to 18 for noise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """State of a training at one moment."""

    state: State
    evidence: tuple[str, ...]
    """Observations with their numbers, one clause each."""
    remedy: str | None
    """Remedy; None if nothing is wrong."""

    def __str__(self) -> str:
        """One line for people."""
        text = f"{self.state}: {'; '.join(self.evidence)}" if self.evidence else self.state
        return f"{text}. {self.remedy}" if self.remedy else text


@dataclass(frozen=True, kw_only=True)
class History:
    """Rows of a run, arranged for the symptoms."""

    rows: Sequence[Row]
    evaluations: Sequence[Row]
    """Rows with a distance."""
    distance_name: str | None
    floor: float | None
    """Distance of held-out real images under the same protocol."""

    @classmethod
    def of(cls, rows: Sequence[Row], *, floor: float | None = None) -> History:
        """Arrange `rows`, in order of images seen. The first field with a distance's prefix is the distance."""
        names = (name for row in rows for name in row if name.startswith(DISTANCE_PREFIXES))
        distance_name = next(names, None)
        evaluations = [row for row in rows if distance_name in row]
        return cls(rows=rows, evaluations=evaluations, distance_name=distance_name, floor=floor)

    @property
    def of_points(self) -> bool:
        """True for a training on points, whose distance is an energy distance."""
        return (self.distance_name or "").startswith(DISTANCE_PREFIXES[1])

    @property
    def distances(self) -> list[float]:
        """Distance at each evaluation."""
        return [row[self.distance_name] for row in self.evaluations] if self.distance_name is not None else []

    def latest(self, name: str, count: int) -> list[float]:
        """Up to `count` latest values of a field, oldest first."""
        return [row[name] for row in self.rows if name in row][-count:]

    def latest_per_digit(self, name: str, count: int) -> dict[int, list[float]]:
        """Values of `name/0` to `name/9` at the `count` latest evaluations, where present."""
        return {
            digit: [row[f"{name}/{digit}"] for row in self.evaluations[-count:] if f"{name}/{digit}" in row]
            for digit in range(10)
        }


MODES: Final = f"{METRIC_PREFIX}modes2500"
"""Modes covered by samples of points."""
SCORES: Final = ("Loss/scores/real", "Loss/scores/fake")
Symptom: TypeAlias = Callable[[History, Thresholds], tuple[str, ...]]
"""Returns the evidence for one kind of trouble; empty without evidence."""


def runaway_scores(history: History, limits: Thresholds) -> tuple[str, ...]:
    """Mean scores that are huge, or whose difference grows far beyond its median."""
    scores = [abs(row[name]) for row in history.rows for name in SCORES if name in row]
    if max(scores, default=0.0) > limits.runaway_score:
        return (f"the discriminator's scores have been as large as {max(scores):,.0f}",)
    real, fake = SCORES
    gaps = [abs(row[real] - row[fake]) for row in history.rows if real in row and fake in row]
    if len(gaps) < 2 * limits.recent:
        return ()
    usual, now = median(gaps), min(gaps[-limits.recent :])
    if usual > 0 and now > limits.score_growth * usual:
        return (f"real and generated scores are {now:.3g} apart, {now / usual:.0f} times as far as usual",)
    return ()


def lost_distance(history: History, limits: Thresholds) -> tuple[str, ...]:
    """A distance far above the best earlier one."""
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
    """Digits that are lost, or samples that are too similar, at each of the latest evaluations."""
    if not _past_beginning(history, limits):
        return ()
    digits, modes = _lost_digits(history, limits), _lost_modes(history, limits)
    similar = _similar_samples(history, limits)
    return (*digits, *modes, *similar) or _little_variety(history, limits)


def identical_samples(history: History, limits: Thresholds) -> tuple[str, ...]:
    """Samples of a digit that are practically identical, at each of the latest evaluations."""
    return _similar_samples(history, dataclasses.replace(limits, diversity=limits.identical))


def _lost_digits(history: History, limits: Thresholds) -> tuple[str, ...]:
    lost = [
        digit
        for digit, shares in history.latest_per_digit("Metric/share", limits.recent).items()
        if len(shares) == limits.recent and max(shares) < limits.share
    ]
    return (f"almost no {_listed(lost)} among the samples",) if lost else ()


def _lost_modes(history: History, limits: Thresholds) -> tuple[str, ...]:
    """Modes of points that earlier samples covered, and those of the latest evaluations do not."""
    covered = [row[MODES] for row in history.evaluations if MODES in row]
    if not history.of_points or len(covered) <= limits.recent:
        return ()
    before, now = max(covered[: -limits.recent]), max(covered[-limits.recent :])
    return (f"{pluralize(int(before - now), 'mode')} of {before:.0f} lost again",) if now < before else ()


def _similar_samples(history: History, limits: Thresholds) -> tuple[str, ...]:
    similar = {
        digit: values[-1]
        for digit, values in history.latest_per_digit("Metric/diversity", limits.recent).items()
        if len(values) == limits.recent and max(values) < limits.diversity
    }
    if not similar:
        return ()
    least = min(similar.values())
    return (f"samples of {_listed(list(similar))} are too similar (down to {least:.0%} of the variety of real digits)",)


def _little_variety(history: History, limits: Thresholds) -> tuple[str, ...]:
    values = history.latest("Metric/diversity", limits.recent)
    if len(values) < limits.recent or max(values) >= limits.mean_diversity:
        return ()
    return (f"samples of a digit have only {values[-1]:.0%} of the variety of real ones",)


def discriminator_too_strong(history: History, limits: Thresholds) -> tuple[str, ...]:
    """Real and generated images are told apart almost always, and the distance does not fall."""
    if not _past_beginning(history, limits) or _improved_lately(history, limits):
        return ()
    scores = _score_histories(history, limits)
    usual = [fmean(values) for values in scores.values() if len(values) == limits.recent]
    if not usual or min(usual) <= limits.strong:
        return ()
    return (
        f"the discriminator is right at least {min(*usual, 0.999):.1%} of the time",
        f"the distance, {history.distances[-1]:.3g}, does not fall",
    )


def discriminator_too_weak(history: History, limits: Thresholds) -> tuple[str, ...]:
    """The discriminator is guessing while the images are far from digits."""
    if not _past_beginning(history, limits) or history.distances[-1] < limits.hopeless_distance:
        return ()
    accuracy = _guessing_accuracy(history, limits)
    if accuracy is None:
        return ()
    return (
        f"the discriminator is right at most {accuracy:.0%} of the time, no better than guessing",
        f"yet the distance is still {history.distances[-1]:.3g}",
    )


def discriminator_faded(history: History, limits: Thresholds) -> tuple[str, ...]:
    """The discriminator is guessing and the distance rises: its scores have shrunk to zero and carry no signal.

    A gradient penalty causes it when it outweighs the remaining difference between real and generated images.
    """
    accuracy = _guessing_accuracy(history, limits)
    risen = _risen_distance(history, limits, times=limits.faded_distance)
    if accuracy is None or not risen:
        return ()
    return (f"the discriminator is right at most {accuracy:.0%} of the time, so the generator learns nothing", *risen)


def plateau(history: History, limits: Thresholds) -> tuple[str, ...]:
    """The best distance has not improved for `patience` evaluations."""
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
    ("discriminator too strong", discriminator_too_strong),
    ("collapsing", identical_samples),
    ("discriminator too weak", discriminator_too_weak),
    ("collapsing", collapsing),
    ("plateau", plateau),
)
"""In order of urgency. A discriminator that always wins causes lost digits and similar samples too, so it precedes
"collapsing", in which some samples pass. One that guesses causes lost digits, but no identical samples."""

REMEDIES: Final[dict[State, str]] = {
    "diverging": (
        "Set --objective.r1-gamma 1 and --optimizer.beta1 0; if they are set, go back to the best checkpoint with half "
        "the learning rates"
    ),
    "collapsing": (
        "Set --objective.r1-gamma 1 and --optimizer.beta1 0; if they are set, give both networks the labels with "
        "--training.conditional, or lower the learning rates"
    ),
    "discriminator too strong": (
        "Scale real images to [-1, 1] with --data.real-range -1 1; if they are, set --objective.loss non_saturating "
        "and --objective.r1-gamma 1, and lower --optimizer.d-lr to --optimizer.g-lr"
    ),
    "discriminator too weak": (
        "Weaken the penalty to --objective.r1-gamma 1, and give both networks the labels with --training.conditional; "
        "if that is set, try --objective.r1-gamma 0.1, raise --optimizer.d-lr, or widen the discriminator"
    ),
    "plateau": "Stop here and keep the best snapshot, or train with a learning rate that decays to zero",
}
"""Steps are separated by semicolons. The first that changes a setting is the one to take."""


def diagnose(rows: Sequence[Row], *, floor: float | None = None, thresholds: Thresholds | None = None) -> Diagnosis:
    """Diagnose a training from the rows of its metrics so far.

    Args:
        rows: in order of images seen, with the fields of metrics.jsonl. Rows without an evaluation count for their
            scores.
        floor: distance of held-out real images under the protocol of the rows.
        thresholds: numbers that decide; None chooses those for images or for points.
    """
    history = History.of(rows, floor=floor)
    thresholds = thresholds or (POINT_THRESHOLDS if history.of_points else THRESHOLDS)
    for state, symptom in SYMPTOMS:
        evidence = symptom(history, thresholds)
        if evidence:
            return Diagnosis(state=state, evidence=evidence, remedy=REMEDIES[state])
    if len(history.evaluations) < thresholds.evaluations_needed:
        count = pluralize(len(history.evaluations), "evaluation")
        evidence = (f"{count} so far; the diagnosis needs {thresholds.evaluations_needed}",)
        return Diagnosis(state="too early", evidence=evidence, remedy=None)
    state = "healthy" if history.distances[-1] <= thresholds.good_distance else "improving"
    return Diagnosis(state=state, evidence=_good_signs(history), remedy=None)


def _good_signs(history: History) -> tuple[str, ...]:
    best = min(history.distances)
    return (f"the distance is {history.distances[-1]:.3g}, its best so far {best:.3g}{_over_floor(history, best)}",)


def _over_floor(history: History, best: float) -> str:
    """Comparison with the floor, as the end of a sentence."""
    if not history.floor:
        return ""
    ratio = best / history.floor
    if history.of_points:
        return f", {ratio:.1f} times that of real points"
    nearer = " (below 1: nearer to the training digits than digits that they lack)" if ratio < 1 else ""
    return f", {ratio:.1f} times that of held-out digits{nearer}"


def _past_beginning(history: History, limits: Thresholds) -> bool:
    return len(history.evaluations) >= limits.evaluations_needed


def _improved_lately(history: History, limits: Thresholds) -> bool:
    distances = history.distances
    before = distances[: -limits.recent]
    return not before or min(distances[-limits.recent :]) < (1 - limits.progress) * min(before)


def _score_histories(history: History, limits: Thresholds) -> dict[str, list[float]]:
    """Latest accuracies on real and on generated images, or ranking probabilities, by field."""
    names = ("Score/real_accuracy", "Score/fake_accuracy", "Score/real_above_fake")
    histories = {name: history.latest(name, limits.recent) for name in names}
    return {name: values for name, values in histories.items() if values}


def _balanced_accuracy(history: History, limits: Thresholds) -> list[float]:
    """Latest means of the accuracies on real and on generated images, or the latest ranking probabilities."""
    scores = _score_histories(history, limits)
    if "Score/real_above_fake" in scores:
        return scores["Score/real_above_fake"]
    pairs = zip(scores.get("Score/real_accuracy", []), scores.get("Score/fake_accuracy", []), strict=True)
    return [(real + fake) / 2 for real, fake in pairs]


def _guessing_accuracy(history: History, limits: Thresholds) -> float | None:
    """Highest of the latest balanced accuracies; None if the discriminator does better than guessing."""
    accuracies = _balanced_accuracy(history, limits)
    if len(accuracies) < limits.recent or max(accuracies) > limits.weak:
        return None
    return max(accuracies)


def _listed(digits: Sequence[int]) -> str:
    """Digits as prose: "3s", "3s and 8s", "3s, 5s and 8s"."""
    names = [f"{digit}s" for digit in digits]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
