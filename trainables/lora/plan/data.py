"""The training data of a plan: their form and lengths, and one example as the model will see it."""

from __future__ import annotations

import json
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainables.data.apart import Copies, find_copies
from trainables.data.asking import Asking, InContext
from trainables.data.facts import data_warnings, rejected_line
from trainables.data.formats import FORMATS, also_fitting
from trainables.data.lengths import refuse_beyond
from trainables.data.reading import ReadUnits, read_units
from trainables.data.sources import HubDataset, locate
from trainables.data.split import Split
from trainables.errors import UserError
from trainables.evaluation.beliefs.check import few_prompts, load_beliefs, refuse_trained
from trainables.evaluation.contamination.check import check_questions
from trainables.evaluation.questions.items import load_items
from trainables.lora.baselines.in_context import NAME as IN_CONTEXT
from trainables.lora.parameters import LoraOptions
from trainables.lora.plan.model import DataLengths, DataPlan
from trainables.models.plain import plain_tokenizer
from trainables.models.resolve import local_folder
from trainables.planning import keyed, refused
from trainables.settings import TaskConfig

if TYPE_CHECKING:
    from trainables.data.examples import Example


_READ = 50_000
_SAMPLED = 500
_LEAST = 64
_CHARACTERS = 1_000_000


_SEEN = "training data"


def plan_data(options: LoraOptions, seed: int) -> DataPlan | None:
    """Looks at the training data.

    Returns:
        None for a hub data set, which is read when the search starts.

    Raises:
        PlanRefusedError: They cannot be trained on, or most of them would be lost.
    """
    try:
        return None if _is_on_hub(options) else _data(options, seed)
    except UserError as error:
        raise refused(error, _SEEN) from error


def refuse_contamination(options: LoraOptions, seed: int) -> None:
    """Searches local training data for the questions of the skills, before anything is started.

    The workers search all records, and for the documents of harness tasks too.

    Raises:
        PlanRefusedError: Questions are there with their answers, or either cannot be read.
    """
    task = options.task
    try:
        if not _is_on_hub(options):
            _overlap(options, seed, read_units(task.train, "task.train", task, _READ))
    except UserError as error:
        raise refused(error, _SEEN) from error


def refuse_long_prompts(options: LoraOptions, seed: int, baselines: Collection[str]) -> None:
    """Makes tokens of the questions and prompts of a local model as the workers will.

    Of the baseline in context, they have the facts before them.

    Raises:
        PlanRefusedError: One with its reply is longer than the model's context, or cannot be put to it.
    """
    from trainables.evaluation.beliefs.asked import AskedBeliefs, facts_in_context
    from trainables.evaluation.questions.skills import tokenise_skill, with_reply_length

    folder = local_folder(options.model)
    tokenizer = None if folder is None else light_tokenizer(folder)
    if folder is None or tokenizer is None:
        return
    context = context_of(folder)
    try:
        skills = [
            (skill, load_items(skill, seed)) for skill in options.capability.skills if skill.harness is None
        ]
        capability = with_reply_length(options.capability, tokenizer, (items for _, items in skills), context)
        beliefs = load_beliefs(capability, thinking=options.task.thinking)
        before: list[InContext | None] = [None]
        if IN_CONTEXT in baselines and beliefs:
            before.append(facts_in_context(beliefs, capability))
        for facts in before:
            asking = Asking(tokenizer, facts, thinks=capability.think_section)
            for skill, items in skills:
                tokenise_skill(asking, skill, items, capability.reply_length, context)
            if beliefs:
                AskedBeliefs(tokenizer, beliefs, capability, facts, context)
    except UserError as error:
        raise refused(error, _SEEN, None if keyed(error) else "capability") from error


def _is_on_hub(options: LoraOptions) -> bool:
    return isinstance(locate(options.task.train, "task.train", options.task.split), HubDataset)


def _overlap(options: LoraOptions, seed: int, read: ReadUnits) -> str:
    """A warning of the questions that overlap with the training data, or nothing.

    Raises:
        UserError: Questions with their answers, or prompts, are in the training data.
    """
    refuse_trained(load_beliefs(options.capability), read)
    skills = [(skill, load_items(skill, seed)) for skill in options.capability.skills if not skill.harness]
    return check_questions(skills, options.task, read)


def _data(options: LoraOptions, seed: int) -> DataPlan:
    task = options.task
    read = read_units(task.train, "task.train", task, _READ)
    overlap, copies = _overlap(options, seed, read), _copies(task, read)
    folder = local_folder(options.model)
    context = None if folder is None else context_of(folder)
    if task.max_length is not None:
        refuse_beyond(task.max_length, context)
    tokenizer = None if folder is None else light_tokenizer(folder)
    measured = (
        None if tokenizer is None or not read.units else _measured(options, seed, read, tokenizer, context)
    )
    lengths, example, warnings, unused = measured or (None, (), (), read.unused)
    if measured is None and read.rejected:
        warnings = (rejected_line(read.rejected),)
    if copies.count:
        warnings = (*warnings, copies.line)
    warnings = (*warnings, *few_prompts(load_beliefs(options.capability)))
    form = read.format.name
    return DataPlan(
        format=f"{form} ({FORMATS.lines()[form]})" if not read.stream else "plain text, split into pieces",
        also=() if read.stream else tuple(also_fitting(read.records.rows[0], task, read.format)),
        unused=unused,
        records=None if read.stream else len(read.units) + read.rejected,
        whole=read.records.whole,
        lengths=lengths,
        example=example,
        warnings=(*warnings, overlap) if overlap else warnings,
    )


