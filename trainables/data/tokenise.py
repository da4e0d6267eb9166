"""Turns records into examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.data.beside import Fitting
from trainables.data.blocks import block_ids
from trainables.data.chat import Chat, Rendered, chat_of
from trainables.data.encode import OwnSpecials, begun_with, encode_all
from trainables.data.examples import Example
from trainables.data.lengths import piece_length, reply_length
from trainables.data.reading import ReadUnits
from trainables.data.units import Conversation, Document, Pair, TaughtPair, Unit, WrongRecord
from trainables.errors import UserError
from trainables.settings import TaskConfig

Groups = list[list[Example]]
"""Examples by the document that they are cut from."""

_AT_ONCE = 512


Tokens = tuple[NDArray[np.int32], NDArray[np.bool_]]
"""Token ids, and which of them are targets; not given for texts, where all but the first are."""


@dataclass
class Tokenised:
    """Records as tokens, not yet cut.

    Attributes:
        groups: Of each record its sequences.
        texts: Whether they are texts, of which nothing is lost when they are cut.
        before: Tokens that every piece of a text begins with.
        no_reply: Records that gave none, for want of a turn of the assistant.
        blank: Records with a blank reply.
        targets: What each record teaches, where they teach several things; else empty.
        unused: Fields that the model's chat template does not write.
    """

    groups: list[list[Tokens]] = field(default_factory=list)
    texts: bool = False
    before: tuple[int, ...] = ()
    no_reply: int = 0
    blank: int = 0
    targets: list[str] = field(default_factory=list)
    unused: set[str] = field(default_factory=set)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each sequence."""
        return [len(ids) for group in self.groups for ids, _ in group]

    def chosen_length(self, context: int | None) -> int:
        """How long an example may be, by the lengths."""
        choose: Callable[[Sequence[int], int | None], int] = piece_length if self.texts else reply_length
        return choose(self.lengths or [1], context)

    def cut(self, most: int) -> Cut:
        """Examples of at most `most` tokens: pieces of texts, and the beginnings of conversations."""
        if self.texts:
            return Cut([[*_pieces(ids, self.before, most)] for group in self.groups for ids, _ in group])
        result = Cut()
        for number, group in enumerate(self.groups):
            examples = []
            target = self.targets[number] if self.targets else ""
            for ids, mask in group:
                example = _example(ids[:most], mask[:most], target)
                if not example.targets:
                    result.no_room += 1
                    continue
                result.cut += bool(mask[most:].any())
                examples.append(example)
            result.groups.append(examples)
        return result


@dataclass
class Cut:
    """Examples of at most some length.

    Attributes:
        groups: By record; where nothing is left of one it has no example.
        cut: Replies that lost targets.
        no_room: Replies that lost all.
    """

    groups: Groups = field(default_factory=list)
    cut: int = 0
    no_room: int = 0


