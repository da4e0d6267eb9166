"""A model that reads embeddings reads what one that is given the text reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.trainables.readings import readings
from tests.trainables.small import VOCABULARY, tiny_llama
from trainables.embedded import model_dir
from trainables.evaluation.collapse import are_commonest, first_occurrences
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.generate import generate
from trainables.reconstruction.components import fit
from trainables.reconstruction.losses import (
    Terms,
    Weights,
    answer_losses,
    distillation_losses,
    reconstruction_losses,
)
from trainables.reconstruction.prompts import Prompting
from trainables.reconstruction.reader import EmbeddingReader, entropies, latent_cosines
from trainables.reconstruction.rows import Rows, answer_tensor, padded_left
from trainables.reconstruction.scores import best_f1, exact_match

PROMPTS = [[5, 9, 11], [7], [3, 1, 4, 1, 5, 9, 2, 6], [8, 8, 2, 30, 31]]
ANSWERS = [[40, 41, 42, 2], [50, 2], [60, 61, 2], [70, 71, 72, 73, 74, 2]]


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_llama().double()


def _reader(model: Any) -> EmbeddingReader:
    return EmbeddingReader(Forward(model))


def _rows(reader: EmbeddingReader, prompts: Sequence[Sequence[int]]) -> Rows:
    return padded_left([reader.embed(prompt) for prompt in prompts])


def _alone(model: Any, prompt: list[int], answer: list[int]) -> Tensor:
    """Logits of the answer's tokens where the text is read by itself, by ids."""
    logits: Tensor = model(input_ids=torch.tensor([prompt + answer])).logits[0]
    return logits[len(prompt) - 1 : len(prompt) + len(answer) - 1]


def test_rows_of_a_batch_are_read_as_each_is_by_itself(model: Any) -> None:
    """Padding is masked and positions count from a row's own first token, or else these would differ."""
    reader = _reader(model)
    answers = answer_tensor(ANSWERS, 99, torch.device("cpu"))
    logits = reader.answer_logits(_rows(reader, PROMPTS), answers)
    for row, (prompt, answer) in enumerate(zip(PROMPTS, ANSWERS, strict=True)):
        assert torch.allclose(logits[row, : len(answer)], _alone(model, prompt, answer), atol=1e-10)


@pytest.mark.parametrize("cache", [True, False])
def test_generation_from_embeddings_is_that_from_text(
    model: Any, cache: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Forward, "caches", property(lambda self: cache))
    reader = _reader(model)
    replies = reader.generate(_rows(reader, PROMPTS), {2, 17}, 9)
    expected = [
        generate(Forward(model), [prompt], copies=1, ends={2, 17}, pad_id=0, max_new_tokens=9, batch_size=1)[
            0
        ][0]
        for prompt in PROMPTS
    ]
    assert replies.ids == expected
    assert any(len(reply) == 9 for reply in replies.ids)
    first = torch.stack([_alone(model, prompt, [0])[0] for prompt in PROMPTS])
    assert torch.allclose(replies.first, first, atol=1e-10)
    assert torch.allclose(entropies(torch.zeros(1, VOCABULARY)), torch.tensor([math.log(VOCABULARY)]))


