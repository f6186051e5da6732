import signal

import pytest

from mnist_gan.cli.stopping import StopRequest, Terminated


def test_stop_request_is_unset_without_a_signal():
    with StopRequest() as stop:
        assert not stop()
    assert stop.exit_code is None


@pytest.fixture(autouse=True)
def default_handlers():
    """The handlers of a terminal, even if the tests run under nohup."""
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGHUP)}
    for name in before:
        signal.signal(name, signal.SIG_DFL)
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 75), ("SIGHUP", 75)])
def test_stop_request_is_set_by_a_signal_after_the_first_poll(name, code):
    with StopRequest() as stop:
        assert not stop()
        signal.raise_signal(signal.Signals[name])
        assert stop()
    assert stop.exit_code == code


@pytest.mark.parametrize(("name", "error"), [("SIGINT", KeyboardInterrupt), ("SIGTERM", Terminated)])
def test_stop_request_ends_the_process_at_the_second_signal(name, error):
    with StopRequest() as stop:
        stop()
        signal.raise_signal(signal.Signals[name])
        with pytest.raises(error):
            signal.raise_signal(signal.Signals[name])


@pytest.mark.parametrize(("name", "error"), [("SIGINT", KeyboardInterrupt), ("SIGTERM", Terminated)])
def test_stop_request_ends_the_process_before_the_first_poll(name, error):
    with StopRequest(), pytest.raises(error):
        signal.raise_signal(signal.Signals[name])


def test_stop_request_restores_the_signal_handlers():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopRequest():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_stop_request_leaves_an_ignored_signal_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            stop()
            signal.raise_signal(signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)
