"""JSON between the server and its pages: responses, bodies of requests, and events, by address.

`python -m scripts.write_types` writes them as TypeScript for the scripts of the pages; the tests compare every response
with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NotRequired, TypeAlias, TypedDict, get_type_hints

from mnist_gan.artifacts.scoring import LabelSource
from mnist_gan.evaluation.diagnosis import State as DiagnosisState
from mnist_gan.runs.state import State
from mnist_gan.training import Player

Row: TypeAlias = dict[str, float]
"""Line of metrics.jsonl: statistics by name, `cur_nimg` among them."""
Scalar: TypeAlias = str | float | bool | None
Setting: TypeAlias = Scalar | list[Scalar]
"""Value of a field of a config."""
MoveKind: TypeAlias = Literal["step", "D", "G"]
FieldKind: TypeAlias = Literal["choice", "number", "integer", "switch"]
SearchState: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled"]
Point: TypeAlias = tuple[float, float]


class Failure(TypedDict):
    """Response of a request that failed."""

    error: str


# Pictures and judgements


class Gray(TypedDict):
    """Gray levels of a square image, row by row, as base64."""

    side: int
    pixels: str


class Recognition(TypedDict):
    """Digit that mnistnet recognizes, and the probability of each."""

    digit: int
    probabilities: list[float]


class Score(TypedDict):
    """Discriminator's output for one image, with a sentence about it."""

    verdict: Literal["REAL", "FAKE"]
    probability_real: float
    logit: float
    label: int | None
    label_source: LabelSource | None
    label_name: str | None
    sentence: str


# Runs


class Diagnosis(TypedDict):
    """State of a training at one moment."""

    state: DiagnosisState
    evidence: list[str]
    remedy: str | None


class MeasuredDiagnosis(Diagnosis):
    """Diagnosis with the distance of held-out real digits."""

    floor: float | None


class Intervention(TypedDict):
    """Change of the learning rates."""

    cur_nimg: int
    rollbacks: int
    g_lr: float
    d_lr: float


class RunStatus(TypedDict):
    """State and progress of a run; the optional parts are those that its training has published."""

    state: State
    active: bool
    resumable: bool
    message: str | None
    cur_nimg: int
    total_nimg: int
    activity: NotRequired[str | None]
    step: NotRequired[int]
    epoch: NotRequired[float]
    speed_limit: NotRequired[float | None]
    g_lr: NotRequired[float]
    d_lr: NotRequired[float]
    factor: NotRequired[float]
    floor: NotRequired[float | None]
    rollbacks: NotRequired[int]
    time: NotRequired[float]
    stats: NotRequired[Row]
    img_per_sec: NotRequired[float | None]


class Grid(TypedDict):
    """Layout of a sample grid, in pixels."""

    columns: int
    rows: int
    cell: int
    border: int
    width: int
    height: int


class Scores(TypedDict):
    """Histograms of the logits of real and generated images, with the boundary between the verdicts."""

    edges: list[float]
    real: list[int]
    generated: list[int]
    boundary: float | None


class Digits(TypedDict):
    """Counts and diversity of the generated digits."""

    n: int
    counts: list[int]
    real_shares: list[float]
    diversity: list[float | None]
    mean_diversity: float | None


class Preview(TypedDict):
    """Newest sample grid of a training, and figures of the same moment."""

    version: int
    cur_nimg: int
    step: int
    epoch: float
    time: float
    grid: Grid
    scores: Scores | None
    digits: Digits | None


class RunRow(TypedDict):
    """Run as a row of the table."""

    run: str
    state: State
    active: bool
    preset: str
    data: str
    conditional: bool
    cur_nimg: int
    total_nimg: int
    updated: str
    has_model: bool
    has_report: bool
    resumable: bool
    problem: str | None
    distance: float | None
    best_distance: float | None
    floor: float | None
    diagnosis: Diagnosis | None
    note: str
    last_sample: int | None
    """Epoch of the newest sample grid; None before the first."""


class NoteBody(TypedDict):
    """Note about a run."""

    note: str


