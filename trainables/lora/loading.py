"""What one worker reads before it serves: the model and the task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.data.asking import Asking
from trainables.data.beliefs import Belief
from trainables.data.general import GeneralText, load_general, refuse_training_text
from trainables.data.reading import ReadUnits
from trainables.data.task import TaskData, load_task
from trainables.errors import UserError
from trainables.evaluation.beliefs.asked import AskedBeliefs
from trainables.evaluation.beliefs.check import load_beliefs, refuse_trained
from trainables.evaluation.contamination.check import check_questions
from trainables.evaluation.harness.skills import HarnessSkill, load_harness
from trainables.evaluation.questions.items import Item, load_items
from trainables.evaluation.questions.skills import tokenise_skill, with_reply_length
from trainables.lora.parameters import LoraOptions
from trainables.messages import GroupSettings
from trainables.models.load import fetch, load_tokenizer, load_weights, vocabulary_rows
from trainables.models.resolve import ResolvedModel, resolve
from trainables.settings import ModelConfig

D = TypeVar("D")
Ids = Sequence[int] | NDArray[np.int32]


@dataclass(frozen=True)
class LoadedTask(Generic[D]):
    """What one worker has read, before anything that all workers do together."""

    resolved: ResolvedModel
    model: Any
    tokenizer: Any
    data: D


@dataclass(frozen=True)
class Loaded(LoadedTask[TaskData]):
    """What one worker has read for the trainable `lora`."""

    device: torch.device
    general: GeneralText | None = None
    harness: Sequence[HarnessSkill] = ()
    beliefs: Sequence[Belief] = ()


def load(settings: GroupSettings, device: torch.device) -> Loaded:
    """Reads the model and the task; no collective call.

    The weights, which may take minutes, come after all that can be found wrong without them.

    Raises:
        UserError: The model or the task cannot be loaded as configured, questions are trained on, or texts
            have tokens that the model does not have.
    """
    options: LoraOptions = settings.options
    configured, capability, task, seed = options.model, options.capability, options.task, settings.seed
    resolved = fetch(resolve(configured), configured)
    tokenizer, context = load_tokenizer(resolved, configured)
    harness = load_harness(capability.skills, tokenizer, seed, context, thinks=capability.think_section)
    asked: dict[str, Sequence[Item]] = {skill.name: skill.task.sought for skill in harness}
    skills = [(skill, asked.get(skill.name) or load_items(skill, seed)) for skill in capability.skills]
    known = partial(refuse_unknown, tokenizer, vocabulary_rows(resolved, configured))
    without_harness = [items for skill, items in skills if skill.harness is None]
    capability = with_reply_length(capability, tokenizer, without_harness, context)
    for skill, items in skills:
        if skill.harness is None:  # the harness cuts its prompts to the context itself
            asking = Asking(tokenizer, thinks=capability.think_section)
            asked_as = tokenise_skill(asking, skill, items, capability.reply_length, context)
            known(chain(asked_as.asked, asked_as.bare, *asked_as.options), f"capability.skills.{skill.name}")
    for harness_skill in harness:
        known(harness_skill.task.prompts, f"capability.skills.{harness_skill.name}")
    beliefs = load_beliefs(capability, thinking=task.thinking)
    if beliefs:
        prompts = AskedBeliefs(tokenizer, beliefs, capability, context=context)
        known(prompts.ids, "capability.facts")

    def look(read: ReadUnits) -> str:
        refuse_trained(beliefs, read)
        return check_questions(skills, task, read)

    data = load_task(task, tokenizer, seed, look, context)
    for key, part in (("task.train", data.train), ("task.heldout", data.heldout)):
        known((example.input_ids for example in part.examples), key)
    general = None
    if capability.general_text is not None:
        most, length = capability.general_examples, data.facts.max_length
        general = load_general(capability.general_text, most, task, tokenizer, seed, length)
        known((example.input_ids for example in general.examples), "capability.general_text")
        refuse_training_text(general, capability.general_text, task, data.train.examples)
    model = load_weights(resolved, configured, tokenizer, device)
    return Loaded(resolved, model, tokenizer, data, device, general, harness, beliefs)


def read_with(
    configured: ModelConfig,
    device: torch.device,
    read: Callable[[Any, int | None], D],
    texts: Callable[[D], Iterable[tuple[str, Iterable[Ids]]]],
) -> LoadedTask[D]:
    """Reads a model and a task; no collective call.

    The weights, which may take minutes, come after all that can be found wrong without them.

    Args:
        configured: The model.
        device: Where it goes.
        read: Reads the task, given the tokenizer and how many tokens the model can take.
        texts: Token ids that the model is run on, by the key that they are from.

    Raises:
        UserError: The model or the task cannot be loaded as configured, or texts have tokens that the model
            does not have.
    """
    resolved = fetch(resolve(configured), configured)
    tokenizer, context = load_tokenizer(resolved, configured)
    data = read(tokenizer, context)
    rows = vocabulary_rows(resolved, configured)
    for key, ids in texts(data):
        refuse_unknown(tokenizer, rows, ids, key)
    return LoadedTask(resolved, load_weights(resolved, configured, tokenizer, device), tokenizer, data)


def refuse_unknown(tokenizer: Any, rows: int | None, texts: Iterable[Ids], where: str) -> None:
    """Refuses texts with a token beyond the model's embedding, which no model could be run on.

    Args:
        tokenizer: The model's.
        rows: Of its token embedding; None where they are not known.
        texts: Token ids.
        where: What the texts are, for the message.

    Raises:
        UserError: Names the token.
    """
    if rows is None:
        return
    for ids in texts:
        if len(ids) and (largest := int(np.max(ids))) >= rows:
            token = tokenizer.convert_ids_to_tokens(largest)
            raise UserError(
                f"{where} contains the token {token!r} with the id {largest}, and the model's embedding has "
                f"only {rows:,} rows.",
                hint="The tokenizer has tokens that the model lacks: enlarge the embedding "
                "(resize_token_embeddings) and save the model again, or use its own tokenizer.",
            )
