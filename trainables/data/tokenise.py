"""Turns records into examples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from trainables.data.chat import plain_ids, prompt_ids
from trainables.data.examples import Example
from trainables.data.records import Record
from trainables.errors import UserError
from trainables.settings import TaskConfig

Groups = list[list[Example]]
"""Examples by the document that they are cut from; a split must not divide a document."""


def tokenise_text(records: Sequence[Record], tokenizer: Any, task: TaskConfig) -> Groups:
    """Every document with its end-of-sequence token, cut into pieces of `task.max_length` tokens.

    Raises:
        UserError: A record lacks `task.text_field`, or there is no text.
    """
    texts = [_field(record, task.text_field, "text_field", row) for row, record in enumerate(records)]
    encoded = tokenizer(texts)["input_ids"]
    return [_pieces(_ended(ids, tokenizer.eos_token_id), task.max_length) for ids in encoded]


def tokenise_paragraphs(records: Sequence[Record], tokenizer: Any, task: TaskConfig) -> Groups:
    """Plain text: paragraphs joined again by blank lines, packed into pieces of `task.max_length` tokens."""
    paragraphs = [str(record["text"]).strip("\n") + "\n\n" for record in records]
    encoded = tokenizer(paragraphs, add_special_tokens=False)["input_ids"]
    return [[piece] for piece in _pieces(list(chain.from_iterable(encoded)), task.max_length)]


def tokenise_completions(records: Sequence[Record], tokenizer: Any, task: TaskConfig) -> Groups:
    """Prompt as the user message, completion as the reply; only the reply and its end are targets.

    Without a chat template prompt and completion are concatenated as they are. A completion that does
    not fit into `task.max_length` is truncated.

    Raises:
        UserError: A record lacks a field, or a prompt leaves no room for a reply.
    """
    return [[_completion(record, tokenizer, task, row)] for row, record in enumerate(records)]


def target_bytes(tokenizer: Any, example: Example) -> int:
    """Bytes of UTF-8 of the targets' text, which come last; special tokens have none."""
    first = int(example.loss_mask.argmax())
    whole, before = (
        tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        for ids in (example.input_ids, example.input_ids[:first])
    )
    return len(whole.encode()) - len(before.encode())


def _completion(record: Record, tokenizer: Any, task: TaskConfig, row: int) -> Example:
    prompt = prompt_ids(tokenizer, _field(record, task.prompt_field, "prompt_field", row))
    if len(prompt) >= task.max_length:
        raise UserError(
            f"task.max_length: the prompt of record {row + 1} has {len(prompt)} tokens, so no reply fits "
            f"into {task.max_length}.",
            hint="Raise task.max_length, or leave out records with long prompts.",
        )
    reply = plain_ids(tokenizer, _field(record, task.completion_field, "completion_field", row))
    ids = [*prompt, *reply, tokenizer.eos_token_id][: task.max_length]
    return _example(ids, targets_from=len(prompt))


def _field(record: Record, name: str, setting: str, row: int) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        problem = "lacks the field" if value is None else "has no text in the field"
        raise UserError(
            f"task.{setting}: record {row + 1} {problem} {name!r}.",
            hint=f"Its fields are {', '.join(record)}; set task.{setting} to the right one.",
        )
    return value


def _ended(ids: list[int], eos: int) -> list[int]:
    return ids if ids and ids[-1] == eos else [*ids, eos]


def _pieces(ids: Sequence[int], length: int) -> list[Example]:
    cuts: Iterable[Sequence[int]] = (ids[start : start + length] for start in range(0, len(ids), length))
    return [_example(piece, targets_from=1) for piece in cuts if len(piece) > 1]


def _example(ids: Sequence[int], targets_from: int) -> Example:
    mask = np.arange(len(ids)) >= max(1, targets_from)
    return Example(np.asarray(ids, dtype=np.int32), mask)
