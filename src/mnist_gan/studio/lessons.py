"""Guided lessons: one table of their texts, their experiments, and what these must show.

Each asks for a prediction, plays games on points of the plane or draws digits, reveals what happened, asks a second
question and ends with two sentences to remember. Every claim about an experiment is tested on ten seeds by
`benchmarks/lessons.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from mnist_gan import objectives, training
from mnist_gan.evaluation.memorization import measure_memorization
from mnist_gan.evaluation.toys import mode_table
from mnist_gan.models import Discriminator

Kind: TypeAlias = Literal["step", "D", "G"]
Relation: TypeAlias = Literal["at most", "at least"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A question with one right answer."""

    text: str
    choices: tuple[str, ...]
    right: int
    """Index of the right choice."""
    why: str
    """Explanation, shown with the answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A limit that a figure keeps at the end of an experiment, with any seed."""

    figure: str
    relation: Relation
    value: float

    def holds(self, figures: Mapping[str, float | None]) -> bool:
        """True if the figures keep the limit."""
        found = figures[self.figure]
        if found is None:
            return False
        return found <= self.value if self.relation == "at most" else found >= self.value


@dataclass(frozen=True, kw_only=True, slots=True)
class Game:
    """An experiment on the plane: settings, and moves from the beginning."""

    title: str
    moves: tuple[tuple[Kind, int], ...]
    claims: tuple[Claim, ...]
    data: str = "ring8"
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Settings that differ from those of the data, by dotted name."""
    limit: int | None = None
    """Number of training points; None: all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """An experiment with the shipped model: a row of digits."""

    title: str
    digit: int
    seed: int = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Digits:
    """The question of a lesson for digits: two trainings with one difference, on the Runs page."""

    preset: str
    difference: Mapping[str, Any]
    """Settings of the second training, by dotted name."""
    both: Mapping[str, Any] = field(default_factory=dict)
    """Settings of both."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GuidedLesson:
    """A lesson of about three minutes."""

    name: str
    title: str
    idea: str
    prediction: Question
    experiments: tuple[Game, ...] | tuple[Picture, ...]
    reveal: str
    check: Question
    takeaway: str
    """Two sentences."""
    section: str
    """Heading in docs/how-a-gan-works.md."""
    function: Callable[..., Any]
    """Function that does it, whose source the page shows."""
    digits: Digits | None = None


def at_most(figure: str, value: float) -> Claim:
    """Claim an upper limit."""
    return Claim(figure=figure, relation="at most", value=value)


def at_least(figure: str, value: float) -> Claim:
    """Claim a lower limit."""
    return Claim(figure=figure, relation="at least", value=value)


NO_R1: Final = {"objective.r1_gamma": 0.0}
SLOW: Final = {**NO_R1, "optimizer.g_lr": 5e-4, "optimizer.d_lr": 5e-4}
GENTLE: Final = {"optimizer.g_lr": 1e-3, "optimizer.d_lr": 1e-3}
LOST: Final = {**NO_R1, "optimizer.beta1": 0.9}
"""Adam's usual momentum at a rate that is too high for it: G's points end in a corner."""
SHORT: Final = {"training.total_nimg": 60_000}

LESSONS: Final = (
    GuidedLesson(
        name="task",
        title="The task",
        idea="The blue points are real. The generator, G, turns random numbers into the orange points, and shall make "
        "them look like the blue ones. Nobody tells it where the blue ones are.",
        prediction=Question(
            text="How does G learn where the real points are?",
            choices=(
                "It sees them and copies them.",
                "It sees only how a second network judges its own points.",
                "It is given their density as a formula.",
            ),
            right=1,
            why="Only the discriminator, D, sees real points. G gets the gradient of D's answer at its own points, and "
            "nothing else.",
        ),
        experiments=(
            Game(
                title="300 steps of both",
                moves=(("step", 300),),
                claims=(at_least("reached", 7), at_least("moved", 10)),
            ),
        ),
        reveal="The orange points began as a blot and went to the groups, though no blue point ever entered G. The "
        "colours are D's answers: blue for real, orange for generated.",
        check=Question(
            text="Which network ever receives a real point as its input?",
            choices=("G alone", "D alone", "both"),
            right=1,
            why="D compares real points with generated ones. G's input is random numbers.",
        ),
        takeaway="A generator never sees the data. All it learns comes through the discriminator's gradient.",
        section="The task",
        function=training.generate,
    ),
    GuidedLesson(
        name="d-step",
        title="One side alone: D",
        idea="D gives every place a number, the logit: above 0 it says real, below 0 generated. A step of D changes "
        "D's weights so that real points get higher logits and generated ones lower.",
        prediction=Question(
            text="D makes 100 steps and G none. What will happen?",
            choices=(
                "The orange points move towards the blue ones.",
                "The colours change until blue and orange points are separated; no point moves.",
                "Nothing changes without G.",
            ),
            right=1,
            why="A step of D changes D alone. Against points that stand still it wins: its loss falls towards the "
            "least possible one.",
        ),
        experiments=(
            Game(
                title="100 steps of D",
                moves=(("D", 100),),
                claims=(at_most("moved", 0.0), at_most("Loss/D/loss", 0.6)),
            ),
        ),
        reveal="Not one point moved. D's loss fell from about 1.4, a guess, to less than 0.6: it tells the two kinds "
        "apart.",
        check=Question(
            text="D's loss is 0.1. What does that say about G's points?",
            choices=("They are good.", "They are easy to tell from real ones.", "Nothing."),
            right=1,
            why="A low loss of D means that D separates the kinds with ease, which is bad news for G.",
        ),
        takeaway="A step of D changes the map, not the points. A low loss of D is no sign of a good generator.",
        section="Two players",
        function=training.discriminator_step,
    ),
    GuidedLesson(
        name="g-step",
        title="The other side alone: G",
        idea="A step of G moves the orange points up D's map: each arrow is the push that a point gets. D is not "
        "changed by it.",
        prediction=Question(
            text="After 100 steps of D, G makes 60 steps against a D that stands still. Where do the points go?",
            choices=(
                "They spread evenly over all eight groups.",
                "They run to where D's map is highest, whether real points are there or not.",
                "They stay where they are.",
            ),
            right=1,
            why="Nothing in G's loss asks for variety. Each point climbs D's map by itself, and a D that stands still "
            "does not object when all of them meet at one place.",
        ),
        experiments=(
            Game(
                title="100 steps of D, then 60 of G",
                moves=(("D", 100), ("G", 60)),
                claims=(at_least("moved", 5), at_least("fake_logit", 0.0), at_most("reached", 6)),
            ),
        ),
        reveal="The points climbed until D calls them real on average, and left some groups empty. D's map was right "
        "about the old points; for the new ones it is out of date.",
        check=Question(
            text="Why is training G alone, to its end, a bad idea?",
            choices=(
                "It is too slow.",
                "It exploits the faults of one D instead of coming close to the data.",
                "G forgets its random numbers.",
            ),
            right=1,
            why="The map is right only near the points that D was trained on. Beyond them, its high places mean "
            "nothing.",
        ),
        takeaway="G climbs the map that D draws. The map is only good for the points that it was drawn for, so both "
        "must move in turns.",
        section="One step",
        function=training.generator_step,
    ),
    GuidedLesson(
        name="game",
        title="The game",
        idea="Now both move in turns. When G's points are like the real ones, the best that D can do is guess: a "
        "logit of 0 everywhere and a loss of 2 log 2, about 1.39.",
        prediction=Question(
            text="Both networks train for 400 steps. What will the two losses do?",
            choices=(
                "Both fall towards 0.",
                "D's falls and G's rises.",
                "Neither falls steadily; D's stays near 1.39.",
            ),
            right=2,
            why="Each network is measured against an opponent that improves as well.",
        ),
        experiments=(
            Game(
                title="400 steps of both",
                moves=(("step", 400),),
                claims=(at_least("reached", 7), at_least("Loss/D/loss", 1.0), at_most("divergence", 0.685)),
            ),
        ),
        reveal="The points found the groups while D's loss stayed near a guess. The losses alone do not show it: "
        "look at the points, or at a distance between the two distributions.",
        check=Question(
            text="At the solution of the game, what is D's loss?",
            choices=("0", "about 0.69", "about 1.39"),
            right=2,
            why="A logit of 0 costs log 2 for the real and log 2 for the generated point.",
        ),
        takeaway="The losses of a GAN are scores of a match, not measures of quality. The goal is a D that can only "
        "guess although it tries.",
        section="The game",
        function=objectives.cross_entropy_discriminator_loss,
    ),
    GuidedLesson(
        name="collapse",
        title="Mode collapse",
        idea="G is rewarded for each point that passes, and not for variety. With Adam's usual momentum (beta1 0.9) "
        "in both networks, its points move together.",
        prediction=Question(
            text="How many of the eight groups will the points be near after 300 steps?",
            choices=("all eight", "one to four, and other ones from time to time", "none"),
            right=1,
            why="The momentum carries all points on together, past the place that D is about to reject. That is mode "
            "collapse: plausible points of a few kinds only.",
        ),
        experiments=(
            Game(
                title="Momentum 0.9",
                changes={**SLOW, "optimizer.beta1": 0.9},
                moves=(("step", 300),),
                claims=(at_most("reached", 5),),
            ),
            Game(
                title="The cure: no momentum, and nothing else",
                changes=SLOW,
                moves=(("step", 300),),
                claims=(at_least("reached", 7),),
            ),
        ),
        reveal="Left, a few clumps wander from group to group, and D chases them. Right, the same networks with the "
        "same seed find all groups: without momentum each point reacts at once to what D says of its own place.",
        check=Question(
            text="A GAN for digits draws perfect 1s and nothing else. Does G's loss tell?",
            choices=("Yes, it is high.", "Yes, it is infinite.", "No: each 1 passes, so it may be low."),
            right=2,
            why="The loss judges images one by one. Variety is a property of many.",
        ),
        takeaway="Nothing in the generator's loss asks for variety, so count what is missing. GANs use little "
        "momentum: a beta1 of 0 to 0.5.",
        section="What goes wrong",
        function=mode_table,
        digits=Digits(preset="collapse", difference={"optimizer.beta1": 0.0}),
    ),
    GuidedLesson(
        name="saturation",
        title="D too strong",
        idea="D has made 250 steps against points that stood still, and is sure of them. Now G shall learn from it. "
        "The minimax loss of the first paper, log(1 − s(D)), is flat where D is sure that a point is generated.",
        prediction=Question(
            text="How hard does this D push G's points under the minimax loss?",
            choices=("very hard: D is sure of itself", "hardly at all", "in a random direction"),
            right=1,
            why="The slope of log(1 − s(D)) is s(D), the probability of real: near 0 for a point that is rejected. The "
            "gradient vanishes where it is needed most.",
        ),
        experiments=(
            Game(
                title="250 steps of D, minimax loss",
                changes={**NO_R1, "objective.loss": "minimax"},
                moves=(("D", 250),),
                claims=(at_most("slope", 0.1), at_most("Loss/D/loss", 0.5)),
            ),
            Game(
                title="The same D, non-saturating loss",
                changes={**NO_R1, "objective.loss": "non_saturating"},
                moves=(("D", 250),),
                claims=(at_least("slope", 5.0), at_most("Loss/D/loss", 0.5)),
            ),
        ),
        reveal="Both games have the same D and the same points; only G's loss differs. Left, the pushes have vanished. "
        "Right, they are hundreds of times as strong: the slope of −log s(D) is largest where D rejects a point.",
        check=Question(
            text="Which generator loss keeps a slope where D is sure of a fake?",
            choices=("log(1 − s(D))", "−log s(D)", "both"),
            right=1,
            why="The slope of −log s(D) is s(D) − 1, near −1 for a rejected point.",
        ),
        takeaway="A discriminator that wins too clearly teaches nothing under the minimax loss. Use the non-saturating "
        "loss, and keep the match even.",
        section="The generator's real loss",
        function=objectives.non_saturating_generator_loss,
        digits=Digits(preset="d-too-strong", difference={"objective.loss": "non_saturating"}),
    ),
    GuidedLesson(
        name="penalty",
        title="Why a penalty on D's slope",
        idea="The Wasserstein loss rewards any difference of logits, so D's map may become as steep as it likes. R1 "
        "charges D for its slope at real points, where at the solution it should be flat. It needs the gradient of "
        "each point alone, which BatchNorm in D would mix with the rest of the batch.",
        prediction=Question(
            text="With no penalty, what will the push on G's points be after 200 steps?",
            choices=("about as strong as with R1", "several times stronger", "zero"),
            right=1,
            why="Without a bound, steeper is always better for D. Its pushes throw the points past their goal, and the "
            "players circle around the solution.",
        ),
        experiments=(
            Game(
                title="Wasserstein loss, no penalty",
                changes={**NO_R1, "objective.loss": "wasserstein"},
                moves=(("step", 200),),
                claims=(at_least("slope", 3.0),),
            ),
            Game(
                title="The cure: R1 of 1 at every step",
                changes={
                    "objective.loss": "wasserstein",
                    "objective.r1_gamma": 1.0,
                    "objective.penalty_interval": 1,
                },
                moves=(("step", 200),),
                claims=(at_most("slope", 2.0), at_least("reached", 7)),
            ),
        ),
        reveal="Without the penalty the pushes grow and the points overshoot. With R1 the map is gentle where points "
        "arrive, and the circle becomes a way inwards.",
        check=Question(
            text="Why do gradient penalties and BatchNorm in D not go together?",
            choices=(
                "BatchNorm makes D linear.",
                "BatchNorm makes D's answer to one image depend on the others, so its gradient belongs to no single "
                "image.",
                "Both together are only slow.",
            ),
            right=1,
            why="The penalty is defined for the gradient of D at one image. A config with both is refused.",
        ),
        takeaway="At the solution D has nothing to say about real images, so its slope there should be 0. R1 asks for "
        "exactly that, and turns circles into convergence.",
        section="Around in circles",
        function=objectives.r1_penalty,
        digits=Digits(preset="no-penalty", difference={"objective.gp_lambda": 10.0}),
    ),
    GuidedLesson(
        name="learning-rates",
        title="Learning rates",
        idea="The learning rate is how far a network moves in one step. Here G's rate is 25 times too high.",
        prediction=Question(
            text="What will G's points do with 25 times the learning rate?",
            choices=("arrive 25 times as soon", "be thrown far away and stay there", "move as usual: Adam adapts"),
            right=1,
            why="The step overshoots everything that D's map says about the neighbourhood. The output saturates at the "
            "edge of the plane, where hardly any gradient is left.",
        ),
        experiments=(
            Game(
                title="G's rate 0.05",
                changes={"optimizer.g_lr": 0.05},
                moves=(("step", 150),),
                claims=(at_most("reached", 2), at_most("Loss/D/loss", 0.5)),
            ),
            Game(
                title="G's rate 0.002",
                moves=(("step", 300),),
                claims=(at_least("reached", 7),),
            ),
        ),
        reveal="Left, the points were thrown to one place within a few steps, and D recognizes them with ease. Adam "
        "divides by the size of the gradient, so the rate alone sets the size of a step.",
        check=Question(
            text="D recognizes everything and G's images jump from step to step. What do you change first?",
            choices=("more steps of D", "a lower learning rate of G", "a larger batch"),
            right=1,
            why="Jumping images are steps that are too large. More of D would make the match less even.",
        ),
        takeaway="A gradient is only valid close by, so a step must be small. The ratio of both rates decides which "
        "network leads.",
        section="One step",
        function=training.train_step,
        digits=Digits(preset="quick", both=SHORT, difference={"optimizer.g_lr": 0.05}),
    ),
    GuidedLesson(
        name="labels",
        title="Labels and the classifier",
        idea="Both networks may get a label. G then draws the digit that it is asked for, and D judges whether an "
        "image is a real one of that digit. An auxiliary classifier adds a charge for digits that are read as "
        "another.",
        prediction=Question(
            text="The rows below use the same eight lists of random numbers with another label each. What will the "
            "images in one column have in common?",
            choices=("nothing", "the digit", "the handwriting: slant and weight"),
            right=2,
            why="The label fixes the digit, so the random numbers are left with everything else.",
        ),
        experiments=(
            Picture(title="asked for 4", digit=4),
            Picture(title="asked for 7", digit=7),
            Picture(title="asked for 9", digit=9),
        ),
        reveal="Each row is one digit, and each column one hand: where the 4 is slanted or heavy, the 9 is, too. No "
        "one told the network to divide the work like this.",
        check=Question(
            text="Why do labels make mode collapse rarer?",
            choices=(
                "Every batch asks for all digits, so none can be dropped unnoticed.",
                "They make the images smaller.",
                "They replace the discriminator.",
            ),
            right=0,
            why="A generator that stops drawing 8s fails whenever an 8 is asked for.",
        ),
        takeaway="The label says what, the random numbers say how. A light classifier makes the digits right sooner; "
        "a heavy one makes them all alike.",
        section="Asking for a digit",
        function=Discriminator.score_and_classify,
        digits=Digits(preset="quick", both=SHORT, difference={"training.conditional": False}),
    ),
    GuidedLesson(
        name="curves",
        title="Reading the curves",
        idea="Two trainings, and only their losses. In the first, D's loss is near 0 at the end; in the second it is "
        "near 1.4.",
        prediction=Question(
            text="Which of the two has the better generator?",
            choices=("the first, with the low loss of D", "the second, with the high one", "one cannot tell from this"),
            right=1,
            why="A D that is never wrong sees bad points; a D that can only guess sees good ones, if it is a fair "
            "judge. A D that is held flat by a penalty guesses, too: so measure a distance as well.",
        ),
        experiments=(
            Game(
                title="The first",
                changes=LOST,
                moves=(("step", 300),),
                claims=(at_most("Loss/D/loss", 0.9), at_least("divergence", 0.6), at_most("reached", 2)),
            ),
            Game(
                title="The second",
                moves=(("step", 300),),
                claims=(at_least("Loss/D/loss", 1.0), at_least("reached", 7)),
            ),
        ),
        reveal="In the first one, G's points were thrown into a corner. The divergence compares the distributions "
        "themselves: 0.69 is the most, when they have nothing in common. For digits, the distance to real digits "
        "plays this part.",
        check=Question(
            text="What shows best that a GAN for digits is improving?",
            choices=("a falling loss of G", "a falling loss of D", "a falling distance to real digits"),
            right=2,
            why="It compares the images with real ones by a judge that does not change.",
        ),
        takeaway="Losses tell who is ahead, not how good the images are. Trust a distance that a fixed judge "
        "measures, and your own eyes.",
        section="What a logit means",
        function=objectives.least_discriminator_loss,
    ),
    GuidedLesson(
        name="memorization",
        title="Memorization",
        idea="A hundred thousand points show where the two moons are. Now D gets twelve of them, again and again, and "
        "calls whatever is not one of the twelve generated.",
        prediction=Question(
            text="G learns from twelve points of two moons. Where will its points be after 300 steps?",
            choices=(
                "close to the twelve, with gaps in between",
                "all along both moons, as the twelve show their shape",
                "nowhere near: twelve points are too few",
            ),
            right=0,
            why="D knows the twelve and nothing else of the moons. The places between them look wrong to D, and G "
            "leaves them.",
        ),
        experiments=(
            Game(
                title="Twelve real points",
                data="two-moons",
                changes=GENTLE,
                limit=12,
                moves=(("step", 300),),
                claims=(
                    at_most("copying", 0.4),
                    at_most("to_training", 4.0),
                    at_least("held_out_to_training", 8.0),
                    at_least("held_out_to_generated", 3.0),
                ),
            ),
            Game(
                title="All 100,000 points",
                data="two-moons",
                changes=GENTLE,
                moves=(("step", 300),),
                claims=(
                    at_least("copying", 0.85),
                    at_most("held_out_to_training", 1.0),
                    at_most("held_out_to_generated", 3.0),
                ),
            ),
        ),
        reveal="Left, a generated point lies several times nearer to a training point than a held-out point of the "
        "same moons does, and held-out points have no generated ones near them: the twelve are copied. Right, "
        "generated points are no nearer to training points than held-out ones are.",
        check=Question(
            text="How do you find out whether a generator for digits copies its training images?",
            choices=(
                "A low loss of G gives it away.",
                "Its images look too sharp.",
                "Compare distances to the nearest training image: those of generated and of held-out images.",
            ),
            right=2,
            why="New handwriting is as far from the training images as the handwriting of other people is. A distance "
            "far below that is a copy.",
        ),
        takeaway="A few examples are easier to copy than to understand, and no loss tells the difference. Compare with "
        "held-out data, which the training never saw.",
        section="What goes wrong",
        function=measure_memorization,
    ),
)
"""The lessons, in their order."""
BY_NAME: Final = {lesson.name: lesson for lesson in LESSONS}
