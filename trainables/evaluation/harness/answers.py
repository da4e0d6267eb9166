"""Answers of a model, under several adapters at once, to what a task asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from trainables.evaluation.harness.requests import Generation, HarnessTokens, Request, Window
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.generate import generate
from trainables.evaluation.inference.likelihood import score_continuations
from trainables.evaluation.inference.targets import Continuation
from trainables.evaluation.questions.replies import ends_in_loop


@dataclass(frozen=True)
class Asking:
    """How a model is asked.

    Attributes:
        forward: The model, in evaluation mode.
        copies: Number of adapters.
        batch_size: Rows per pass, at most, but `copies` at least.
        pad_id: Any token id; nothing sees it.
        ends: Tokens that end a reply.
    """

    forward: Forward
    copies: int
    batch_size: int
    pad_id: int
    ends: Collection[int]


class Reply(NamedTuple):
    """A generated reply.

    Attributes:
        text: Cut off before the first of the texts that end it.
        tokens: Its length as generated.
        exhausted: Whether it came to its greatest length without an end.
        looping: Whether it ends in a loop.
    """

    text: str
    tokens: int
    exhausted: bool
    looping: bool


def answers(asking: Asking, tokens: HarnessTokens, requests: Sequence[Request]) -> list[list[Any]]:
    """Answers as the harness has them: (log-likelihood, greedy), that of a whole text, or a `Reply`.

    Returns:
        For each adapter the answer to each request.
    """
    scored = _scores(asking, requests)
    replies = _replies(asking, tokens, [each for each in requests if isinstance(each, Generation)])

    def answer(copy: int, request: Request) -> Any:
        if isinstance(request, Generation):
            return replies[copy][request]
        if isinstance(request, Window):
            continuation = scored[copy][request]
            return continuation.value, continuation.greedy
        return sum(scored[copy][window].value for window in request)

    return [[answer(copy, request) for request in requests] for copy in range(asking.copies)]


def _scores(asking: Asking, requests: Sequence[Request]) -> list[dict[Window, Continuation]]:
    """Scores of all windows by adapter; a context that several have is run once."""
    targets: dict[tuple[int, ...], dict[tuple[int, ...], None]] = defaultdict(dict)
    for request in requests:
        windows = [request] if isinstance(request, Window) else request if isinstance(request, list) else []
        for window in windows:
            targets[window.context][window.target] = None
    scored = score_continuations(
        asking.forward,
        list(targets),
        [list(texts) for texts in targets.values()],
        copies=asking.copies,
        pad_id=asking.pad_id,
        batch_size=asking.batch_size,
    )
    return [
        {
            Window(context, target): value
            for (context, texts), values in zip(targets.items(), adapter, strict=True)
            for target, value in zip(texts, values, strict=True)
        }
        for adapter in scored
    ]


def _replies(
    asking: Asking, tokens: HarnessTokens, requests: Sequence[Generation]
) -> list[dict[Generation, Reply]]:
    """Replies by adapter."""
    replies: list[dict[Generation, Reply]] = [{} for _ in range(asking.copies)]
    alike: dict[tuple[tuple[str, ...], int], dict[Generation, None]] = defaultdict(dict)
    for request in requests:
        alike[request.until, request.most][request] = None
    for (until, most), group in alike.items():
        # A text that ends a reply can begin within a token, and may have been tokenised in another way.
        tail = 2 + max(len(tokens.bare(text)) for text in until)

        def ended(ids: list[int], until: tuple[str, ...] = until, tail: int = tail) -> bool:
            text = tokens.text(ids[-tail:])
            return any(stop in text for stop in until)

        generated = generate(
            asking.forward,
            [request.prompt for request in group],
            copies=asking.copies,
            ends=asking.ends,
            pad_id=asking.pad_id,
            max_new_tokens=most,
            batch_size=asking.batch_size,
            ended=ended,
        )
        for adapter, rows in zip(replies, generated, strict=True):
            for request, ids in zip(group, rows, strict=True):
                text = whole = tokens.text(ids)
                for stop in until:
                    text = text.split(stop)[0]
                exhausted = len(ids) >= most and text == whole
                adapter[request] = Reply(text, len(ids), exhausted, text == whole and ends_in_loop(ids))
    return replies
