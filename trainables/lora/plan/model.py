"""What a plan says of adapters and of the text that they are trained on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RankSize:
    """Size of an adapter.

    Attributes:
        trainable: Number of trainable parameters.
        share: The same as a share of the base model's parameters.
    """

    rank: int
    target_modules: str
    trainable: int
    share: float


@dataclass(frozen=True)
class DataLengths:
    """Lengths of the training data, in tokens of the model.

    Attributes:
        sampled: Records that they were measured on.
        median: Of a record as a whole.
        longest: Of those measured.
        mean: Of an example, as trained on.
        max_length: Of an example, at most.
        chosen: Whether `max_length` was chosen by the lengths.
        context: The most that the model can take; None where it does not say.
        cut: Share of the replies that are cut, or of the texts that are cut into pieces.
        no_room: Share of the prompts that leave no room for a reply, and are left out.
        texts: Whether they are texts, of which nothing is lost when they are cut.
        replies: Of a generated reply, at most.
        replies_chosen: Whether that was chosen by the accepted answers.
    """

    sampled: int
    median: int
    longest: int
    mean: float
    max_length: int
    chosen: bool
    context: int | None
    cut: float
    no_room: float
    texts: bool
    replies: int
    replies_chosen: bool


@dataclass(frozen=True)
class DataPlan:
    """What a search trains on.

    Attributes:
        format: The form of the records, and what it has.
        also: Other forms that the first record has the fields of.
        unused: Fields of its records that hold something which is not trained on.
        records: Number of records that were read; None for plain text, which has none.
        whole: Whether they are all.
        lengths: None where the model's tokenizer is not on this machine.
        example: One example as the model will see it: parts in order, and whether each is learned.
        warnings: What is lost, in sentences.
    """

    format: str
    also: tuple[str, ...]
    unused: tuple[str, ...]
    records: int | None
    whole: bool
    lengths: DataLengths | None
    example: tuple[tuple[str, bool], ...]
    warnings: tuple[str, ...]
