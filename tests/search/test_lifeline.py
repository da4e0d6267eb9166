"""A process that the search cannot live without is gone, and not merely slow or far away."""

from __future__ import annotations

import atexit
import gc
import signal
import socket
import time
import weakref

import pytest

from search.lifeline import Lifeline, end_process, leave_at_once


def test_only_a_place_that_refuses_twice_in_a_row_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()
        lifeline = Lifeline({"a server": place})
        assert [lifeline.look() for _ in range(2)] == [None, None]
    assert lifeline.look() is None, "it may have been too busy"
    assert lifeline.look() == f"a server at 127.0.0.1:{place[1]} is gone"
    assert lifeline.lost is not None


def test_a_refusal_between_answers_does_not_count() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()
    lifeline = Lifeline({"a server": place})
    assert lifeline.look() is None
    with socket.create_server(place, reuse_port=False):
        assert lifeline.look() is None
    assert lifeline.look() is None


class Waiting:
    """Part of a cycle, as Ray's objects are that wait for the cluster when they are collected."""

    def __init__(self) -> None:
        self.itself = self


def test_nothing_is_collected_any_more_once_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()
    monkeypatch.setattr("search.lifeline.LOOK_SECONDS", 0.05)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    lifeline, left = Lifeline({"a server": place}), weakref.ref(Waiting())
    try:
        lifeline.start()
        with pytest.raises(KeyboardInterrupt):
            time.sleep(30)
        lifeline.cut()
        kept = [[] for _ in range(10 * sum(gc.get_threshold()))]
        assert len(kept) > gc.get_threshold()[0]
        assert left() is not None
        leave_at_once()
        assert gc.isenabled(), "the caller may live on"
        later = weakref.ref(Waiting())
        gc.collect()
        assert later() is None
        assert left() is not None
    finally:
        atexit.unregister(end_process)
        gc.unfreeze()
        gc.enable()
        signal.signal(signal.SIGINT, before)
