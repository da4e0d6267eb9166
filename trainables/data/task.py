"""Loads the task: its training and its held-out examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from trainables.data.examples import Example, TokenisedData
from trainables.data.records import Record, read_records
from trainables.data.sources import LocalFile, locate
from trainables.data.split import sample, split_groups
from trainables.data.tokenise import Groups, tokenise_completions, tokenise_paragraphs, tokenise_text
from trainables.errors import UserError
from trainables.settings import TaskConfig

Look: TypeAlias = Callable[[Sequence[Record]], None]
"""Is shown records before anything is made of them, and may refuse them."""


@dataclass(frozen=True, eq=False)
class TaskData:
    """Both parts of a task; no document is in both where the task itself makes the split."""

    train: TokenisedData
    heldout: TokenisedData


def load_task(task: TaskConfig, tokenizer: Any, seed: int, look: Look | None = None) -> TaskData:
    """Reads and tokenises the task's data.

    Held-out examples come from `task.heldout`, or else from the training data: as many as
    `heldout_fraction` says, at most `heldout_examples`. The same seed gives the same split.

    Args:
        task: Settings; relative paths are relative to the working directory.
        tokenizer: The base model's.
        seed: The search's seed.
        look: Is shown the records of `task.train`.

    Raises:
        UserError: A file is missing, empty, of the wrong form, or too small to be split; or `look` says so.
    """
    if task.heldout is not None and task.heldout == task.train:
        raise UserError(
            "task.heldout is the same as task.train, so nothing is held out.",
            hint="Leave task.heldout out to split a part off, or name another file or split (org/name#test).",
        )
    groups = _groups(task.train, "task.train", task, tokenizer, look)
    if task.heldout is None:
        wanted = round(task.heldout_fraction * sum(len(group) for group in groups))
        train, held = split_groups(groups, max(1, min(task.heldout_examples, wanted)), seed)
    else:
        train = _flat(groups)
        other = _groups(task.heldout, "task.heldout", task, tokenizer)
        held = sample(_flat(other), task.heldout_examples, seed)
    for key, part in (("task.train", train), ("task.heldout", held)):
        if not part:
            raise UserError(
                f"{key}: no examples are left in {task.train!r}.",
                hint="Two different documents at least are needed; a longer text gives more where "
                "task.max_length is smaller.",
            )
    return TaskData(TokenisedData.of(train), TokenisedData.of(held))


def _groups(source: str, key: str, task: TaskConfig, tokenizer: Any, look: Look | None = None) -> Groups:
    place = locate(source, key, task.split)
    records = read_records(place, key)
    if look is not None:
        look(records)
    if task.format == "completion":
        return tokenise_completions(records, tokenizer, task)
    if isinstance(place, LocalFile) and place.format == "text":
        return tokenise_paragraphs(records, tokenizer, task)
    return tokenise_text(records, tokenizer, task)


def _flat(groups: Groups) -> list[Example]:
    return [example for group in groups for example in group]
