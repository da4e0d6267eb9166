"""What an audit knows of text: its length in tokens of the model, from a sample of the training data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from trainables.audited import Facts
from trainables.data.reading import ReadUnits, read_units
from trainables.data.sources import HubDataset, locate
from trainables.data.units import Document, TaughtPair
from trainables.errors import UserError
from trainables.evaluation.questions.items import ChoiceItem, Item, load_items
from trainables.lora.plan.costs import questions
from trainables.lora.plan.data import context_of, light_tokenizer
from trainables.messages import Scalar
from trainables.models.resolve import local_folder
from trainables.settings import CapabilityConfig, TaskConfig

_READ = 4000
"""Records that are read; the numbers of larger data are not known."""
_SAMPLED = 200
_ITEMS = 500
"""Questions of a skill whose answers are measured."""
_CHARACTERS = 400_000
"""Of the sample, at most: tokens of more take longer than an audit may."""


def data_facts(options: Any, seed: int) -> Facts:
    """Lengths of the data, and what `task.max_length` does to them; empty where they are not here."""
    model, task = options.model, options.task
    folder = local_folder(model)
    try:
        if folder is None or isinstance(locate(task.train, "task.train", task.split), HubDataset):
            return {}
        read = read_units(task.train, "task.train", task, _READ)
        if not read.units:
            return {}
        texts = read.stream or isinstance(read.units[0], Document)
        tokenizer = _text_tokenizer(folder) if texts else light_tokenizer(folder)
        return {} if tokenizer is None else _measured(task, read, tokenizer, context_of(folder))
    except UserError:
        return {}  # the search says what is wrong with them


class _TextTokenizer:
    """A tokenizer as `trainables.data.tokenise` uses it for texts, without the import of transformers.

    Args:
        tokenizer: As its own library reads it.
        end: Id of the end-of-sequence token.
    """

    chat_template = None

    def __init__(self, tokenizer: Any, end: int) -> None:
        self._tokenizer, self.eos_token_id = tokenizer, end

    def __call__(self, texts: str | list[str], add_special_tokens: bool = True) -> dict[str, Any]:
        if isinstance(texts, str):
            return {"input_ids": self._tokenizer.encode(texts, add_special_tokens=add_special_tokens).ids}
        encoded = self._tokenizer.encode_batch(texts, add_special_tokens=add_special_tokens)
        return {"input_ids": [each.ids for each in encoded]}


def _text_tokenizer(folder: Path) -> Any | None:
    """That of a model's folder; the whole one where its files are of another kind."""
    from tokenizers import Tokenizer

    path, settings = folder / "tokenizer.json", folder / "tokenizer_config.json"
    try:
        end = json.loads(settings.read_text(encoding="utf-8")).get("eos_token")
        tokenizer = Tokenizer.from_file(str(path))
        known = tokenizer.token_to_id(str(end["content"] if isinstance(end, dict) else end))
    except Exception:  # noqa: BLE001 - its own errors have no common class
        known = None
    return light_tokenizer(folder) if known is None else _TextTokenizer(tokenizer, known)


def _measured(task: TaskConfig, read: ReadUnits, tokenizer: Any, context: int | None) -> Facts:
    from trainables.data.tokenise import Tokeniser, tokenise

    rows = _sample(read)
    tokenised = tokenise(read, Tokeniser(tokenizer, task), "task.train", rows)
    length = task.max_length or tokenised.chosen_length(context)
    cut, lengths = tokenised.cut(length), tokenised.lengths
    examples = [len(example.input_ids) for group in cut.groups for example in group]
    count = max(1, len(lengths))
    mean = sum(examples) / max(1, len(examples))
    facts: dict[str, Scalar] = {
        "max_length": length,
        "context_length": context,
        "mean_tokens": mean,
        "pieces": tokenised.texts,
        "has_prompts": not tokenised.texts,
        "loss_on": "all" if tokenised.texts else "completion",
        "completion_cut_share": cut.cut / count,
        "prompt_lost_share": cut.no_room / count,
    }
    if not read.stream:
        facts["tokens_quantile_90"] = int(np.quantile(lengths, 0.9, method="higher"))
        facts["tokens_quantile_99"] = int(np.quantile(lengths, 0.99, method="higher"))
        facts["text_cut_share"] = sum(each > length for each in lengths) / count
    if read.records.whole:
        every = round(len(examples) * len(read.units) / max(1, len(rows)))
        heldout = _heldout(task, read, every)
        targets = {unit.target for unit in read.units if isinstance(unit, TaughtPair)}
        facts |= {"all_examples": every - heldout, "targets": max(1, len(targets))}
        facts |= {"corpus_tokens": round((every - heldout) * mean)}
        facts |= {"heldout_examples": heldout} if heldout else {}
    return facts


