"""What stops a search is known by its number, and what nohup has ignored stays ignored."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from search.signals import Stop, stop, stop_signals, take_stop_signals

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    for number in NUMBERS:  # a background job, or nohup, hands down some of them ignored
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_interrupts_and_says_which_it_was(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), stop_signals(stop):
        os.kill(os.getpid(), number)
    assert stop.number == number
    assert signal.getsignal(number) == before


def test_a_second_one_does_not_interrupt_what_the_first_has_begun() -> None:
    with stop_signals(signal.SIG_IGN):
        for number in NUMBERS:
            os.kill(os.getpid(), number)


def test_the_end_of_a_terminal_stays_ignored_under_nohup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_signals(stop):
        os.kill(os.getpid(), signal.SIGHUP)
        take_stop_signals(stop)
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_an_interrupt_that_was_dropped_is_raised_again_until_it_is_dealt_with() -> None:
    handler = Stop()
    handler.check()
    with suppress(KeyboardInterrupt):  # as Python drops what is raised in a finaliser
        handler(signal.SIGTERM, None)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            handler.check()
    assert handler.number == signal.SIGTERM
    handler.forget()
    handler.check()


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    def run() -> None:
        with stop_signals(stop):
            take_stop_signals(stop)
            handled.append(signal.getsignal(signal.SIGINT))

    handled: list[object] = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handled == [signal.default_int_handler]
