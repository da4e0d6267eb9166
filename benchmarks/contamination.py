"""What it costs to search training data for evaluation questions, as records and questions grow.

Records are generated words, half of them from the 14 most common, so that beginnings of questions are met
often; one record in a thousand holds a whole question. The sizes are timed in turn, `--repeats` times each,
in CPU seconds, and the least counts. Ratios are to the first size.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence

from trainables.evaluation.contamination.check import find_questions
from trainables.evaluation.questions.items import ChoiceItem, Item, OpenItem

SIZES = ((10_000, 1_000), (100_000, 1_000), (100_000, 10_000))
"""Records and questions."""

_COMMON = (
    "what",
    "is",
    "the",
    "of",
    "which",
    "a",
    "in",
    "to",
    "and",
    "following",
    "did",
    "who",
    "was",
    "year",
)
_RECORD = 80


def _words(chance: random.Random, count: int) -> str:
    def word() -> str:
        rare = f"w{int(chance.paretovariate(0.7)) % 20_000}"
        return chance.choice(_COMMON) if chance.random() < 0.5 else rare

    return " ".join(word() for _ in range(count))


def generated(records: int, questions: int, seed: int = 0) -> tuple[list[Item], list[str]]:
    """Questions, half of them with options, and the texts of records."""
    chance = random.Random(seed)
    items: list[Item] = []
    for number in range(questions):
        question = f"which of the following {_words(chance, chance.randint(3, 40))}?"
        options = tuple(f"{_words(chance, 3)} {place}" for place in range(4))
        items.append(ChoiceItem(question, options, 1) if number % 2 else OpenItem(question, options[0]))
    texts = [_words(chance, _RECORD) for _ in range(records)]
    for place in range(0, records, 1000):
        texts[place] += f". {items[place // 1000 % questions].question}"
    return items, texts


def measure(sizes: Sequence[tuple[int, int]], repeats: int) -> list[dict[str, float]]:
    """The least CPU seconds of each size, and what was seen."""
    cases = [generated(*size) for size in sizes]
    seconds = [[0.0] * repeats for _ in sizes]
    overlapping = [0] * len(sizes)
    for repeat in range(repeats):
        for case, (items, texts) in enumerate(cases):
            begin = time.process_time()
            overlapping[case] = len(find_questions([items], texts).overlapping)
            seconds[case][repeat] = time.process_time() - begin
    return [
        {
            "records": records,
            "questions": questions,
            "words": records * _RECORD,
            "overlapping": overlapping[case],
            "seconds": min(seconds[case]),
            "ratio": min(seconds[case]) / min(seconds[0]),
        }
        for case, (records, questions) in enumerate(sizes)
    ]


def main() -> None:
    """Prints one line per size, and all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    rows = measure(SIZES, parser.parse_args().repeats)
    for row in rows:
        print(
            f"{row['records']:9,} records x {row['questions']:6,} questions: {row['seconds']:6.2f} s, "
            f"{row['ratio']:5.1f} times the first, {row['overlapping']} questions overlap"
        )
    print(json.dumps({"sizes": rows}))


if __name__ == "__main__":
    main()
