"""The loop of a worker: joins its group, then serves rounds of requests until it is stopped."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainables.crash import BeginSmallerError, DrainedError, PeerLostError, WorkerCrashedError, crash_of
from trainables.errors import TrainableError
from trainables.messages import GroupSettings
from trainables.serving.line import GroupLine, Mailbox

if TYPE_CHECKING:
    from trainables.serving.held import Begin
    from trainables.serving.server import Server


def serve(config: dict[str, Any]) -> None:
    """Train loop of one Ray Train worker.

    Args:
        config: `name` of the group, its `settings`, and the `dispatcher` actor's handle.

    Raises:
        WorkerCrashedError: Of an error that nobody expected, of which the dispatcher has been notified.
        PeerLostError: Another worker of the group is gone.
        BeginSmallerError: Memory ran out.
        DrainedError: Its node, or that of another worker of the group, is about to be taken away.
    """
    began = time.perf_counter()
    line = GroupLine(config["dispatcher"], config["name"])
    try:
        if line.begin():
            _serve(config["settings"], line, Mailbox(config["dispatcher"], line), began)
    except (BeginSmallerError, DrainedError):
        raise
    except Exception as error:
        # A named boundary: whatever a model, its data or a library raises is to be read by the user.
        if _is_another_ones(error):
            raise PeerLostError(f"another worker of {line.name} is gone: {error}") from error
        if not line.start:
            raise
        crash = crash_of(error, line.at)
        line.call("crashed", crash)
        raise WorkerCrashedError(crash.line) from error


def _is_another_ones(error: Exception) -> bool:
    """Whether a collective call failed because of another worker, which has the reason."""
    import torch.distributed as dist

    several = dist.is_initialized() and dist.get_world_size() > 1
    return several and (isinstance(error, dist.DistError) or "gloo" in str(error))


def _serve(settings: GroupSettings, line: GroupLine, mailbox: Mailbox, began: float) -> None:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    line.now("importing libraries")

    import torch

    from trainables.serving.base import needs_deepspeed, start_deepspeed
    from trainables.serving.place import storage_of
    from trainables.serving.server import Server
    from trainables.specs import TRAINABLES

    torch.set_num_threads(settings.threads)
    device = torch.device("cuda", torch.cuda.current_device()) if settings.use_gpu else torch.device("cpu")
    loading = f"loading the data and {TRAINABLES[settings.trainable].subject(settings.options)}"
    begin = _read(settings, device, line, loading)
    if begin is None:
        return
    shrinks = line.shrinks()
    if needs_deepspeed(settings.zero_stage):
        line.now("starting DeepSpeed")
        start_deepspeed(device)  # a long import, which would disturb the other groups' measuring as well
    if measures(settings, shrinks) and line.first:
        # The group's other workers come to a call that all make together, and wait in it.
        line.now("waiting for the other groups to load")
        line.wait_to_measure()
    try:
        line.now(
            "measuring how many trials to train at once" if measures(settings, shrinks) else "setting up"
        )
        try:
            server = Server(settings, begin(shrinks), line.say, storage_of(settings, line.driver, line.say))
        except TrainableError as error:  # on every worker alike
            line.refuse(str(error))
            return
        line.join(server.facts(time.perf_counter() - began))
        line.now("training and measuring trials")
        _serve_rounds(server, mailbox)
        if line.leave():
            raise DrainedError(f"the node of {line.name} is about to be taken away")
    except torch.OutOfMemoryError as error:  # in the middle of what all workers do together
        line.call("short_of_memory")
        raise BeginSmallerError(str(error)) from error
    server.close()


def _read(settings: GroupSettings, device: Any, line: GroupLine, loading: str) -> Begin | None:
    """What the worker reads, on every worker or, where any of them cannot, on none: then None.

    Args:
        settings: What the group serves.
        device: Of the worker.
        line: To the dispatcher.
        loading: What this is, to follow "while".

    Raises:
        Exception: What this worker cannot do for a reason that nobody expected.
    """
    from trainables.models.quantisation import without_bitsandbytes
    from trainables.progress import listening
    from trainables.serving.place import Inputs, check_versions
    from trainables.specs import TRAINABLES

    begin, problem, crash = None, "", None
    spec = TRAINABLES[settings.trainable]
    try:
        if settings.distant is not None:
            check_versions(settings.distant)
            inputs = Inputs(settings.distant, line.driver, line.now)
            options = spec.localise(settings.options, inputs.place)
            settings = replace(settings, options=options, copies=tuple(inputs.copies))
        with without_bitsandbytes():
            read = spec.worker()
        line.now(loading)
        with listening(lambda what: line.now(what or loading)):
            begin = read(settings, device)
    except TrainableError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - raised again once the other workers know
        crash = error
    refusal = _agree(problem or (_CRASHED if crash is not None else ""))
    if crash is not None:
        raise crash
    if refusal:
        if refusal != _CRASHED:
            line.refuse(refusal)
        return None
    return begin


_CRASHED = "\0crashed"
"""Said of a worker that has no message for the user but an exception to raise."""


def measures(settings: GroupSettings, shrinks: int) -> bool:
    """Whether a group that has run out of memory `shrinks` times has a choice of slots to measure for."""
    return settings.slots is None and settings.most_slots >> shrinks > 1


def _serve_rounds(server: Server, mailbox: Mailbox) -> None:
    while True:
        if not server.training or server.step(mailbox.full()):
            round_ = mailbox.take()
            if round_ is None:
                return
            for delivery in round_:
                server.accept(delivery)
        for sequence, reply in server.answers():
            mailbox.answer(sequence, reply)


def _agree(problem: str) -> str:
    """The first problem that any worker has, on every worker: a file may be missing on one node only.

    A collective call: all workers go on together, or none does.
    """
    import torch.distributed as dist

    if not dist.is_initialized():
        return problem
    problems = [""] * dist.get_world_size()
    dist.all_gather_object(problems, problem)
    return next((text for text in problems if text), "")
