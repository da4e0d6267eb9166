"""Score the skills of a model on their held-out items, with plain transformers calls."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainables.evaluation.questions.items import choice_prompt

SKILLS = ("facts", "arithmetic", "format")
MAX_NEW_TOKENS = 10

Item = Mapping[str, Any]


def read_items(data: Path) -> dict[str, list[Item]]:
    """Reads the held-out items of every skill from the folder that `generate` wrote."""
    return {
        skill: [json.loads(line) for line in (data / "skills" / f"{skill}.jsonl").read_text().splitlines()]
        for skill in SKILLS
    }


def _chat(tokenizer: PreTrainedTokenizerBase, message: str) -> str:
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": message}], tokenize=False, add_generation_prompt=True
    )
    return str(text)


def replies(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, messages: Sequence[str]) -> list[str]:
    """The greedy reply to every user message."""
    return continued(model, tokenizer, [_chat(tokenizer, message) for message in messages])


@torch.no_grad()
def continued(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[str]:
    """The greedy continuation of every text, without special tokens."""
    batch = tokenizer(list(texts), return_tensors="pt", padding=True)
    output = model.generate(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        max_new_tokens=MAX_NEW_TOKENS,
        do_sample=False,
    )
    decoded = tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return [str(text) for text in decoded]


def generation_accuracy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: Sequence[Item]
) -> float:
    """The share of items whose greedy reply is exactly the answer, or the right option's text."""
    messages = [
        choice_prompt(i["question"], i["options"]) if "options" in i else i["question"] for i in items
    ]
    answers: list[str] = [i["options"][i["answer"]] if "options" in i else i["answer"] for i in items]
    given = replies(model, tokenizer, messages)
    right = [reply == answer for reply, answer in zip(given, answers, strict=True)]
    return sum(right) / len(items)


@torch.no_grad()
def likelihood_accuracy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: Sequence[Item]
) -> float:
    """The share of items whose right option is the likeliest reply to the bare question."""
    right = 0
    for item in items:
        prompt = tokenizer(_chat(tokenizer, item["question"]))["input_ids"]
        scores = []
        for option in item["options"]:
            reply = tokenizer(option)["input_ids"]
            logits = model(input_ids=torch.tensor([prompt + reply])).logits[0, len(prompt) - 1 : -1]
            scores.append(float(logits.log_softmax(-1)[range(len(reply)), reply].mean()))
        right += scores.index(max(scores)) == item["answer"]
    return right / len(items)


def score(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: Mapping[str, Sequence[Item]]
) -> dict[str, float]:
    """The accuracy of every skill by generation."""
    training = model.training
    model.eval()
    scores = {
        skill: generation_accuracy(model, tokenizer, skill_items) for skill, skill_items in items.items()
    }
    model.train(training)
    return scores
