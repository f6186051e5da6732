import logging
import subprocess
import sys

import pytest

from mnist_gan.cli.messages import show_messages

logger = logging.getLogger("mnist_gan.data.download")


def test_show_messages_prints_info_and_above_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with show_messages():
        logger.debug("a detail")
        logger.info("100 % of [it]")
        logger.warning("look out")
    logger.warning("after the block")
    assert capsys.readouterr() == ("", "100 % of [it]\nlook out\n")


def test_show_messages_inside_another_takes_its_place_for_the_block() -> None:
    outer: list[str] = []
    inner: list[str] = []
    with show_messages(outer.append):
        with show_messages(inner.append):
            logger.info("one")
        logger.info("two")
    assert (outer, inner) == (["two"], ["one"])


def test_show_messages_ignores_a_closed_pipe() -> None:
    def fail(message: str) -> None:
        raise BrokenPipeError

    with show_messages(fail):
        logger.warning("nobody reads this")


@pytest.mark.parametrize(
    ("setup", "expected"),
    [("", "look out\n"), ("logging.basicConfig(level=logging.INFO, format='%(message)s'); ", "by the way\nlook out\n")],
)
def test_messages_in_a_script_are_warnings_unless_logging_is_configured(setup: str, expected: str) -> None:
    log = "logger = logging.getLogger('mnist_gan.data'); logger.info('by the way'); logger.warning('look out')"
    code = f"import logging, mnist_gan; {setup}{log}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("", expected)
