"""Score the embedded models on all their skills, as a table with 95% intervals.

`python -m trainables.embedded.compare` prints the table of `reader/README.md`. Every accuracy is that of
greedy replies to held-out items.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from trainables.embedded import data_dir, model_dir, reader_dir
from trainables.embedded.reading import LAYOUTS, Layout, ReadingItem, candidates
from trainables.embedded.scoring import continued, generation_accuracy, read_items, replies
from trainables.evaluation.intervals import wilson

_BATCH = 100

Ability = Callable[[PreTrainedModel, PreTrainedTokenizerBase], float]


def read_passages(data: Path, count: int | None = None) -> list[ReadingItem]:
    """Reads the first `count` held-out items of the skill `reading`, or all."""
    records = map(json.loads, (data / "reading.jsonl").read_text().splitlines()[:count])
    return [ReadingItem(r["passage"], r["question"], tuple(r["answers"])) for r in records]


def reading_accuracy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    items: Sequence[ReadingItem],
    layout: Layout = LAYOUTS["blank line"],
) -> float:
    """The share of items whose greedy reply is exactly an answer."""
    right = 0
    for start in range(0, len(items), _BATCH):
        part = items[start : start + _BATCH]
        prompts = [item.arranged(layout).user for item in part]
        given = (continued if layout.plain else replies)(model, tokenizer, prompts)
        right += sum(text.strip() in item.answers for text, item in zip(given, part, strict=True))
    return right / len(items)


def shuffled(items: Sequence[ReadingItem]) -> list[ReadingItem]:
    """The items with the passages of others: each with that of the next."""
    others = [*items[1:], *items[:1]]
    return [ReadingItem(o.passage, i.question, i.answers) for i, o in zip(items, others, strict=True)]


def guessing(items: Sequence[ReadingItem]) -> float:
    """The expected accuracy of guessing among the spans that are of the answer's kind."""
    return sum(1 / len(candidates(item)) for item in items) / len(items)


def _abilities(data: Path, count: int) -> dict[str, tuple[int, Ability]]:
    """What is scored, by name: the number of items, and the accuracy on them."""

    def reads(items: Sequence[ReadingItem], layout: Layout) -> Ability:
        return lambda model, tokenizer: reading_accuracy(model, tokenizer, items, layout)

    def knows(skill: str) -> Ability:
        return lambda model, tokenizer: generation_accuracy(model, tokenizer, items[skill])

    items, passages = read_items(data), read_passages(data, count)
    abilities = {skill: (len(items[skill]), knows(skill)) for skill in items}
    for name, layout in LAYOUTS.items():
        abilities[f"reading, layout `{name}`"] = (len(passages), reads(passages, layout))
    wrong = shuffled(passages)
    abilities["reading, passages shuffled"] = (len(wrong), reads(wrong, LAYOUTS["blank line"]))
    return abilities


def _print(models: Mapping[str, Path], data: Path, count: int) -> None:
    loaded = [
        (
            AutoModelForCausalLM.from_pretrained(path, dtype="float32").eval(),
            AutoTokenizer.from_pretrained(path),
        )
        for path in models.values()
    ]
    print("| skill | n | " + " | ".join(models) + " |")
    print("|---|---|" + "---|" * len(models))
    for name, (n, accuracy) in _abilities(data, count).items():
        cells = []
        for model, tokenizer in loaded:
            share = accuracy(model, tokenizer)
            low, high, _ = wilson(round(share * n), n)
            cells.append(f"{share:.1%} ({low:.1%} to {high:.1%})")
        print(f"| {name} | {n} | " + " | ".join(cells) + " |", flush=True)
    print(f"\nGuessing among the spans of the answer's kind: {guessing(read_passages(data, count)):.1%}.")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reader", type=Path, default=reader_dir())
    parser.add_argument("--data", type=Path, default=data_dir())
    parser.add_argument("--items", type=int, default=400, help="items of reading (default: %(default)s)")
    arguments = parser.parse_args()
    models = {"`embedded`": model_dir(), "`embedded:reader`": arguments.reader}
    _print(models, arguments.data, arguments.items)


if __name__ == "__main__":
    main()
