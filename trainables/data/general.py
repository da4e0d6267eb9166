"""General text, on which a tuned model should do no worse than its base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainables.data.examples import Example, TokenisedData
from trainables.data.records import read_records
from trainables.data.sources import LocalFile, locate
from trainables.data.split import sample
from trainables.data.tokenise import tokenise_paragraphs, tokenise_text
from trainables.errors import UserError
from trainables.settings import TaskConfig

KEY = "capability.general_text"
FIELD = "text"


@dataclass(frozen=True, eq=False)
class GeneralText:
    """Examples of general text.

    Attributes:
        examples: At least one.
        sizes: Bytes of UTF-8 of each example's targets.
        fingerprint: SHA-256 over the examples.
    """

    examples: list[Example]
    sizes: list[int]
    fingerprint: str


def load_general(source: str, most: int, task: TaskConfig, tokenizer: Any, seed: int) -> GeneralText:
    """Reads and tokenises general text, in pieces as long as the task's.

    Args:
        source: As `task.train`: a file, or a hub data set with the field "text".
        most: Examples, at most.
        task: Says how long an example is, and the split of a hub data set that names none.
        tokenizer: The base model's.
        seed: Chooses the examples where there are more.

    Raises:
        UserError: It cannot be read, or has no text.
    """
    place = locate(source, KEY, task.split)
    records = read_records(place, KEY)
    for row, record in enumerate(records, 1):
        if not isinstance(record.get(FIELD), str):
            raise UserError(
                f"{KEY}: record {row} of {source} has no text in the field {FIELD!r}.",
                hint=f"Its fields are {', '.join(record)}.",
            )
    plain = TaskConfig(name="general", train=source, max_length=task.max_length)
    paragraphs = isinstance(place, LocalFile) and place.format == "text"
    groups = (tokenise_paragraphs if paragraphs else tokenise_text)(records, tokenizer, plain)
    chosen = sample([example for group in groups for example in group], most, seed)
    if not chosen:
        raise UserError(f"{KEY}: {source} has no text.", hint="Give a longer one.")
    sizes = [_size(tokenizer, example) for example in chosen]
    return GeneralText(chosen, sizes, TokenisedData.of(chosen).fingerprint)


def _size(tokenizer: Any, example: Example) -> int:
    """Bytes of the text of all tokens but the first, which is no target."""
    whole, first = (
        tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        for ids in (example.input_ids, example.input_ids[:1])
    )
    return len(whole.encode()) - len(first.encode())