class RunList(TypedDict):
    """All runs, those that are starting first."""

    runs: list[RunRow]


class CommandLine(TypedDict):
    """Command that does the same outside the studio."""

    command: str
    purpose: str


class RunDetails(RunRow):
    """One run with its settings, its progress, and what its training has published."""

    settings: dict[str, Setting]
    samples: list[int]
    interventions: list[Intervention]
    live: Preview | None
    commands: list[CommandLine]
    status: RunStatus


class Rows(TypedDict):
    """Rows of metrics, and the distance of held-out real digits."""

    rows: list[Row]
    floor: float | None


class Epoch(TypedDict):
    """Epoch with a sample grid."""

    epoch: int


class Samples(TypedDict):
    """Epochs with a sample grid, and its layout."""

    samples: list[Epoch]
    columns: int
    rows: int


class FigureRow(TypedDict):
    """Figure of two runs."""

    name: str
    title: str
    explanation: str
    a: float | None
    b: float | None
    better: Literal["a", "b"] | None


class SettingRow(TypedDict):
    """Setting that differs between two runs."""

    name: str
    a: Setting
    b: Setting


class Moment(TypedDict):
    """Drawings of a run after some images, and its scores if they were kept."""

    cur_nimg: int
    picture: str
    scores: Scores | None


class Moments(TypedDict):
    """Moments of a run, in order."""

    moments: list[Moment]


class Comparison(TypedDict):
    """Two runs side by side; `difference` names the settings of the training that differ."""

    runs: list[RunRow]
    difference: str
    figures: list[FigureRow]
    settings: list[SettingRow]
    rows: list[list[Row]]


class Trial(TypedDict):
    """Newest trial step of one network; the training is at this step, and goes on from there."""

    version: int
    cur_nimg: int
    step: int
    player: Player
    before: Scores | None
    after: Scores | None


class ResetEvent(TypedDict):
    """Training has returned to a checkpoint."""

    cur_nimg: int


class RowsEvent(TypedDict):
    """Several new rows of metrics."""

    rows: list[Row]


class EndEvent(TypedDict):
    """Training has ended."""

    state: State


class RunEvents(TypedDict):
    """Events of a run by name."""

    state: RunStatus
    row: Row
    rows: RowsEvent
    reset: ResetEvent
    live: Preview
    trial: Trial
    diagnosis: MeasuredDiagnosis
    intervention: Intervention
    end: EndEvent


# Training


class StudioInfo(TypedDict):
    """Server: version, folder and current training."""

    version: str
    runs_dir: str
    run: str | None
    training: str | None
    trainings_at_once: int


class FigureText(TypedDict):
    """Title and explanation of a figure."""

    title: str
    explanation: str


class FormField(TypedDict):
    """Setting that the page may change."""

    name: str
    title: str
    kind: FieldKind
    choices: list[str]
    unit: str | None
    explanation: str
    advanced: bool


class Cure(TypedDict):
    """Recipe with changes that cures a failure."""

    preset: str
    changes: dict[str, Scalar]


class Lesson(TypedDict):
    """Lesson of a recipe that fails."""

    look_at: str
    cure: str
    start: Cure


class Recipe(TypedDict):
    """Recipe with the values of its fields."""

    name: str
    title: str
    summary: str
    minutes: float | None
    values: dict[str, Scalar]
    lesson: Lesson | None


class Recipes(TypedDict):
    """Recipes, and the settings that the page may change."""

    default: str
    presets: list[Recipe]
    fields: list[FormField]


class TrainBody(TypedDict):
    """Training to start."""

    preset: str
    changes: NotRequired[dict[str, Scalar]]
    name: NotRequired[str | None]


class Started(TypedDict):
    """Run that was started."""

    run: str


class PairSide(TypedDict):
    """Recipe or run, with changes; a run without changes is not trained again."""

    preset: NotRequired[str]
    run: NotRequired[str]
    changes: NotRequired[dict[str, Scalar]]