def _sample(read: ReadUnits) -> list[int]:
    """Rows from all over the data, as many as are tokenised in a tenth of a second or so."""
    if read.stream:
        return list(range(len(read.units)))
    rows = len(read.units)
    mean = sum(len(repr(read.units[row])) for row in range(0, rows, max(1, rows // 50))) // min(50, rows) + 1
    count = min(rows, _SAMPLED, max(20, _CHARACTERS // mean))
    return [place * rows // count for place in range(count)]


def _heldout(task: TaskConfig, read: ReadUnits, every: int) -> int:
    """Examples that are split off from the training data."""
    if task.heldout is not None or read.heldout is not None:
        return 0
    return max(1, min(task.heldout_examples, round(task.heldout_fraction * every)))


def asked_facts(options: Any, seed: int) -> Facts:
    """How many questions there are, and how their replies are made."""
    capability: CapabilityConfig = options.capability
    skills = [skill for skill in capability.skills if skill.at == "every" and skill.harness is None]
    counts = [count for skill in skills if (count := questions(skill))]
    facts: dict[str, Scalar] = {"decoding": "greedy", "thinking_model": capability.think_section}
    if capability.facts is not None:
        facts["decoding"] = capability.facts.decoding.method
    if counts and len(counts) == len(skills):
        precise = len(counts) ** 2 / sum(1 / count for count in counts)
        facts |= {"eval_questions": min(counts), "retention_questions": round(precise)}
    if capability.general_text is not None:
        facts["kl_prompts"] = capability.kl_prompts
    train = (options.task.train,) if isinstance(options.task.train, str) else options.task.train
    facts["retention_on_training"] = any(skill.path in train for skill in capability.skills)
    return facts


def reply_facts(options: Any, seed: int) -> Facts:
    """Tokens of the longest accepted answer, and of a reply, where the model's tokenizer is here."""
    capability, folder = options.capability, local_folder(options.model)
    most = capability.max_new_tokens
    facts: dict[str, Scalar] = {} if most is None else {"reply_tokens": most}
    skills = [skill for skill in capability.skills if skill.harness is None]
    if folder is None or not skills or (tokenizer := _text_tokenizer(folder)) is None:
        return facts
    try:
        items = [item for skill in skills for item in load_items(skill, seed)[:_ITEMS]]
    except UserError:
        return facts
    answers = {text for item in items for text in _answers(item)}
    longest = max(map(len, tokenizer(sorted(answers), add_special_tokens=False)["input_ids"]), default=0)
    # A length that is chosen has room for 8 tokens more, at least.
    return {"answer_tokens": longest, "reply_tokens": longest + 8, **facts}


def _answers(item: Item) -> tuple[str, ...]:
    return tuple(item.options) if isinstance(item, ChoiceItem) else item.accepted


def sizes(options: Any, seed: int) -> Facts:
    """Number of parameters of the base model, and its smallest layer."""
    from trainables.lora.plan.shapes import light_shapes

    shapes = light_shapes(options.model)
    if shapes is None:
        return {}
    smallest = min((min(sides) for sides in shapes.linear.values()), default=None)
    return {
        "base_parameters": shapes.parameters,
        "smallest_layer": smallest,
        "vocabulary_size": shapes.vocabulary,
    }
