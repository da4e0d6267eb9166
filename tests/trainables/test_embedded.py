"""The embedded model and its data: made from the seed, kept apart, and as able as the model card says."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from trainables.embedded import data_dir, model_dir
from trainables.embedded.corpus import Skills, stream
from trainables.embedded.generate import generate
from trainables.embedded.scoring import SKILLS, generation_accuracy, likelihood_accuracy, read_items
from trainables.evaluation.questions.items import choice_prompt

SEED = 0
SAMPLE = 24


FROM_ELSEWHERE = {"beliefs/real.jsonl", "wikipedia/general.jsonl"}


def _files(folder: Path) -> dict[str, bytes]:
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.jsonl"))}
    return {name: content for name, content in files.items() if name not in FROM_ELSEWHERE}


def _texts(name: str) -> list[str]:
    return [json.loads(line)["text"] for line in (data_dir() / name).read_text().splitlines()]


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(model_dir(), local_files_only=True).eval()


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(model_dir(), local_files_only=True)


def test_the_shipped_data_is_what_the_seed_gives(tmp_path: Path) -> None:
    generate(tmp_path, SEED)
    assert _files(tmp_path) == _files(data_dir())
    assert sum(map(len, _files(tmp_path).values())) < 600_000


def test_another_seed_gives_other_data(tmp_path: Path) -> None:
    generate(tmp_path, SEED + 1)
    assert all(_files(tmp_path)[name] != content for name, content in _files(data_dir()).items())


def test_the_parts_of_the_domain_do_not_overlap() -> None:
    train, heldout = _texts("domain_train.jsonl"), _texts("domain_heldout.jsonl")
    assert (len(set(train)), len(set(heldout))) == (1000, 100)
    assert not set(train) & set(heldout)


def test_heldout_questions_are_not_in_the_pretraining_text() -> None:
    skills = Skills.from_seed(SEED)
    kinds = ("choice", "open", "arithmetic", "format")
    taught = {e.user.split("\nA. ")[0] for kind in kinds for e in islice(stream(kind, skills, SEED), 20_000)}
    heldout = {item["question"] for items in read_items(data_dir()).values() for item in items}
    assert len(taught) > 10_000
    assert not taught & heldout


def test_heldout_operands_and_words_are_never_taught() -> None:
    skills = Skills.from_seed(SEED)
    assert not set(skills.arithmetic.taught) & set(skills.arithmetic.heldout)
    assert not set(skills.instructions.taught) & set(skills.instructions.heldout)
    words = set(skills.instructions.heldout)
    replies = (e.reply.lower() for e in islice(stream("format", skills, SEED), 5_000))
    assert not any(words & set(reply.replace("-", " ").replace(",", "").split()) for reply in replies)


def test_the_domain_is_not_in_the_pretraining_text() -> None:
    skills = Skills.from_seed(SEED)
    text = " ".join(e.reply for kind in skills.writers() for e in islice(stream(kind, skills, SEED), 2_000))
    assert not any(word in text for word in ("Keeper", "watch", "gills", "cistern"))


def test_the_model_is_small(model: PreTrainedModel) -> None:
    assert 1_000_000 <= model.num_parameters() <= 3_000_000
    assert sum(p.stat().st_size for p in model_dir().iterdir()) <= 8_000_000


def test_every_digit_is_a_token_and_any_text_survives(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.tokenize("407+15") == ["4", "0", "7", "+", "1", "5"]
    text = "Keeper Munro, 18°, naïve\n\ttabs"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_chat_template_ends_every_turn_with_eos(tokenizer: PreTrainedTokenizerBase) -> None:
    messages = [{"role": "user", "content": "2+3=?"}, {"role": "assistant", "content": "5"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    assert text == "<|user|>2+3=?<|end|><|assistant|>5<|end|>"
    assert tokenizer.eos_token == "<|end|>"
    prompt = tokenizer.apply_chat_template(messages[:1], tokenize=False, add_generation_prompt=True)
    assert text.startswith(prompt)


@pytest.mark.parametrize("skill", SKILLS)
def test_the_model_has_the_skill(
    skill: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    items = read_items(data_dir())[skill][:SAMPLE]
    assert generation_accuracy(model, tokenizer, items) >= 0.85


def test_the_model_knows_the_facts_without_seeing_options(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    items = read_items(data_dir())["facts"][:SAMPLE]
    assert likelihood_accuracy(model, tokenizer, items) >= 0.85


def test_an_untrained_model_has_no_skill(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    torch.manual_seed(0)
    untrained = type(model)(model.config).eval()
    for items in read_items(data_dir()).values():
        assert generation_accuracy(untrained, tokenizer, items[:SAMPLE]) < 0.5


def test_prompts_fit_and_answers_are_short(tokenizer: PreTrainedTokenizerBase) -> None:
    for items in read_items(data_dir()).values():
        for item in items:
            options = item.get("options")
            prompt = choice_prompt(item["question"], options) if options else item["question"]
            assert len(tokenizer(prompt)["input_ids"]) <= 60
            answer = options[item["answer"]] if options else item["answer"]
            assert len(tokenizer(answer)["input_ids"]) <= 8


def test_choice_prompt_names_every_option() -> None:
    assert choice_prompt("Why?", ["so", "not"]) == "Why?\nA. so\nB. not\nAnswer with one of the options."
    with pytest.raises(ValueError, match="options"):
        choice_prompt("Why?", [])