class PairBody(TypedDict):
    """Two runs to compare, of which at least one is new."""

    first: PairSide
    second: PairSide


class Pair(TypedDict):
    """Ids of both runs, and what differs."""

    a: str
    b: str
    difference: str


class CommandBody(TypedDict):
    """Command to a training, with its values."""

    command: Literal["pause", "resume", "stop", "step", "trial", "speed", "learning_rates"]
    player: NotRequired[Player]
    steps: NotRequired[int]
    steps_per_second: NotRequired[float | None]
    g_lr: NotRequired[float]
    d_lr: NotRequired[float]


class Accepted(TypedDict):
    """Command that was sent to the training."""

    accepted: Literal[True]


# Models


class ModelRow(TypedDict):
    """Model in the list."""

    id: str
    name: str
    kind: Literal["shipped", "run"]
    ready: bool


class ModelList(TypedDict):
    """All models, the shipped one first."""

    models: list[ModelRow]


class Snapshot(TypedDict):
    """Generator at a stage of its training."""

    at: int
    epoch: float
    title: str


class Model(TypedDict):
    """Model and the snapshots of its training."""

    id: str
    name: str
    conditional: bool
    num_classes: int
    classes: list[int]
    class_names: list[str]
    digits: bool
    channels: int
    resolution: int
    z_dim: int
    snapshots: list[Snapshot]


class Direction(TypedDict):
    """Slider of a model."""

    index: int
    name: str
    share: float
    range: tuple[float, float]
    step: float
    explanation: str


class Directions(TypedDict):
    """Sliders of a model, and how they were found."""

    directions: list[Direction]
    method: str
    share_total: float


class ViewScore(TypedDict):
    """Judgement of the image of a view; `recognition` only for models of digits."""

    recognition: Recognition | None
    score: Score


class Latent(TypedDict):
    """Encoded z of a view, its length, and the average length."""

    z: str
    norm: float
    typical_norm: float


# Inside the networks


class Maps(TypedDict):
    """Maps of a layer: signed bytes, row by row and map after map, as base64; 127 stands for `limit`."""

    height: int
    width: int
    channels: list[int]
    values: str
    limit: float


class InsideLayer(TypedDict):
    """Layer of a network during the drawing of one picture; `maps` is the list of numbers where it has no maps."""

    name: str
    title: str
    shape: str
    text: str
    has_maps: bool
    has_units: bool
    count: int
    maps: Maps


class InsideNetwork(TypedDict):
    """Layers of a network in the order in which they compute."""

    layers: list[InsideLayer]


class Inside(TypedDict):
    """Both networks at work on one picture."""

    image: Gray
    generator: InsideNetwork
    discriminator: InsideNetwork
    logit: float
    score: Score


class StrongImage(Gray):
    """Image with a strong response of a channel, and the rectangle that it is strongest for."""

    value: float
    class_name: str | None
    box: tuple[int, int, int, int] | None


class ClassResponse(TypedDict):
    """Mean response of a channel to the images of a class."""

    class_name: str
    mean: float


class Without(TypedDict):
    """Output with a channel set to 0: a picture of the generator, or the logit."""

    image: Gray | None
    logit: float | None


class InsideChannel(TypedDict):
    """The map of a channel for the picture, and the images that it responds to."""

    channel: int
    maps: Maps
    low: float
    high: float
    images: str
    classes: list[ClassResponse]
    strongest: list[StrongImage]
    without: Without
    sentence: str


class UnitInput(TypedDict):
    """Input channel of a unit: its patch, its part of the kernel, and the sum of their products."""

    name: str
    patch: list[list[float]]
    kernel: list[list[float]]
    products: list[list[float]]
    sum: float


class UnitStep(TypedDict):
    """Number after one more layer."""

    title: str
    value: float


class InsideUnit(TypedDict):
    """Sum behind one number of a layer: its strongest inputs, the others together, the bias, and what follows."""

    channel: int
    y: int
    x: int
    top: int
    left: int
    inputs: list[UnitInput]
    others: int
    others_sum: float
    bias: float
    value: float
    steps: list[UnitStep]
    formula: str
    numbers: str
    call: str
    function: str
    source: str