def _copies(task: TaskConfig, read: ReadUnits) -> Copies:
    """Records that are both trained on and held out, by local files other than plain text.

    Raises:
        UserError: They are more than half of the training data.
    """
    if task.heldout is None or read.heldout is not None or read.stream:
        return Copies()
    place = locate(task.heldout, "task.heldout", task.split, task.subset)
    if isinstance(place, HubDataset) or place.text:
        return Copies()
    heldout = read_units(task.heldout, "task.heldout", task, _READ)
    train, held = ([[repr(unit)] for unit in each.units] for each in (read, heldout))
    return find_copies(read, train, heldout, held)


def _measured(
    options: LoraOptions, seed: int, read: ReadUnits, tokenizer: Any, context: int | None
) -> tuple[DataLengths, tuple[tuple[str, bool], ...], tuple[str, ...], tuple[str, ...]]:
    from trainables.data.task import all_unused, data_facts, refuse_lost
    from trainables.data.tokenise import Tokeniser, tokenise

    task, sampled = options.task, _sample(read)
    tokenised = tokenise(read, Tokeniser(tokenizer, task), "task.train", sampled)
    length = task.max_length or tokenised.chosen_length(context)
    cut = tokenised.cut(length)
    refuse_lost(tokenised, cut, length, "task.train", chosen=task.max_length is None)
    facts = data_facts(read, tokenised, cut, Split(), length, chosen=task.max_length is None)
    count = max(1, len(tokenised.lengths))
    divided = sum(each > length for each in tokenised.lengths)
    replies = _replies(options, seed, tokenizer, context)
    lengths = DataLengths(
        sampled=len(sampled),
        median=int(np.median(tokenised.lengths)),
        longest=facts.longest,
        mean=facts.tokens,
        max_length=length,
        chosen=facts.chosen,
        context=context,
        cut=(divided if tokenised.texts else cut.cut) / count,
        no_room=cut.no_room / count,
        texts=tokenised.texts,
        replies=replies,
        replies_chosen=options.capability.max_new_tokens is None,
    )
    recorded = facts.recorded() | {"records": len(sampled)}
    first = next((group[0] for group in cut.groups if group), None)
    warnings = tuple(data_warnings(recorded, lengths=False))
    return lengths, marked(tokenizer, first), warnings, all_unused(read, tokenised)


def _sample(read: ReadUnits) -> list[int]:
    """Records from all over the data, as many as are tokenised in a second or so."""
    rows = len(read.units)
    characters = sum(len(repr(read.units[row])) for row in range(0, rows, max(1, rows // 100)))
    each = max(1, characters // len(range(0, rows, max(1, rows // 100))))
    count = min(rows, _SAMPLED, max(_LEAST, _CHARACTERS // each))
    return [place * rows // count for place in range(count)]


def _replies(options: LoraOptions, seed: int, tokenizer: Any, context: int | None) -> int:
    """How long replies may be: as configured, or by the accepted answers that are on this machine."""
    from trainables.evaluation.questions.skills import with_reply_length

    skills = [skill for skill in options.capability.skills if skill.harness is None]
    items = (load_items(skill, seed) for skill in skills)
    return with_reply_length(options.capability, tokenizer, items, context).reply_length


def marked(tokenizer: Any, example: Example | None) -> tuple[tuple[str, bool], ...]:
    """An example's text in parts, each with whether it is learned."""
    if example is None:
        return ()
    edges = [0, *(np.flatnonzero(np.diff(example.loss_mask)) + 1).tolist(), len(example.input_ids)]
    parts, known = [], ""
    for start, end in pairwise(edges):
        whole = tokenizer.decode(
            example.input_ids[:end], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        parts.append((whole[len(known) :], bool(example.loss_mask[start])))
        known = whole
    return tuple(parts)


_LENGTHS = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length")
_TEXT_PARTS = ("text_config", "llm_config", "language_config")
_ALIBI = ("bloom", "mpt")


def light_tokenizer(folder: Path) -> Any | None:
    """The tokenizer of a model's folder, to read with; None where there is none, or its files do not do."""
    return plain_tokenizer(folder) or whole_tokenizer(folder)


def whole_tokenizer(folder: Path) -> Any | None:
    """The same as transformers has it, which can be changed and trained."""
    described = _read(folder / "tokenizer_config.json")
    if not (folder / "tokenizer.json").is_file() and not described:
        return None
    import transformers

    transformers.logging.set_verbosity_error()
    name = str(described.get("tokenizer_class") or "")
    kinds = [getattr(transformers, each, None) for each in (name, f"{name}Fast", "PreTrainedTokenizerFast")]
    for kind in kinds:
        try:
            tokenizer = None if kind is None else kind.from_pretrained(folder)
        except Exception:  # noqa: BLE001 - a named boundary: the search says what is wrong with it
            continue
        if tokenizer is not None and tokenizer.eos_token_id is not None:
            return tokenizer
    return None


def context_of(folder: Path) -> int | None:
    """Tokens that a model can take; None where its config.json does not say."""
    config = _read(folder / "config.json")
    nested = next((config[name] for name in _TEXT_PARTS if isinstance(config.get(name), dict)), config)
    if nested.get("model_type") in _ALIBI:
        return None
    lengths = (nested.get(name) for name in _LENGTHS)
    return next((length for length in lengths if type(length) is int and length > 0), None)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