class Tokeniser:
    """Makes tokens of records as the model is to see them.

    A text has the special tokens that the tokenizer puts before it by itself, and ends with the
    end-of-sequence token. A conversation is what the chat template makes of it, and nothing else; its
    targets are the turns of the assistant, each with the token that ends it. Without a chat template a
    prompt and its completion are concatenated, and end with the end-of-sequence token.

    Args:
        tokenizer: The base model's.
        task: Says which turns are learned.
        start: Special tokens that a text begins with where the tokenizer puts none before it.
    """

    def __init__(self, tokenizer: Any, task: TaskConfig, start: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._task = task
        self._eos = int(tokenizer.eos_token_id)
        self._before = OwnSpecials.of(tokenizer).before
        self._start = self._before or tuple(start)
        self._chat: Chat | None = chat_of(tokenizer)
        self._fitting = Fitting(self._chat)

    def __call__(self, units: Sequence[Unit], place: Callable[[int], str]) -> Tokenised:
        """Tokens of records, all of one form.

        Args:
            units: The records, at least one.
            place: Names a record.

        Raises:
            UserError: A record cannot be put to this model; its message begins with the place.
        """
        if isinstance(units[0], Document):
            return self._texts([unit.text for unit in units if isinstance(unit, Document)])
        tokenised = Tokenised()
        for start in range(0, len(units), _AT_ONCE):
            self._replies(units[start : start + _AT_ONCE], start, place, tokenised)
        return tokenised

    def stream(self, paragraphs: Sequence[str]) -> Tokenised:
        """Plain text, of paragraphs joined again by blank lines, as one text without an end."""
        text = "".join(paragraph.strip("\n") + "\n\n" for paragraph in paragraphs)
        ids = block_ids(self._tokenizer, text)
        if tuple(ids[: len(self._start)]) != self._start:
            ids = np.concatenate([_ids(self._start), ids])
        return Tokenised([[(ids, _UNSAID)]], texts=True, before=self._start)

    def _texts(self, texts: Sequence[str]) -> Tokenised:
        tokenised = Tokenised(texts=True, before=self._start)
        for start in range(0, len(texts), _AT_ONCE):
            batch = list(texts[start : start + _AT_ONCE])
            for ids in self._tokenizer(batch, add_special_tokens=False)["input_ids"]:
                end = [] if ids and ids[-1] == self._eos else [self._eos]
                tokenised.groups.append([(_ids(begun_with(self._start, [*ids, *end])), _UNSAID)])
        return tokenised

    def _replies(
        self, units: Sequence[Unit], start: int, place: Callable[[int], str], tokenised: Tokenised
    ) -> None:
        written: list[list[Rendered]] = []
        for row, given in enumerate(units, start):
            unit = self._fitting(given) if isinstance(given, Conversation) else given
            if isinstance(given, Conversation) and given.tools and not getattr(unit, "tools", None):
                tokenised.unused.add("tools")
            try:
                written.append(self._written(unit))
            except WrongRecord as error:
                raise UserError(f"{place(row)} {error.message}", error.hint) from error
            tokenised.no_reply += not written[-1]
            tokenised.blank += _is_blank(unit)
            tokenised.targets += [unit.target] if isinstance(unit, TaughtPair) else []
        flat = [
            (rendered.text, [*chain.from_iterable(rendered.spans)]) for group in written for rendered in group
        ]
        encoded = iter(encode_all(self._tokenizer, flat))
        for group in written:
            tokenised.groups.append([self._sequence(rendered, *next(encoded)) for rendered in group])

    def _written(self, unit: Unit) -> list[Rendered]:
        if self._chat is not None and isinstance(unit, TaughtPair):
            return [self._chat.taught(unit)]
        if self._chat is not None and not isinstance(unit, Document):
            conversation = unit.conversation if isinstance(unit, Pair) else unit
            return self._chat.replies(conversation, last=self._task.loss == "last")
        if not isinstance(unit, Pair):
            raise WrongRecord(
                "contains messages, but the model's tokenizer has no chat template for them",
                'Choose a model with a chat template, or set task.prompt="..." and task.completion="...".',
            )
        section = unit.section if isinstance(unit, TaughtPair) else ""
        text = unit.plain + section + unit.completion
        return [Rendered(text, ((len(unit.plain), len(text)),), False)]

    def _sequence(self, rendered: Rendered, ids: list[int], counts: list[int]) -> Tokens:
        ended = rendered.ended or ids[-1:] == [self._eos]
        whole = [*ids, *([] if ended else [self._eos])]
        if self._chat is None:
            whole = begun_with(self._before, whole)
        shift = len(whole) - len(ids) - (not ended)
        mask = np.zeros(len(whole), dtype=np.bool_)
        for start, end in zip(counts[::2], counts[1::2], strict=True):
            mask[shift + start : shift + end] = True
        mask[-1:] |= not rendered.ended
        return _ids(whole), mask


def tokenise(read: ReadUnits, tokeniser: Tokeniser, key: str, rows: Sequence[int] | None = None) -> Tokenised:
    """Tokens of what was read.

    Args:
        read: The records.
        tokeniser: The model's.
        key: Configuration key, for messages.
        rows: Those of the records that are wanted, at least one; None: all.

    Raises:
        UserError: A record cannot be put to this model.
    """
    rows = range(len(read.units)) if rows is None else rows
    units = [read.units[row] for row in rows]
    if read.stream:
        return tokeniser.stream([unit.text for unit in units if isinstance(unit, Document)])
    try:
        return tokeniser(units, lambda number: read.place(rows[number]))
    except UserError as error:
        raise UserError(f"{key}: {error.message}.", error.hint) from error


def target_bytes(tokenizer: Any, example: Example) -> int:
    """Bytes of UTF-8 of the targets' text; special tokens have none."""
    edges = np.flatnonzero(np.diff(example.loss_mask, prepend=False, append=False))
    return sum(
        _bytes(tokenizer, example.input_ids[:end]) - _bytes(tokenizer, example.input_ids[:start])
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    )


def _bytes(tokenizer: Any, ids: NDArray[np.int32]) -> int:
    text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return len(text.encode())


def _is_blank(unit: Unit) -> bool:
    """Whether a prompt's reply is blank."""
    if isinstance(unit, Conversation) and unit.plain is not None:
        return not str(unit.messages[-1]["content"]).strip()
    return isinstance(unit, Pair) and not unit.completion.strip()


_UNSAID = np.zeros(0, dtype=np.bool_)


def _ids(ids: Sequence[int]) -> NDArray[np.int32]:
    return np.asarray(ids, dtype=np.int32)


def _pieces(ids: NDArray[np.int32], before: tuple[int, ...], most: int) -> Iterator[Example]:
    """Pieces of a text, each of which begins with `before`."""
    room = max(1, most - len(before))
    for start in range(len(before), len(ids), room):
        piece = np.concatenate([_ids(before), ids[start : start + room]])
        if len(piece) > 1:
            yield _example(piece, np.arange(len(piece)) >= len(before))


def _example(ids: NDArray[np.int32], mask: NDArray[np.bool_], target: str = "") -> Example:
    return Example(ids, mask & (np.arange(len(ids)) > 0), target)  # nothing predicts the first token
