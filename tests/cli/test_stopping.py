import signal

import pytest

from mnist_gan.cli.stopping import StopRequest, Terminated


def test_nobody_asked():
    with StopRequest() as stop:
        assert not stop()
    assert stop.exit_code is None


@pytest.fixture(autouse=True)
def nothing_ignored():
    """The signals as a terminal gives them, also where the tests themselves run under nohup."""
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGHUP)}
    for name in before:
        signal.signal(name, signal.SIG_DFL)
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


def test_a_signal_that_is_ignored_stays_so():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopRequest() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGHUP)
        assert not stop()


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 75), ("SIGHUP", 75)])
def test_a_signal_while_steps_are_taken_is_a_request(name, code):
    with StopRequest() as stop:
        assert not stop()
        signal.raise_signal(signal.Signals[name])
        assert stop()
    assert stop.exit_code == code


@pytest.mark.parametrize(("name", "error"), [("SIGINT", KeyboardInterrupt), ("SIGTERM", Terminated)])
def test_the_second_signal_ends_at_once(name, error):
    with StopRequest() as stop:
        stop()
        signal.raise_signal(signal.Signals[name])
        with pytest.raises(error):
            signal.raise_signal(signal.Signals[name])


@pytest.mark.parametrize(("name", "error"), [("SIGINT", KeyboardInterrupt), ("SIGTERM", Terminated)])
def test_a_signal_before_the_first_step_ends_at_once(name, error):
    with StopRequest(), pytest.raises(error):
        signal.raise_signal(signal.Signals[name])


def test_the_signals_are_given_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopRequest():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            stop()
            signal.raise_signal(signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)
