"""The units of text that the generators write: one exchange, or one held-out item."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Exchange:
    """One user message and the reply to it.

    Attributes:
        user: What the reply answers; not itself a target of training.
        reply: The target.
        plain: Whether the two are running text, without the chat format.
    """

    user: str
    reply: str
    plain: bool = False


@dataclass(frozen=True)
class ChoiceItem:
    """A held-out multiple-choice question; ``answer`` is the index of the right option."""

    question: str
    options: tuple[str, ...]
    answer: int

    def record(self) -> dict[str, object]:
        """Return the item as it is written to JSON lines."""
        return {**asdict(self), "options": list(self.options)}


@dataclass(frozen=True)
class OpenItem:
    """A held-out question whose generated answer must match ``answer`` exactly."""

    question: str
    answer: str

    def record(self) -> dict[str, object]:
        """Return the item as it is written to JSON lines."""
        return asdict(self)
