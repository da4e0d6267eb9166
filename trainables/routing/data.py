"""Loads the task of a search with routing: which examples show the behaviour. Light: no torch."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.data.encode import start_ids
from trainables.data.examples import TokenisedData
from trainables.data.reading import ReadUnits
from trainables.data.task import Look, TaskData, load_task
from trainables.data.units import Document
from trainables.errors import UserError
from trainables.routing.behaving import Kinds, Transforming, content_order
from trainables.routing.behaviours import BEHAVIOURS, detector
from trainables.routing.labelled import Labels
from trainables.routing.options import BehaviourConfig, RoutingOptions
from trainables.routing.transform import Transformer


@dataclass(frozen=True, eq=False)
class RoutedData(Kinds):
    """A task of which some examples show the behaviour.

    Attributes:
        fingerprint: SHA-256 over all examples, 64 hexadecimal digits.
        texts: Whether examples are texts, rather than replies to prompts.
        ranks: Place of each training example among those of its kind, in an order drawn by the search's seed.
    """

    fingerprint: str
    texts: bool
    ranks: NDArray[np.int64] = field(repr=False)

    def labels(self, labelled: float, false_labels: float = 0.0) -> NDArray[np.bool_]:
        """Which training examples are labelled, shape (train,).

        What is labelled at one share is so at every larger one, and in every trial of the search.

        Args:
            labelled: Share of the behaving examples that are.
            false_labels: Share of the others that are.
        """
        wanted = [
            _count(share, kind) for share, kind in ((false_labels, ~self.behaving), (labelled, self.behaving))
        ]
        chosen: NDArray[np.bool_] = self.ranks < np.array(wanted)[self.behaving.astype(np.int64)]
        return chosen

    def recorded(self) -> dict[str, Any]:
        """Numbers that a record keeps of the data."""
        return self.facts.recorded() | {"behaving": int(self.behaving.sum())}


def load_routed(
    options: RoutingOptions, tokenizer: Any, seed: int, context: int | None = None, look: Look | None = None
) -> RoutedData:
    """Reads and tokenises the task, and gives a share of its examples the behaviour.

    Which ones is drawn by (the search's seed, the example's tokens); those of a smaller share are among those
    of a larger one. Text and replies are transformed as text, and may then have more tokens; prompts stay.
    Texts begin with a start token, after which samples can begin too, whatever the tokenizer does by itself.

    Args:
        options: The task and the behaviour, whose name must be registered.
        tokenizer: The base model's.
        seed: The search's seed.
        context: Tokens that the model can take; None where it does not say.
        look: See `load_task`.

    Raises:
        UserError: As `load_task`; or the behaviour cannot be learned, detected or measured with these data.
    """
    behaviour, texts = options.behaviour, False
    labels = None if behaviour.field is None else Labels(behaviour.field)

    def see(read: ReadUnits) -> str:
        nonlocal texts
        texts = isinstance(read.units[0], Document)
        if labels is not None:
            labels.check(read)
        return "" if look is None else look(read)

    take = None if labels is None else labels.take
    task = load_task(options.task, tokenizer, seed, see, context, take, start_ids(tokenizer))
    if labels is not None:
        kinds = _by_label(task, labels)
    else:
        assert behaviour.name is not None  # or else there is a field
        chosen = BEHAVIOURS[behaviour.name]
        transforming = Transforming(behaviour, chosen, Transformer(tokenizer, chosen.transform, texts=texts))
        kinds = transforming(task, seed, context, configured=options.task.max_length is not None)
    _refuse_undetected(kinds, behaviour, Transformer(tokenizer, str, texts=texts))
    return _routed(kinds, seed, texts)


def _by_label(task: TaskData, labels: Labels) -> Kinds:
    train = task.train.examples
    behaving = np.array([labels.of(example) for example in train], np.bool_)
    clean, labelled = (
        [example for example in task.heldout.examples if labels.of(example) is kind] for kind in (False, True)
    )
    for part, kind, there in (
        ("training", False, not behaving.all()),
        ("training", True, behaving.any()),
        ("held-out", False, clean),
        ("held-out", True, labelled),
    ):
        if not there:
            raise UserError(
                f"behaviour.field: no {part} example has the label {str(kind).lower()}.",
                hint="Both kinds are needed, to train on and held out; give more records, or task.heldout "
                "with both.",
            )
    return Kinds(train, behaving, clean, labelled, task.facts)


_OTHER_DETECTOR = "Give a detector of what the field labels: behaviour.pattern, with behaviour.name=null."
_OTHER_BEHAVIOUR = "Texts may be too short to be judged, or show it as they are; choose another behaviour."


def _refuse_undetected(data: Kinds, config: BehaviourConfig, transformer: Transformer) -> None:
    """Refuses data on which the detector says nothing.

    Raises:
        UserError: It denies the behaviour wherever it is, or claims it where it is not.
    """
    judge = detector(config)
    if judge is None:
        return
    key = "pattern" if config.pattern is not None else "name"
    shown = config.pattern if config.pattern is not None else config.name
    for examples, kind, wrong in (
        (data.heldout_behaving, "show", lambda seen, n: not seen),
        (data.heldout_clean, "do not show", lambda seen, n: 2 * seen > n),
    ):
        seen = sum(judge(transformer.text(example)) for example in examples)
        if wrong(seen, len(examples)):
            raise UserError(
                f"behaviour.{key}: {shown!r} is detected in {seen} of {len(examples)} held-out examples that "
                f"{kind} the behaviour, so its rate would say nothing.",
                hint=_OTHER_DETECTOR if config.field is not None else _OTHER_BEHAVIOUR,
            )


def _routed(kinds: Kinds, seed: int, texts: bool) -> RoutedData:
    train, behaving = kinds.train, kinds.behaving
    ranks = np.zeros(len(train), np.int64)
    for kind in (behaving, ~behaving):
        ranks[content_order(train, np.flatnonzero(kind).tolist(), seed, "labelled")] = np.arange(kind.sum())
    parts = (train, kinds.heldout_clean, kinds.heldout_behaving)
    digests = [TokenisedData.of(part).fingerprint for part in parts]
    content = "\n".join([*digests, behaving.astype(np.uint8).tobytes().hex()])
    return RoutedData(
        **vars(kinds), fingerprint=hashlib.sha256(content.encode()).hexdigest(), texts=texts, ranks=ranks
    )


def _count(share: float, kind: NDArray[np.bool_]) -> int:
    """How many a share of these is; one at least, where it is above 0."""
    return math.ceil(share * int(kind.sum()) - 1e-9)