def test_at_full_dimension_f1_is_that_of_the_text(model: Any) -> None:
    """The identity test: latents as wide as the embeddings, through the inverse projection."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_dir())
    embedded = AutoModelForCausalLM.from_pretrained(model_dir()).double().eval().requires_grad_(False)
    reader, items = _reader(embedded), readings(8)
    prompting = Prompting(tokenizer, "{passage}\n{question}", None, 250)
    prompts = [prompting.prompt(item) for item in items]
    real = [reader.embed(prompt.ids) for prompt in prompts]
    components = fit((vectors, torch.ones(len(vectors))) for vectors in real)
    scores: dict[int, list[float]] = {}
    for dimension in (0, 16, components.width):
        texts = real
        if dimension:
            projection = components.projection(dimension, torch.float64, "cpu")
            texts = [projection.decode(projection.encode(each)) for each in real]
        whole = [torch.cat([each, reader.embed(p.cue)]) for each, p in zip(texts, prompts, strict=True)]
        replies = reader.generate(padded_left(whole), {prompting.end}, 12)
        answers = [tokenizer.decode(ids, skip_special_tokens=True) for ids in replies.ids]
        scores[dimension] = [best_f1(a, item.answers) for a, item in zip(answers, items, strict=True)]
        if dimension == 0:
            text, spoken = replies, answers
        if dimension == components.width:
            assert torch.allclose(replies.first, text.first, atol=1e-9)
            assert answers == spoken
    assert scores[0] == scores[components.width]
    assert any(spoken), "replies are not all empty"


def test_the_loss_on_answers_is_of_the_first_answer_tokens_and_of_no_prompt(model: Any) -> None:
    reader = _reader(model)
    rows = _rows(reader, PROMPTS)
    for first in (1, 3, 99):
        answers = answer_tensor(ANSWERS, first, torch.device("cpu"))
        losses = answer_losses(reader.answer_logits(rows, answers), answers)
        for loss, prompt, answer in zip(losses, PROMPTS, ANSWERS, strict=True):
            wanted = torch.tensor(answer[:first])
            logits = _alone(model, prompt, answer)[:first]
            assert float(loss) == pytest.approx(float(functional.cross_entropy(logits, wanted)), rel=1e-5)


def test_distillation_is_the_divergence_from_the_teacher_on_answer_tokens_alone(model: Any) -> None:
    reader, other = _reader(model), _reader(tiny_llama(seed=1).double())
    answers = answer_tensor(ANSWERS, 3, torch.device("cpu"))
    teacher, given = (each.answer_logits(_rows(each, PROMPTS), answers) for each in (reader, other))
    assert torch.allclose(distillation_losses(teacher, teacher, answers), torch.zeros(4).double(), atol=1e-9)
    losses = distillation_losses(given, teacher, answers)
    expected = functional.kl_div(
        given[1, :2].log_softmax(-1), teacher[1, :2].log_softmax(-1), log_target=True, reduction="batchmean"
    )
    assert float(losses[1]) == pytest.approx(float(expected), rel=1e-5)


def test_the_loss_of_a_reconstruction_does_not_depend_on_the_scale_of_embeddings_or_on_other_examples() -> (
    None
):
    draw = torch.Generator().manual_seed(0)
    real, rebuilt = torch.randn(2, 9, 5, generator=draw, dtype=torch.float64)
    square = float(real.square().mean())
    losses = reconstruction_losses(rebuilt, real, [4, 5], square)
    tiny = reconstruction_losses(rebuilt / 115, real / 115, [4, 5], square / 115**2)
    assert torch.allclose(losses, tiny, rtol=1e-9)
    alone = reconstruction_losses(rebuilt[4:], real[4:], [5], square)
    assert torch.allclose(losses[1:], alone)
    assert torch.allclose(
        reconstruction_losses(real, real, [4, 5], square), torch.zeros(2).double(), atol=1e-12
    )
    unmatched = reconstruction_losses(115 * real, real, [4, 5], square)
    assert unmatched.min() > 100, "a right direction with the wrong norm is no reconstruction"


def test_shares_are_those_of_the_weighted_terms() -> None:
    """A weight of 0.5 says nothing of a share: here it is 85% of the loss."""
    terms = Terms(torch.tensor([0.1, 0.3]), torch.tensor([2.0, 2.6]), torch.tensor([7.0, 7.0]))
    weighted = terms.weighted(Weights(0.5, 0.0))
    reconstruction, answer, distillation = weighted.shares
    assert answer == pytest.approx(0.85, abs=0.01)
    assert reconstruction + answer + distillation == pytest.approx(1.0)
    assert distillation == 0.0
    assert torch.allclose(weighted.total, torch.tensor([1.1, 1.6]))


def test_a_term_without_weight_takes_no_part_even_where_it_is_no_number() -> None:
    weighted = Terms(torch.ones(1), torch.full((1,), math.nan), torch.ones(1)).weighted(Weights(0.0, 1.0))
    assert weighted.total.tolist() == [2.0]


def test_f1_counts_words_as_often_as_they_stand_there_and_takes_the_best_answer() -> None:
    assert best_f1("the the paris paris paris", ["Paris"]) == pytest.approx(0.5)
    assert best_f1("Hal", ["Hal of day 7", "Hal"]) == 1.0
    assert best_f1("nothing", ["Hal of day 7", "Hal"]) == 0.0
    assert exact_match("The  Hal!", ["Hal of day 7", "Hal"])
    assert not exact_match("Hal of day", ["Hal of day 7", "Hal"])


def test_collapse_is_counted_over_replies() -> None:
    replies = ["a", "b", "a", "", "a", ""]
    assert first_occurrences(replies) == [True, True, False, True, False, False]
    assert are_commonest(replies) == [True, False, True, False, True, False]
    assert are_commonest([]) == []


def test_latents_of_inputs_that_are_rebuilt_alike_point_the_same_way() -> None:
    draw = torch.Generator().manual_seed(1)
    apart = [torch.randn(length, 40, generator=draw) for length in (6, 9, 7)]
    assert max(map(abs, latent_cosines(apart, [1, 2, 0]))) < 0.3
    same = [torch.ones(length, 40) + 0.1 * torch.randn(length, 40, generator=draw) for length in (6, 9, 7)]
    assert min(latent_cosines(same, [1, 2, 0])) > 0.95
