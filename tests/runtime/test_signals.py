import os
import signal
import threading

import pytest

from smuzero.runtime.signals import StopOnSignal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_interrupts(number):
    with StopOnSignal() as stop:
        assert not stop.stop_requested
        os.kill(os.getpid(), number)
        assert stop.stop_requested
        assert stop.signal_name == number.name
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_the_handlers_before_return_also_after_an_error():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(RuntimeError, match="inside"), StopOnSignal():
        assert signal.getsignal(signal.SIGINT) != before[0]
        raise RuntimeError("inside")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_in_another_thread_nothing_is_caught_but_one_can_still_ask():
    answers = []

    def work():
        with StopOnSignal() as stop:
            stop.request_stop()
            answers.append(stop.stop_requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [True]
