"""Loads the task: its training and its held-out examples."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from trainables.data.apart import Copies, find_copies
from trainables.data.examples import Example, TokenisedData
from trainables.data.facts import DataFacts
from trainables.data.fields import names_shown
from trainables.data.lengths import refuse_beyond
from trainables.data.reading import ReadUnits, read_units, refuse_silent
from trainables.data.sources import locate, same_source
from trainables.data.split import Split, sample, split_groups
from trainables.data.tokenise import Cut, Tokenised, Tokeniser, tokenise
from trainables.errors import UserError
from trainables.models.plain import reading_tokenizer
from trainables.settings import ModelConfig, TaskConfig

Look: TypeAlias = Callable[[ReadUnits], str]
"""Looks at the training data before anything is made of them; returns a warning or "", or refuses them."""

Trace: TypeAlias = Callable[[ReadUnits, Cut], None]
"""Is shown records with the examples that each of them gave."""


@dataclass(frozen=True, eq=False)
class TaskData:
    """Both parts of a task; no document is in both where the task itself makes the split.

    Attributes:
        facts: What became of the records.
    """

    train: TokenisedData
    heldout: TokenisedData
    facts: DataFacts


def load_task(
    task: TaskConfig,
    tokenizer: Any,
    seed: int,
    look: Look | None = None,
    context: int | None = None,
    trace: Trace | None = None,
    start: Sequence[int] = (),
) -> TaskData:
    """Reads and tokenises the task's data.

    Held-out examples come from `task.heldout`, or else from the training data: as many as
    `heldout_fraction` says, at most `heldout_examples`. Records that hold out something themselves, such as
    the prompts of beliefs, are all trained on. The same seed gives the same split. Every example has a
    target; records that have none are left out and counted. What `task.heldout` has as well is left out of
    training and counted, but for records that hold out something themselves.

    Args:
        task: Settings; relative paths are relative to the working directory.
        tokenizer: The base model's.
        seed: The search's seed.
        look: Looks at the records of `task.train`.
        context: Tokens that the model can take; None where it does not say.
        trace: Is called for the training and the held-out data; the examples are those that are returned.
        start: See `Tokeniser`.

    Raises:
        UserError: A file is missing, empty, of no known form, or too small to be split; most replies would
            be lost; most of it is in `task.heldout` too; or `look` says so.
    """
    if task.heldout is not None and _shared(task):
        raise UserError(
            "task.heldout is the same as task.train, or shares a file with it.",
            hint="Remove task.heldout to split off a part, or name another file or split (org/name#test).",
        )
    if task.max_length is not None:
        refuse_beyond(task.max_length, context)
    read = read_units(task.train, "task.train", task)
    overlap = "" if look is None else look(read)
    tokeniser = Tokeniser(tokenizer, task, start)
    tokenised = tokenise(read, tokeniser, "task.train")
    length = task.max_length or tokenised.chosen_length(context)
    cut = tokenised.cut(length)
    refuse_lost(tokenised, cut, length, "task.train", chosen=task.max_length is None)
    if trace is not None:
        trace(read, cut)
    groups, copies = by_document(cut, read.stream), Copies()
    heldout = read.heldout if task.heldout is None else read_units(task.heldout, "task.heldout", task)
    if heldout is None:
        wanted = round(task.heldout_fraction * sum(len(group) for group in groups))
        split = split_groups(groups, max(1, min(task.heldout_examples, wanted)), seed)
    else:
        held = _heldout(heldout, tokeniser, length, task, trace)
        if read.heldout is None:
            trained = _contents(read, cut, length)
            copies = find_copies(read, trained, heldout, _contents(heldout, held, length))
        kept = _flat([group for group in groups if _content(group) not in copies.contents])
        split = Split(kept, sample(_flat(held.groups), task.heldout_examples, seed))
    for key, part in (("task.train", split.train), ("task.heldout", split.heldout)):
        if not part:
            raise UserError(
                f"{key}: no examples are left in {task.train!r}.",
                hint="At least two different documents are needed; a smaller task.max_length gets more out "
                "of a long text.",
            )
    facts = data_facts(read, tokenised, cut, split, length, chosen=task.max_length is None)
    facts = replace(facts, overlap=overlap, copied=copies.count, copied_first=copies.first)
    return TaskData(TokenisedData.of(split.train), TokenisedData.of(split.heldout), facts)


def training_examples(model: ModelConfig, task: TaskConfig, seed: int) -> Sequence[Example]:
    """The training examples, as every worker reads, cuts and splits them.

    Args:
        model: The base model; only its tokenizer is loaded.
        task: Settings; relative paths are relative to the working directory.
        seed: The search's seed.

    Raises:
        UserError: The tokenizer cannot be loaded, or the data not be read.
    """
    tokenizer, context = reading_tokenizer(model)
    return load_task(task, tokenizer, seed, context=context).train.examples


def count_examples(model: ModelConfig, task: TaskConfig, seed: int) -> int:
    """Number of `training_examples`; raises the same."""
    return len(training_examples(model, task, seed))


def _shared(task: TaskConfig) -> bool:
    assert task.heldout is not None
    train = locate(task.train, "task.train", task.split, task.subset)
    return same_source(train, locate(task.heldout, "task.heldout", task.split, task.subset))


def _heldout(
    read: ReadUnits, tokeniser: Tokeniser, length: int, task: TaskConfig, trace: Trace | None
) -> Cut:
    """Examples of `task.heldout`, or of what records of `task.train` hold out themselves.

    Raises:
        UserError: There are none, or most replies would be lost.
    """
    if task.heldout is not None:
        tokenised = tokenise(read, tokeniser, "task.heldout")
        cut = tokenised.cut(length)
        refuse_lost(tokenised, cut, length, "task.heldout", chosen=False)
    else:
        cut = tokenise(read, tokeniser, "task.train").cut(length) if read.units else Cut()
        if not any(cut.groups):
            raise UserError(
                f"task.heldout: nothing in {task.train!r} can be held out.",
                hint="Give targets of direct or paraphrase prompts as numbers or texts, or name other data.",
            )
    if trace is not None:
        trace(read, cut)
    return cut


def by_document(cut: Cut, stream: bool) -> list[list[Example]]:
    """Examples by what a split must not divide: a document, or a piece of a text that is one stream."""
    return [[example] for group in cut.groups for example in group] if stream else cut.groups


def refuse_lost(tokenised: Tokenised, cut: Cut, length: int, key: str, *, chosen: bool) -> None:
    """Refuses data of which most replies are lost.

    Args:
        tokenised: The data.
        cut: Their examples.
        length: Tokens that these have, at most.
        key: Configuration key of the data, for messages.
        chosen: Whether nobody asked for that length.

    Raises:
        UserError: Most prompts leave no room for a reply, most records have none, or most replies lose their
            ends without anybody having asked for that.
    """
    replies = sum(map(len, tokenised.groups))
    if not tokenised.texts and cut.no_room * 2 > replies:
        longest = max(tokenised.lengths)
        raise UserError(
            f"task.max_length: {cut.no_room} of {replies} prompts of {key} leave no room for a reply within "
            f"{length} tokens.",
            hint=f"The longest record has {longest} tokens. Raise task.max_length if the model's context "
            "allows it, or remove records with long prompts.",
        )
    if chosen and cut.cut * 2 > replies:
        raise UserError(
            f"task.max_length: {cut.cut} of {replies} replies of {key} would be cut: they are longer than "
            f"{length} tokens, the largest automatic length for this model.",
            hint=f"Set task.max_length={length} to learn only their beginnings, or more if the model allows "
            "it; or remove long records.",
        )
    refuse_silent(tokenised.no_reply, len(tokenised.groups), key)


def data_facts(
    read: ReadUnits, tokenised: Tokenised, cut: Cut, split: Split, length: int, *, chosen: bool
) -> DataFacts:
    """The numbers that a record keeps of the training data."""
    lengths = [len(example.input_ids) for group in cut.groups for example in group]
    return DataFacts(
        format=read.format.name,
        records=len(read.units) + read.rejected,
        examples=len(lengths),
        train=len(split.train),
        heldout=len(split.heldout),
        gap=split.gap,
        max_length=length,
        chosen=chosen,
        longest=max(tokenised.lengths, default=0),
        tokens=sum(lengths) / max(1, len(lengths)),
        cut=cut.cut,
        no_room=cut.no_room,
        no_reply=tokenised.no_reply,
        blank=tokenised.blank,
        rejected=read.rejected,
        unused=names_shown(all_unused(read, tokenised)),
    )


def all_unused(read: ReadUnits, tokenised: Tokenised) -> tuple[str, ...]:
    """Fields that are not trained on, by the records' form or by the model's chat template."""
    return tuple(dict.fromkeys([*read.unused, *sorted(tokenised.unused)]))


def _contents(read: ReadUnits, cut: Cut, length: int) -> list[list[Hashable]]:
    """What must not be in training and held out: whole records, and whole pieces of a stream.

    The shorter piece at the end of a text may be like another's by chance.
    """
    if not read.stream:
        return [[_content(group)] if group else [] for group in cut.groups]
    return [[_content([each]) for each in group if len(each.input_ids) == length] for group in cut.groups]


def _content(group: Sequence[Example]) -> Hashable:
    return tuple(example.input_ids.tobytes() for example in group)


def _flat(groups: Sequence[Sequence[Example]]) -> list[Example]:
    return [example for group in groups for example in group]