# Drawings


class DrawingBody(TypedDict):
    """Strokes of a pen in canvas units: x to the right, y down."""

    strokes: list[list[Point]]
    width: NotRequired[float | None]
    canvas: float


class JudgeBody(DrawingBody):
    """Drawing for a model, judged with a label or with the one that is recognized."""

    model: NotRequired[str]
    label: NotRequired[int | None]


class SearchBody(JudgeBody):
    """Drawing to search for among the latents."""

    seed: NotRequired[int]
    steps: NotRequired[int]
    starts: NotRequired[int]


class Fitted(TypedDict):
    """Drawing in the format of the data set, and the steps that led to it."""

    image: Gray
    steps: list[str]


class Attribution(TypedDict):
    """Contribution of each pixel to the logit."""

    values: list[float]
    max_abs: float
    logit: float
    baseline_logit: float
    completeness_error: float


class Neighbour(Gray):
    """Training image and its distance from the drawing."""

    index: int
    name: str
    distance: float


class Nearest(TypedDict):
    """Most similar training images, and a sentence about them."""

    images: list[Neighbour]
    message: str


class Judgement(Fitted):
    """Drawing as both networks and the nearest training images see it."""

    recognition: Recognition
    score: Score
    attribution: Attribution
    nearest: Nearest


class SearchStarted(TypedDict):
    """Search that was started, and the address of its events."""

    job: str
    events: str


class Progress(TypedDict):
    """Best image of a search so far."""

    step: int
    steps: int
    error: float
    image: Gray
    z: str
    label: int | None


class Found(Progress):
    """Result of a search; `explore` is the query of its address on the Explore page."""

    probability_real: float
    explore: str


class Search(TypedDict):
    """Search with its newest progress, or its result."""

    job: str
    state: SearchState
    last: Found | Progress | None
    error: str | None


class SearchEnded(TypedDict):
    """Search that was cancelled."""

    state: SearchState


class NoContent(TypedDict):
    """Empty object."""


class SearchEvents(TypedDict):
    """Events of a search by name."""

    progress: Progress
    done: Found
    failed: Failure
    cancelled: NoContent


# The plane


class PlaneField(FormField):
    """Setting of a game."""

    live: bool


class PlaneData(TypedDict):
    """Data set of a game, with the values of its preset."""

    name: str
    title: str
    width: int
    values: dict[str, Scalar]


class PlaneInfo(TypedDict):
    """Data sets, settings and widths of games."""

    data: list[PlaneData]
    sketch: str
    widths: list[int]
    limits: list[int]
    fields: list[PlaneField]


class GameBody(TypedDict):
    """Body of a request for a new game."""

    data: str
    changes: NotRequired[dict[str, Scalar]]
    width: NotRequired[int]
    limit: NotRequired[int]
    strokes: NotRequired[list[list[Point]]]


class Begun(TypedDict):
    """A new game: its id, and some of its real points in the range of the networks."""

    id: str
    real: list[Point]
    centre: list[float]
    scale: float
    preset: str


class MovesBody(TypedDict):
    """Body of a request for moves and a picture."""

    kind: NotRequired[MoveKind]
    moves: NotRequired[int]
    view: NotRequired[dict[str, bool]]


class ChangesBody(TypedDict):
    """Body of a request for other settings in the middle of a game."""

    changes: dict[str, Scalar]


class RecordedMove(TypedDict):
    """Moves of one kind in a row, or a change of settings."""

    kind: Literal["step", "D", "G", "change"]
    count: int
    changes: dict[str, Scalar]


class GameRecord(TypedDict):
    """Record of a game."""

    record: list[RecordedMove]


class GameEnded(TypedDict):
    """A game that is closed, if it was open."""

    ended: bool


# Lessons


class LessonQuestion(TypedDict):
    """Question with one right answer."""

    text: str
    choices: list[str]
    right: int
    why: str


