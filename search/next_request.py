"""What a worker is asked next for a trial, from the record alone."""

from __future__ import annotations

from collections.abc import Sequence

from search.record import TrialState
from trainables.messages import EarlyRungs, FrontRequest, TrainRequest, TrialRequest, checkpoint_folder


def next_request(
    trial: TrialState, rungs: Sequence[int], on_front: bool, early: EarlyRungs | None = None
) -> TrialRequest:
    """From the trial's last rung to the one after, or its evaluation on the front.

    Args:
        trial: As recorded.
        rungs: The step of each of its rungs, ascending.
        on_front: Whether it has finished, and is to be evaluated.
        early: See `TrainRequest`.
    """
    last, params = trial.last, dict(trial.params)
    earlier = tuple(
        (reached.step, reached.checkpoint)
        for reached in reversed(list(trial.rungs)[:-1])
        if reached.checkpoint is not None
    )
    if on_front:
        assert last is not None and last.checkpoint is not None  # noqa: PT018 - see FrontEvaluations.due
        return FrontRequest(
            trial.number, params, last.step, last.checkpoint, last.items_file, earlier=earlier
        )
    rung = len(trial.rungs)
    return TrainRequest(
        trial=trial.number,
        params=params,
        from_step=0 if last is None else last.step,
        to_step=rungs[rung],
        load_from=None if last is None else last.checkpoint,
        save_to=checkpoint_folder(trial.number, rung),
        last=rung + 1 == len(rungs),
        earlier=earlier,
        early=early,
    )
