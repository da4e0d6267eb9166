"""Data that are small and at hand, read before anything is started as the workers will read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from trainables.errors import UserError
from trainables.lora.plan.data import context_of, light_tokenizer
from trainables.models.resolve import local_folder
from trainables.planning import keyed, refused
from trainables.settings import ModelConfig

T = TypeVar("T")


@dataclass(frozen=True)
class ReadData(Generic[T]):
    """What is known of the data before anything is started."""

    data: T
    tokenizer: Any


def read_small(
    model: ModelConfig, small: Callable[[], bool], read: Callable[[Any, int | None], T], where: str
) -> ReadData[T] | None:
    """Reads the data where they are small, and the model's tokenizer is on this machine.

    Args:
        model: The base model.
        small: Whether they are.
        read: Reads them, given the tokenizer and how many tokens the model can take.
        where: Where what is wrong with them is seen.

    Raises:
        PlanRefusedError: What `small` and `read` raise as a `UserError`.
    """
    folder = local_folder(model)
    try:
        tokenizer = light_tokenizer(folder) if folder is not None and small() else None
        if folder is None or tokenizer is None:
            return None
        return ReadData(read(tokenizer, context_of(folder)), tokenizer)
    except UserError as error:
        raise refused(error, where, None if keyed(error) else "task") from error