class LessonSetup(TypedDict):
    """Settings of the game of an experiment."""

    data: str
    changes: dict[str, Scalar]
    limit: NotRequired[int]


class LessonMoves(TypedDict):
    """Moves of one kind."""

    kind: MoveKind
    moves: int


class LessonGame(TypedDict):
    """Experiment on the plane."""

    title: str
    setup: LessonSetup
    moves: list[LessonMoves]
    figures: list[str]
    address: str


class LessonPicture(TypedDict):
    """Experiment with a row of digits."""

    title: str
    picture: str


class GuidedLesson(TypedDict):
    """Guided lesson."""

    name: str
    title: str
    idea: str
    prediction: LessonQuestion
    experiments: list[LessonGame | LessonPicture]
    reveal: str
    check: LessonQuestion
    takeaway: str
    section: str
    section_address: str
    function: str
    source: str
    digits: str | None
    """Address of two trainings on digits that ask the same question; None without one."""


class GuidedLessons(TypedDict):
    """The lessons, in their order."""

    lessons: list[GuidedLesson]


class TheoryInfo(TypedDict):
    """Address of the files of this release, with a final slash; None without a release."""

    files: str | None


class SourceText(TypedDict):
    """Source of an object of the package."""

    source: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Types of an address."""

    response: Any
    body: Any = None
    """Type of the request's JSON; None for an address that takes none."""


ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "GET /api/studio": Endpoint(StudioInfo),
    "GET /api/figures": Endpoint(dict[str, FigureText]),
    "GET /api/presets": Endpoint(Recipes),
    "POST /api/train": Endpoint(Started, TrainBody),
    "POST /api/pair": Endpoint(Pair, PairBody),
    "GET /api/runs": Endpoint(RunList),
    "GET /api/compare": Endpoint(Comparison),
    "GET /api/runs/{run}": Endpoint(RunDetails),
    "POST /api/runs/{run}/note": Endpoint(NoteBody, NoteBody),
    "GET /api/runs/{run}/rows": Endpoint(Rows),
    "GET /api/runs/{run}/samples": Endpoint(Samples),
    "GET /api/runs/{run}/moments": Endpoint(Moments),
    "POST /api/runs/{run}/command": Endpoint(Accepted, CommandBody),
    "GET /api/models": Endpoint(ModelList),
    "GET /api/models/{model}": Endpoint(Model),
    "GET /api/models/{model}/directions": Endpoint(Directions),
    "GET /api/explore/score": Endpoint(ViewScore),
    "GET /api/explore/z": Endpoint(Latent),
    "GET /api/inside": Endpoint(Inside),
    "GET /api/inside/channel": Endpoint(InsideChannel),
    "GET /api/inside/unit": Endpoint(InsideUnit),
    "POST /api/draw/fit": Endpoint(Fitted, DrawingBody),
    "POST /api/draw/judge": Endpoint(Judgement, JudgeBody),
    "POST /api/draw/invert": Endpoint(SearchStarted, SearchBody),
    "GET /api/plane": Endpoint(PlaneInfo),
    "POST /api/plane": Endpoint(Begun, GameBody),
    "GET /api/plane/{game}": Endpoint(GameRecord),
    "DELETE /api/plane/{game}": Endpoint(GameEnded),
    "POST /api/plane/{game}/changes": Endpoint(GameRecord, ChangesBody),
    "GET /api/lessons": Endpoint(GuidedLessons),
    "GET /api/theory": Endpoint(TheoryInfo),
    "GET /api/theory/{name}": Endpoint(SourceText),
    "GET /api/jobs/{job}": Endpoint(Search),
    "DELETE /api/jobs/{job}": Endpoint(SearchEnded),
}
"""Types of the addresses that answer with JSON."""
EVENTS: Final[Mapping[str, type]] = {
    "/api/runs/{run}/events": RunEvents,
    "/api/jobs/{job}/events": SearchEvents,
}
"""Types of the event streams."""


def names_of(body: type) -> tuple[str, ...]:
    """Names of the fields of a request's body."""
    return tuple(get_type_hints(body))
