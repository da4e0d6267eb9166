"""General text, on which a tuned model should do no worse than its base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainables.data.examples import Example, TokenisedData
from trainables.data.reading import read_units
from trainables.data.sources import locate, same_source
from trainables.data.split import sample
from trainables.data.tokenise import Tokeniser, target_bytes, tokenise
from trainables.errors import UserError
from trainables.settings import TaskConfig

KEY = "capability.general_text"
FIELD = "text"
SAME = "the same as task.train, and its loss would reward overfitting"
OTHER = "Give text that is not in the training data, such as embedded:general.jsonl."


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


def load_general(
    source: str, most: int, task: TaskConfig, tokenizer: Any, seed: int, length: int
) -> GeneralText:
    """Reads and tokenises general text, in pieces as long as the task's.

    Args:
        source: As `task.train`: a file, or a hub data set with the field "text".
        most: Examples, at most.
        task: Says the split of a hub data set that names none.
        tokenizer: The base model's.
        seed: Chooses the examples where there are more.
        length: Tokens of an example, at most: as many as the task's have.

    Raises:
        UserError: It cannot be read, or has no text.
    """
    plain = TaskConfig(name="general", train=source, split=task.split, format="text", text_field=FIELD)
    read = read_units(source, KEY, plain)
    pieces = tokenise(read, Tokeniser(tokenizer, plain), KEY).cut(length)
    chosen = sample([example for group in pieces.groups for example in group], most, seed)
    if not chosen:
        raise UserError(f"{KEY}: {source} has no text.", hint="Give a longer text.")
    sizes = [target_bytes(tokenizer, example) for example in chosen]
    return GeneralText(chosen, sizes, TokenisedData.of(chosen).fingerprint)


def refuse_training_text(text: GeneralText, source: str, task: TaskConfig, train: Sequence[Example]) -> None:
    """Refuses general text of the training data's source, or with examples of the training data.

    Args:
        text: From `load_general`.
        source: Where it was read.
        task: The task.
        train: Its training examples.

    Raises:
        UserError: It is trained on.
    """
    if same_source(
        locate(source, KEY, task.split), locate(task.train, "task.train", task.split, task.subset)
    ):
        raise UserError(f"{KEY}: is {SAME}.", hint=OTHER)
    trained = {tuple(example.input_ids) for example in train}
    equal = sum(tuple(example.input_ids) in trained for example in text.examples)
    if equal:
        raise UserError(
            f"{KEY}: {equal} of {len(text.examples)} examples of {source} are in the training data.",
            hint=OTHER,
        )
