"""A process that the search cannot live without is gone, and not merely slow or far away."""

from __future__ import annotations

import socket

from search.lifeline import Lifeline


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
