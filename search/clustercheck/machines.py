"""Rules for machines that are already there (Ray's provider `local`)."""

from __future__ import annotations

import os
from collections.abc import Iterator

from search.clustercheck.document import Document
from search.clustercheck.rules import commands
from search.errors import Problem

V2 = "RAY_enable_autoscaler_v2"
V2_OF_UP = "RAY_UP_enable_autoscaler_v2"
"""Of the shell that runs `ray up`, and what that gives to the head."""


def least_is_possible(document: Document) -> Iterator[Problem]:
    """`min_workers` stands at the top level here: how many of the machines are to be kept at least."""
    least, machines = document.get("min_workers"), document.get("provider", "worker_ips")
    if least is None:
        return
    if type(least) is not int or least < 0:
        yield document.problem(
            ("min_workers",), f"is {least!r}", "give a whole number, or leave it out for all"
        )
    elif isinstance(machines, list) and least > len(machines):
        message = f"is {least}, and there are {len(machines)} machines in provider.worker_ips"
        yield document.problem(("min_workers",), message, f"give {len(machines)} or less")


def all_workers_come(document: Document) -> Iterator[Problem]:
    """With autoscaler v2 the last worker never comes (ray#57153): the head counts as one of them."""
    if os.environ.get(V2_OF_UP) == "0":
        return
    for path, command in commands(document):
        head = command.runs("ray", "start") and "--head" in command.words
        if head and command.variables.get(V2) != "0":
            message = (
                "starts autoscaler v2, Ray's default, which counts the head among the workers of this "
                "provider: the last worker never comes (ray#57153)"
            )
            hint = f"put `{V2}=0` in front of `ray start`, or run `{V2_OF_UP}=0 ray up`"
            yield document.problem(path, message, hint)
