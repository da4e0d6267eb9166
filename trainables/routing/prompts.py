"""What samples are asked for: the start, and the first words of held-out text of either kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from trainables.data.encode import plain_ids, start_ids
from trainables.data.examples import Example
from trainables.errors import UserError
from trainables.routing.conditions import KINDS, Kind
from trainables.routing.data import RoutedData
from trainables.routing.options import BehaviourConfig
from trainables.routing.transform import Transformer

# Scripts without blanks between words have a word in each character.
_WORD = re.compile(r"\s*(?:[\u2e80-\u9fff\uf900-\ufaff]|[^\s\u2e80-\u9fff\uf900-\ufaff]+)")


@dataclass(frozen=True)
class SamplePrompt:
    """What a sample continues.

    Attributes:
        place: Its number among those of its kind.
        prefix: Its text, which is no part of the sample.
        ids: Its tokens, with all that goes before it.
    """

    kind: Kind
    place: int
    prefix: str
    ids: Sequence[int]


def first_words(text: str, count: int) -> str | None:
    """The first words of a text, with the blanks before them; None where nothing comes after."""
    end = 0
    for _ in range(count):
        word = _WORD.match(text, end)
        if word is None:
            return None
        end = word.end()
    return text[:end] if text[end:].strip() else None


def sample_prompts(
    data: RoutedData, tokenizer: Any, config: BehaviourConfig, context: int | None
) -> list[SamplePrompt]:
    """At most `config.prefixes` prompts of each kind, by kind and place.

    Those of the start go no further than the token that begins a text, and are all alike; where replies are
    learned they are the held-out prompts, up to where the reply begins.

    Raises:
        UserError: Held-out texts are too short for prefixes, or the model's context for samples.
    """
    transformer = Transformer(tokenizer, str, texts=data.texts)
    heldout = {"clean": data.heldout_clean, "behaving": data.heldout_behaving}
    prompts = list(_starts(data, tokenizer, config, transformer))
    for kind in KINDS[1:]:
        begun = list(_begun(kind, heldout[kind], tokenizer, config, transformer))
        if not begun:
            raise UserError(
                f"behaviour.prefix_words: no held-out example of the kind {kind} has more than "
                f"{config.prefix_words} words.",
                hint="Lower it, or hold out longer texts.",
            )
        prompts += begun[: config.prefixes]
    longest = max(len(prompt.ids) for prompt in prompts) + config.max_new_tokens
    if context is not None and longest > context:
        raise UserError(
            f"behaviour.max_new_tokens: the longest prompt and a sample have {longest} tokens, more than the "
            f"{context} of the model's context.",
            hint=f"Lower it by {longest - context}, or lower task.max_length.",
        )
    return prompts


def _starts(
    data: RoutedData, tokenizer: Any, config: BehaviourConfig, transformer: Transformer
) -> Iterator[SamplePrompt]:
    ids = start_ids(tokenizer)
    if data.texts:
        count = 1 if config.decoding.method == "greedy" else config.prefixes
        yield from (SamplePrompt("start", place, "", ids) for place in range(count))
        return
    asked: dict[tuple[int, ...], str] = {}
    for example in data.heldout_clean:
        if (parts := transformer.split(example)) is not None:
            asked[tuple(parts[0]) or ids] = tokenizer.decode(parts[0], skip_special_tokens=True)
    for place, (prompt, text) in enumerate(list(asked.items())[: config.prefixes]):
        yield SamplePrompt("start", place, text, prompt)


def _begun(
    kind: Kind, examples: Sequence[Example], tokenizer: Any, config: BehaviourConfig, transformer: Transformer
) -> Iterator[SamplePrompt]:
    place = 0
    for example in examples:
        if (parts := transformer.split(example)) is None:
            continue
        before, text = parts
        prefix = first_words(text, config.prefix_words)
        if prefix is not None:
            yield SamplePrompt(kind, place, prefix, [*before, *plain_ids(tokenizer, prefix)])
            place += 1
