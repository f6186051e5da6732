import pytest

from mnist_gan.cli.arguments import options_of, read
from mnist_gan.config import Config
from mnist_gan.errors import ConfigError

TABLE = options_of(Config)


def take(*arguments: str):
    return read(arguments, TABLE, short={"--seed": "--training.seed"})


def test_every_field_of_the_config_is_an_option():
    assert {"--data.limit", "--generator.z-dim", "--objective.r1-gamma", "--training.batch-size"} <= TABLE.keys()
    assert {"--data.download", "--data.no-download"} <= TABLE.keys()


@pytest.mark.parametrize(
    ("typed", "tokens"),
    [
        (["--training.batch-size", "32"], ["--training.batch-size", "32"]),
        (["--training.batch_size=32"], ["--training.batch-size", "32"]),
        (["--data.limit", "None"], ["--data.limit", "None"]),
        (["--data.no-download"], ["--data.no-download"]),
        (["--generator.channels", "3", "4", "5"], ["--generator.channels", "3", "4", "5"]),
        (["--generator.channels=3", "4"], ["--generator.channels", "3", "4"]),
        (["--data.real-range", "-1", "1"], ["--data.real-range", "-1", "1"]),
        (["--data.real-range", "-.5", "1"], ["--data.real-range", "-.5", "1"]),
        (["--optimizer.g-lr", "1e-3"], ["--optimizer.g-lr", "1e-3"]),
        (["--objective.loss", "hinge"], ["--objective.loss", "hinge"]),
        (["--seed", "7"], ["--training.seed", "7"]),
    ],
)
def test_options_are_read(typed, tokens):
    words = take(*typed)
    assert words.tokens() == tokens
    assert words.positionals == []


@pytest.mark.parametrize(
    "typed",
    [
        ["quick", "--training.conditional", "--generator.channels", "64", "32"],
        ["--training.conditional", "quick", "--generator.channels", "64", "32"],
        ["--training.conditional", "--generator.channels", "64", "32", "quick"],
    ],
)
def test_a_word_that_belongs_to_no_option_is_found_wherever_it_stands(typed):
    words = take(*typed)
    assert words.positionals == ["quick"]
    assert words.tokens() == ["--training.conditional", "--generator.channels", "64", "32"]


def test_the_last_of_several_counts():
    assert take("--seed", "1", "--training.seed=2").given("--training.seed") == "2"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (["--trainign.epochs", "3"], "there is no option --trainign.epochs; did you mean --training.epochs?"),
        (["--batch-size", "3"], "there is no option --batch-size; did you mean --training.batch-size?"),
        (["--xyzzyx"], "there is no option --xyzzyx"),
        (["--training.epochs", "abc"], "--training.epochs is 'abc'; it must be a number or None"),
        (["--training.batch-size", "1.5"], "--training.batch-size is '1.5'; it must be a whole number"),
        (["--training.batch-size"], "--training.batch-size needs a whole number"),
        (["--training.batch-size", "--seed", "1"], "--training.batch-size needs a whole number"),
        (["--data.limit=x"], "--data.limit is 'x'; it must be a whole number or None"),
        (["--data.name", "foo"], "--data.name is 'foo'; it must be one of auto, mnist, digits, stacked-mnist, idx"),
        (["--generator.channels"], "--generator.channels needs one or more whole numbers"),
        (["--generator.channels", "64,32"], "--generator.channels needs one or more whole numbers, not '64,32'"),
        (["--data.real-range", "0"], "--data.real-range needs 2 numbers"),
        (
            ["--training.conditional", "True"],
            "--training.conditional takes no value; write --training.conditional or --training.no-conditional",
        ),
        (
            ["--data.no-download=false"],
            "--data.no-download takes no value; write --data.download or --data.no-download",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(typed, sentence):
    with pytest.raises(ConfigError) as caught:
        take(*typed)
    assert str(caught.value) == sentence
