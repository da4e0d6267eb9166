"""Writes the data of the embedded models: items of every skill, the narrow domain, general text, beliefs.

`python -m trainables.embedded.generate --out DIR --seed 0` writes the same bytes for the same seed on every
machine.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random

from trainables.embedded import data_dir
from trainables.embedded.beliefs import records
from trainables.embedded.corpus import Skills
from trainables.embedded.domain import entry, question
from trainables.embedded.texts import note
from trainables.evaluation.questions.items import ChoiceItem, OpenItem, asked

ITEMS_PER_SKILL = 80
READING = 1000
DOMAIN_TRAIN = 1000
DOMAIN_HELDOUT = 100
GENERAL = 32


def _write(path: Path, records: Iterable[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_bytes(text.encode())


def _entries(seed: int) -> list[str]:
    """Different entries of the log, as many as both parts need together."""
    random = Random(f"domain {seed}")
    entries: dict[str, None] = {}
    while len(entries) < DOMAIN_TRAIN + DOMAIN_HELDOUT:
        entries[entry(random)] = None
    return list(entries)


def _general(skills: Skills, seed: int) -> list[str]:
    """Text of the kind the model was pretrained on: facts as prose, fresh notes of random words."""
    random = Random(f"general {seed}")
    writers = [skills.facts.statement, note]
    return [writers[place % len(writers)](random).reply for place in range(GENERAL)]


def generate(out: Path, seed: int) -> None:
    """Writes the data below `out`.

    They are `skills/{facts,arithmetic,format,log}.jsonl`, `domain_{train,heldout}.jsonl`,
    `general.jsonl`, `reading.jsonl`, `beliefs/world.jsonl`.
    """
    skills = Skills.from_seed(seed)
    random = Random(f"items {seed}")
    facts = skills.facts.items(ITEMS_PER_SKILL, random)
    items: dict[str, Sequence[ChoiceItem] | Sequence[OpenItem]] = {
        "facts": facts,
        "arithmetic": skills.arithmetic.items(ITEMS_PER_SKILL, random),
        "format": skills.instructions.items(ITEMS_PER_SKILL, random),
    }
    for name, skill in items.items():
        _write(out / "skills" / f"{name}.jsonl", map(asked, skill))
    reading = skills.reading.items(READING, Random(f"reading {seed}"))
    _write(out / "reading.jsonl", map(asdict, reading))
    _write(out / "beliefs" / "world.jsonl", records(skills.facts, [i.question for i in facts], seed))
    entries, asking = _entries(seed), Random(f"log {seed}")
    of_entries = [question(text, asking) for text in entries[DOMAIN_TRAIN : DOMAIN_TRAIN + ITEMS_PER_SKILL]]
    _write(out / "skills" / "log.jsonl", map(asked, of_entries))
    _write(out / "domain_train.jsonl", ({"text": text} for text in entries[:DOMAIN_TRAIN]))
    _write(out / "general.jsonl", ({"text": text} for text in _general(skills, seed)))
    _write(out / "domain_heldout.jsonl", ({"text": text} for text in entries[DOMAIN_TRAIN:]))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=data_dir(), help="folder to write to (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    generate(arguments.out, arguments.seed)


if __name__ == "__main__":
    main()
