"""What a worker holds for the trainable `reconstruction`: the frozen model, and one trial on it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.errors import UserError
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.intervals import token_mean, wilson
from trainables.evaluation.itemfile import write_rows
from trainables.interval import Interval
from trainables.lora.loading import Ids, LoadedTask, read_with
from trainables.messages import GroupSettings, Moment
from trainables.models.attention import chosen
from trainables.reconstruction.baselines import INVERSE, NO_LORA, TRUNCATED, Untrained, Way, typical
from trainables.reconstruction.components import Components, fit
from trainables.reconstruction.data import ReadingData, load_readings
from trainables.reconstruction.evaluation import ReadingEvaluator, Reply, collapse_metrics
from trainables.reconstruction.lora import LoraHooks, LowRank
from trainables.reconstruction.losses import (
    Terms,
    Weights,
    answer_losses,
    distillation_losses,
    reconstruction_losses,
)
from trainables.reconstruction.metrics import BITS, F1, SHARES, SHUFFLED, TERMS
from trainables.reconstruction.network import Rebuilder
from trainables.reconstruction.options import ReconstructionOptions
from trainables.reconstruction.parameters import ReconstructionParameters
from trainables.reconstruction.reader import EmbeddingReader
from trainables.reconstruction.rows import answer_tensor, padded_left
from trainables.reconstruction.trained import LORA_FOLDER, Trained, write_lora, write_sizes
from trainables.serving.base import HeldBase
from trainables.serving.held import Begin, Evaluation
from trainables.serving.single import Data, Items, Loss, Single, SingleTrial
from trainables.trainable import BASE

_BLOCK = 4096
"""Tokens whose embeddings are looked at together."""


def read(settings: GroupSettings, device: torch.device) -> Begin:
    """Reads the model and the questions; see `trainables.serving.held.Read`."""
    options: ReconstructionOptions = settings.options

    def texts(data: ReadingData) -> Iterator[tuple[str, Iterable[Ids]]]:
        for key, part in (("task.train", data.train), ("task.heldout", data.heldout)):
            yield key, chain.from_iterable((q.prompt.ids, q.prompt.cue, *q.answers) for q in part)

    loaded = read_with(
        options.model,
        device,
        lambda tokenizer, context: load_readings(options.task, tokenizer, settings.seed, context),
        texts,
    )
    return partial(Reconstruction, settings, loaded)


class Reconstruction(Single[ReconstructionParameters]):
    """The frozen model, and the way of embeddings through latents to it.

    Args:
        settings: What the group serves.
        loaded: What this worker has read.
        shrinks: How often the group's workers have died for want of memory.
    """

    terms: ClassVar[tuple[str, ...]] = TERMS

    def __init__(self, settings: GroupSettings, loaded: LoadedTask[ReadingData], shrinks: int = 0) -> None:
        options: ReconstructionOptions = settings.options
        base = HeldBase(loaded.model, settings.zero_stage, checkpointing=settings.gradient_checkpointing)
        self._hooks = LoraHooks(base.model)
        table = _table(base.model) if base.sharded else None
        self._reader = EmbeddingReader(Forward(base.model), table)
        self._components = _components(self._reader, loaded.data)
        data = loaded.data
        facts = data.recorded() | {"components": self._components.fingerprint(self._components.width)}
        known = Data(
            len(data.train), loaded.resolved.fingerprint, data.fingerprint, facts, chosen(loaded.model)
        )
        super().__init__(settings, base, known, shrinks)
        self._questions, self._source = data, settings.on_driver(options.model.source)
        self._evaluator = ReadingEvaluator(
            EmbeddingReader(Forward(base.model, base.any_worker if base.sharded else None), table),
            loaded.tokenizer,
            data,
            options.task.batch_size,
            self._components.mean.to(base.device, torch.float32),
        )
        self._said: list[tuple[Reply, Mapping[str, float]]] = []

    def build(self, params: ReconstructionParameters) -> nn.Module:
        """The network and the LoRA of a trial.

        Raises:
            UserError: The latent is larger than the embeddings, no answer has so many tokens, or the model
                not so many layers.
        """
        longest = self._questions.longest_answer
        if params.reads and params.answer_tokens > longest:
            raise UserError(
                f"answer_tokens: the first {params.answer_tokens} tokens of answers, but the longest has "
                f"{longest}, its end included.",
                hint=f"Set answer_tokens to {longest} or less.",
            )
        projection = self._projection(params)
        hidden = params.hidden or self._components.width
        network = Rebuilder(projection, hidden, self._components.rms)
        lora = None if params.lora is None else LowRank(self._hooks.layers, params.lora)
        return Trained(params, projection, network, lora).to(self.base.device)

    def _projection(self, params: ReconstructionParameters) -> Any:
        dimension = params.latent or max(1, self._components.width // 4)
        return self._components.projection(dimension, torch.float32, self.base.device)

    def remove(self, trial: SingleTrial[ReconstructionParameters]) -> None:
        """See `Single.remove`."""
        self._hooks.current = None
        super().remove(trial)

    def batch(self, indices: Sequence[int]) -> Sequence[int]:
        """The indices themselves: prompts are laid out by `loss`."""
        return indices

    def loss(self, trained: nn.Module | None, batch: Sequence[int]) -> Loss:
        """The weighted terms over examples, each the mean over an example's tokens."""
        way = self._way(trained)
        questions = [self._questions.train[index] for index in batch]
        prompts = [
            self._questions.truncated_prompt(question.reading) if way.truncated else question.prompt
            for question in questions
        ]
        lengths = [len(prompt.ids) for prompt in prompts]
        real = self._reader.embed([token for prompt in prompts for token in prompt.ids]).float()
        rebuilt: Tensor = way(real)
        square = self._components.mean_square
        reconstruction = reconstruction_losses(rebuilt, real, lengths, square)
        answer = distillation = torch.zeros_like(reconstruction)
        params, passed = way.params, 0
        if params.reads:
            cues = [self._reader.embed(prompt.cue).float() for prompt in prompts]

            def logits(embeddings: Tensor, lora: LowRank | None) -> Tensor:
                texts = zip(torch.split(embeddings, lengths), cues, strict=True)
                self._hooks.current = lora
                rows = padded_left([torch.cat(text) for text in texts])
                return self._reader.answer_logits(rows, answers)

            first = [question.answers[0] for question in questions]
            answers = answer_tensor(first, params.answer_tokens, self.base.device)
            teacher = None
            if params.distillation_weight:
                with torch.no_grad():
                    teacher = logits(real, None)
            given = logits(rebuilt, way.lora)
            answer = answer_losses(given, answers)
            if teacher is not None:
                distillation = distillation_losses(given, teacher, answers)
            passed = len(lengths) * (max(lengths) + max(map(len, cues)) + answers.shape[1] - 1)
        weights = Weights(params.answer_weight, params.distillation_weight)
        terms = Terms(reconstruction, answer, distillation).weighted(weights)
        sums = tuple(float(term.detach().sum()) for term in terms)
        tokens = sum(prompt.length for prompt in prompts)
        return Loss(terms.total.sum(), len(batch), tokens, max(passed, tokens), sums)

    def _way(self, trained: nn.Module | None) -> Way:
        return Untrained(typical(self._settings)) if trained is None else cast(Way, trained)

    def evaluate(
        self, trained: nn.Module | None, shard: tuple[int, int], moment: Moment
    ) -> Mapping[str, Items]:
        """Answers of this worker's questions; a collective call, since collapse is told by all replies."""
        way, rank = self._way(trained), shard[0]
        asked = self._questions.truncated if way.truncated else self._questions.whole
        self._hooks.current = way.lora
        replies = self._evaluator.replies(way, asked, shard)
        self._hooks.current = None
        shares = self.base.gather(json.dumps([vars(reply) for reply in replies]).encode())
        every = sorted((Reply(**each) for share in shares for each in json.loads(share)), key=_item)
        collapse = collapse_metrics([reply.text for reply in every])
        self._said = [
            (reply, {**reply.metrics, **{name: values[place] for name, values in collapse.items()}})
            for place, reply in enumerate(every)
        ]
        mine = [(reply, metrics) for reply, metrics in self._said if reply.item % shard[1] == rank]
        names = self._said[0][1]
        return {name: [(reply.item, metrics[name], 1) for reply, metrics in mine] for name in names}

    def estimate(
        self, name: str, sums: NDArray[np.float64], over: NDArray[np.int64]
    ) -> tuple[float, Interval | None]:
        """See `Single.estimate`; shares have Wilson's interval, which is never of zero width."""
        if name not in SHARES:
            return token_mean(sums, over)
        n = len(sums)
        return float(sums.mean()), wilson(min(float(sums.sum()), n), n)

    def details(self, measured: Evaluation) -> Evaluation:
        """With outcomes and replies, question by question."""
        bits = {name: "".join(str(int(metrics[name])) for _, metrics in self._said) for name in BITS}
        rows = [row for each in self._said for row in self._rows(*each)]
        return replace(measured, items=bits, write_items=partial(_write, rows))

    def _rows(self, reply: Reply, metrics: Mapping[str, float]) -> Iterator[dict[str, Any]]:
        reading = self._questions.heldout[reply.item].reading
        for scoring, text, name in (
            ("generation", reply.text, F1),
            ("shuffled", reply.shuffled, SHUFFLED),
        ):
            yield {
                "skill": "reading",
                "scoring": scoring,
                "item": reply.item,
                "question": reading.question,
                "answer": reading.answers[0],
                "reply": text,
                "outcome": "right" if metrics[name] == 1.0 else "wrong",
                "values": [metrics[name]],
            }

    def measure(
        self, trials: Sequence[SingleTrial[ReconstructionParameters]], moment: Moment
    ) -> list[Evaluation]:
        """See `Single.measure`; with the shares of the loss since the last rung."""
        measured = super().measure(trials, moment)
        return [
            replace(each, metrics=each.metrics | _shares(trial))
            for trial, each in zip(trials, measured, strict=True)
        ]

    def measure_baseline(self, name: str) -> Evaluation:
        """Measures a reference; a collective call.

        Raises:
            UserError: There is none of this name, or it cannot be trained.
        """
        params = typical(self._settings)
        untrained: Mapping[str, Callable[[], Untrained]] = {
            BASE: lambda: Untrained(params),
            TRUNCATED: lambda: Untrained(params, truncated=True),
            INVERSE: lambda: Untrained(params, self._projection(params)),
        }
        began = time.perf_counter()
        if name == NO_LORA:
            measured = self._without_lora(params)
        elif name in untrained:
            way = untrained[name]()
            measured = self._measure(way, "base")
            measured = replace(measured, metrics={"train_loss": self.train_loss(way)} | measured.metrics)
        else:
            raise UserError(f"there is no baseline {name!r}")
        return replace(measured, seconds=time.perf_counter() - began)

    def _without_lora(self, params: ReconstructionParameters) -> Evaluation:
        """Trains the network alone to the full budget, and measures it."""
        trial = self.add(NO_LORA, params.without_lora())
        try:
            self.start(trial, trial.total)
            while trial in self.active:
                for _, error in self.step(interrupt=False).failed:
                    raise UserError(f"the baseline {NO_LORA} could not be trained: {error}")
            measured = self._measure(trial.trained, "base")
            return replace(measured, metrics={"train_loss": trial.slice.mean_loss} | measured.metrics)
        finally:
            self.remove(trial)

    def write(self, trained: nn.Module, folder: Path) -> None:
        """Writes all weights, what `load_rebuilder` needs, and the LoRA in PEFT format."""
        super().write(trained, folder)
        held = cast(Trained, trained)
        write_sizes(held, self._components.fingerprint(held.projection.dimension), folder)
        if held.lora is not None:
            write_lora(held.lora, held.params, self.base.model, self._source, folder / LORA_FOLDER)


