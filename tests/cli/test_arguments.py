import pytest

from mnist_gan.cli.arguments import options_of, parse
from mnist_gan.config import Config
from mnist_gan.errors import ConfigError

TABLE = options_of(Config)


def parsed(*arguments: str):
    return parse(arguments, TABLE, short={"--seed": "--training.seed"})


def test_options_of_a_config_are_all_its_fields():
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
def test_parse_splits_options_and_values(typed, tokens):
    result = parsed(*typed)
    assert result.tokens() == tokens
    assert result.positionals == []


@pytest.mark.parametrize(
    "typed",
    [
        ["quick", "--training.conditional", "--generator.channels", "64", "32"],
        ["--training.conditional", "quick", "--generator.channels", "64", "32"],
        ["--training.conditional", "--generator.channels", "64", "32", "quick"],
    ],
)
def test_parse_finds_positional_arguments_anywhere(typed):
    result = parsed(*typed)
    assert result.positionals == ["quick"]
    assert result.tokens() == ["--training.conditional", "--generator.channels", "64", "32"]


def test_value_is_that_of_the_last_occurrence():
    assert parsed("--seed", "1", "--training.seed=2").value("--training.seed") == "2"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (["--trainign.epochs", "3"], "unknown option --trainign.epochs; did you mean --training.epochs?"),
        (["--batch-size", "3"], "unknown option --batch-size; did you mean --training.batch-size?"),
        (["--xyzzyx"], "unknown option --xyzzyx"),
        (["--training.epochs", "abc"], "--training.epochs is 'abc'; it must be a number or None"),
        (["--training.batch-size", "1.5"], "--training.batch-size is '1.5'; it must be a whole number"),
        (["--training.batch-size"], "--training.batch-size needs a whole number"),
        (["--training.batch-size", "--seed", "1"], "--training.batch-size needs a whole number"),
        (["--data.limit=x"], "--data.limit is 'x'; it must be a whole number or None"),
        (["--training.precision", "foo"], "--training.precision is 'foo'; it must be one of auto, float32, bfloat16"),
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
def test_parse_reports_a_mistake_in_one_sentence(typed, sentence):
    with pytest.raises(ConfigError) as caught:
        parsed(*typed)
    assert str(caught.value) == sentence


def test_parse_takes_everything_after_two_dashes_as_positional():
    result = parsed("--seed", "7", "--", "--odd=name", "-x")
    assert result.tokens() == ["--training.seed", "7"]
    assert result.positionals == ["--odd=name", "-x"]
