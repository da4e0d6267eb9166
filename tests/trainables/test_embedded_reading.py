"""The skill of reading: questions that only the passage answers, and the embedded model that answers them."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from random import Random

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from trainables.embedded import data_dir, model_dir, reader_dir
from trainables.embedded.batches import make_batch
from trainables.embedded.compare import guessing, read_passages, reading_accuracy, shuffled
from trainables.embedded.corpus import Skills, conversations
from trainables.embedded.reading import LAYOUTS, ReadingItem, candidates, facts_of
from trainables.embedded.scoring import SKILLS, generation_accuracy, read_items

SEED = 0
SAMPLE = 48
ITEMS = read_passages(data_dir())


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(reader_dir(), local_files_only=True)


@pytest.fixture(scope="module")
def reader() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(reader_dir(), local_files_only=True, dtype="float32").eval()


def _fact_asked(item: ReadingItem) -> int:
    """The place of the only fact that the question names a part of."""
    named = [
        place
        for place, fact in enumerate(facts_of(item.passage))
        if any(f" {value}" in item.question for value in fact.values())
    ]
    assert len(named) == 1, item
    return named[0]


def test_the_answer_is_the_only_one_of_its_kind_in_the_fact_that_is_asked_for() -> None:
    for item in ITEMS:
        spans = candidates(item)
        assert len(set(spans)) == 4
        assert item.answers == (spans[_fact_asked(item)],)
        assert item.passage.count(item.answers[0]) == 1
        assert item.answers[0] not in item.question
    assert guessing(ITEMS) == 0.25


def test_every_fact_of_a_passage_is_asked_for_as_often() -> None:
    asked = Counter(_fact_asked(item) for item in ITEMS)
    # Four standard deviations of a share of a quarter.
    assert all(abs(asked[place] / len(ITEMS) - 0.25) < 4 * (0.1875 / len(ITEMS)) ** 0.5 for place in range(4))


def test_passages_differ_and_none_of_their_facts_is_ever_taught() -> None:
    assert len({item.passage for item in ITEMS}) == len(ITEMS)
    heldout = {(f["person"], f["town"]) for item in ITEMS for f in facts_of(item.passage)}
    skills = Skills.from_seed(SEED)
    texts = [
        exchange.user + exchange.reply
        for kind in ("reading", "restated")
        for exchanges in islice(conversations(kind, skills, SEED), 1_000)
        for exchange in exchanges
    ]
    taught = {(f["person"], f["town"]) for text in texts for f in facts_of(text)}
    assert len(heldout) == 160
    assert len(taught) > 1_400
    assert not heldout & taught


def test_passages_are_short_and_some_answers_have_four_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    lengths = {len(tokenizer(item.answers[0])["input_ids"]) for item in ITEMS}
    assert lengths == {1, 4}
    assert all(len(tokenizer(item.passage)["input_ids"]) == 36 for item in ITEMS)


def test_only_replies_are_learned_in_every_turn(tokenizer: PreTrainedTokenizerBase) -> None:
    lesson = Skills.from_seed(SEED).reading.lesson(Random(2))
    batch = make_batch(tokenizer, [lesson, lesson[:1]])
    for row, exchanges in enumerate([lesson, lesson[:1]]):
        learned = batch.input_ids[row, 1:][batch.mask[row]]
        assert tokenizer.decode(learned) == "".join(f"{each.reply}<|end|>" for each in exchanges)


def test_the_reader_reads_and_does_not_guess(
    reader: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    sample = ITEMS[:SAMPLE]
    assert reading_accuracy(reader, tokenizer, sample) >= 0.85
    assert reading_accuracy(reader, tokenizer, sample, LAYOUTS["cues"]) >= 0.85
    assert reading_accuracy(reader, tokenizer, shuffled(sample)) <= 0.1


def test_the_other_embedded_model_does_not_read(tokenizer: PreTrainedTokenizerBase) -> None:
    model = AutoModelForCausalLM.from_pretrained(model_dir(), local_files_only=True).eval()
    assert reading_accuracy(model, tokenizer, ITEMS[:SAMPLE]) < 0.5


@pytest.mark.parametrize("skill", SKILLS)
def test_the_reader_keeps_the_skill(
    skill: str, reader: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    assert generation_accuracy(reader, tokenizer, read_items(data_dir())[skill][:24]) >= 0.7