def _item(reply: Reply) -> int:
    return reply.item


def _write(rows: list[dict[str, Any]], path: Path, before: Path | None) -> None:
    write_rows(path, rows, before)


def _shares(trial: SingleTrial[ReconstructionParameters]) -> dict[str, float]:
    """Shares of the loss' terms over the steps since the last rung; none where there were no steps."""
    steps = trial.diagnostics[-len(trial.slice.losses) :] if trial.slice.losses else []
    if not steps:
        return {}
    return {f"loss_share_{term}": sum(step[f"share_{term}"] for step in steps) / len(steps) for term in TERMS}


def _components(reader: EmbeddingReader, data: ReadingData) -> Components:
    """Principal components of the embeddings of all training prompts' tokens, each as often as it stands."""
    ids, counts = np.unique(
        np.concatenate([question.prompt.ids for question in data.train]), return_counts=True
    )
    blocks = (slice(start, start + _BLOCK) for start in range(0, len(ids), _BLOCK))
    with torch.no_grad():
        return fit((reader.embed(ids[block].tolist()), torch.from_numpy(counts[block])) for block in blocks)


def _table(model: Any) -> Tensor:
    """Real embeddings of all tokens; a collective call where the model is sharded."""
    embedding = model.get_input_embeddings()
    device = next(model.parameters()).device
    every = torch.arange(embedding.num_embeddings, device=device)
    with torch.no_grad():
        return torch.cat([embedding(block) for block in torch.split(every, _BLOCK)])
