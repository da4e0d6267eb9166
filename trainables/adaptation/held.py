"""What a worker holds for the trainable `adaptation`: trials of two stages, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.adaptation.adapted import Adapted
from trainables.adaptation.corpus import read_corpus
from trainables.adaptation.coverage import coverage
from trainables.adaptation.fallbacks import FALLBACKS
from trainables.adaptation.initialise import Initialisation, Tables
from trainables.adaptation.measure import single_items, text_items
from trainables.adaptation.metrics import BITS, BLEU1, GAIN, STAGE1, START, TOP1
from trainables.adaptation.options import AdaptationOptions
from trainables.adaptation.parameters import AdaptationParameters
from trainables.adaptation.prepared import Preparation, Tokenised
from trainables.adaptation.quality import bleu1
from trainables.adaptation.questions import Questioner
from trainables.data.batches import IGNORED, collate, token_losses
from trainables.data.lengths import piece_length, refuse_beyond
from trainables.evaluation.intervals import wilson
from trainables.interval import Interval
from trainables.messages import GroupSettings, Moment
from trainables.models.attention import chosen
from trainables.models.checkpointing import checkpoint_blocks
from trainables.models.load import fetch, load_tokenizer, load_weights
from trainables.models.preparers import cache_dir
from trainables.models.resolve import resolve
from trainables.serving.base import HeldBase
from trainables.serving.held import Begin, Evaluation, Stepped
from trainables.serving.schedule import learning_rate
from trainables.serving.single import Data, Items, Loss, Single, SingleTrial

NEVER = 2.0
"""A threshold that no cosine reaches."""


def read(settings: GroupSettings, device: torch.device) -> Begin:
    """Reads the model and the text; see `trainables.serving.held.Read`."""
    options: AdaptationOptions = settings.options
    resolved = fetch(resolve(options.model), options.model)
    tokenizer, context = load_tokenizer(resolved, options.model)
    corpus = read_corpus(options.task, settings.seed)
    length = options.task.max_length
    if length is None:
        encoded = tokenizer(list(corpus.train), add_special_tokens=False)["input_ids"]
        length = piece_length([len(ids) for ids in encoded], context)
    refuse_beyond(length, context)
    prepared = Preparation(options.target, tokenizer, corpus, length, cache_dir() / "alignments")
    target = prepared.target()
    model = load_weights(resolved, options.model, tokenizer, device)
    facts = {
        "records": len(corpus.train) + len(corpus.heldout),
        "documents": len(corpus.train),
        "heldout_documents": len(corpus.heldout),
        "max_length": length,
        "source_tokens": len(prepared.source.vocabulary),
        "target_tokens": len(target.vocabulary),
    }
    known = Data(len(target.train), resolved.fingerprint, corpus.fingerprint, facts, chosen(model))
    return partial(AdaptationHeld, settings, model, known, prepared)


class AdaptationHeld(Single[AdaptationParameters]):
    """The base model, and one trial's model beside it.

    Args:
        settings: What the group serves.
        model: The base model, frozen.
        known: What was read.
        prepared: Tokenizers and alignments.
        shrinks: How often the group's workers have died for want of memory.
    """

    no_room = "Choose a smaller model, a smaller target vocabulary, or stage2=lora."

    def __init__(
        self, settings: GroupSettings, model: Any, known: Data, prepared: Preparation, shrinks: int = 0
    ) -> None:
        # Checkpointed blocks are wrapped, and a copy of a wrapped block would run the base's.
        base = HeldBase(model, settings.zero_stage)
        super().__init__(settings, base, known, shrinks)
        options: AdaptationOptions = settings.options
        capability, self._prepared = options.capability, prepared
        self._rows = len(model.get_input_embeddings().weight)
        self._untrained: dict[int | None, Sequence[float]] = {}
        self._questioner: Questioner | None = None
        if capability is not None:
            self._questioner = Questioner(capability, options.task, settings.seed, prepared.length)

    @property
    def asks_more_at_last(self) -> bool:
        """Always: what was measured before each stage."""
        return True

    def build(self, params: AdaptationParameters) -> Adapted:
        """A model in the target's tokens; its alignment is made once for all trials that share it."""
        self._forget()
        self._subtokens(params.vocabulary)  # before the model itself, so that there is one at a time
        return self._build(params)

    def _build(self, params: AdaptationParameters) -> Adapted:
        source, target = self._prepared.source, self._prepared.target(params.vocabulary)
        aligned = self._prepared.aligned(params.vocabulary, params.similarity)
        sources = aligned.alignment.sources(params.threshold)
        made = Initialisation(
            sources, target.vocabulary, source.vocabulary, source.tokenizer, FALLBACKS[params.fallback]
        )
        tables = made.tables(Tables.of(self.base.model))
        adapted = Adapted(self.base.model, tables, target, params, self._settings.total_steps)
        if self._settings.gradient_checkpointing:
            checkpoint_blocks(adapted.model)
        shares = coverage(aligned.alignment, params.threshold)
        weighted = coverage(aligned.alignment, params.threshold, target.stream.counts)
        adapted.facts = {
            **{f"coverage_{name}": share for name, share in shares._asdict().items()},
            **{f"coverage_{name}_weighted": share for name, share in weighted._asdict().items()},
            BLEU1: bleu1(target.stream, source.stream, sources),
        }
        adapted.aligned = aligned
        return adapted

    def _subtokens(self, vocabulary: int | None) -> Sequence[float]:
        """Bits of this worker's held-out documents before training, by the mean of sub-tokens; made once."""
        if vocabulary not in self._untrained:
            params = self._untrained_params(vocabulary=vocabulary, stage2="lora", rank=1)
            shard = (self.base.rank, self.base.world)
            with torch.no_grad():
                bits = self._bits(self._build(params), shard)[BITS]
            self._untrained[vocabulary] = [value for _, value, _ in bits]
        return self._untrained[vocabulary]

    def _untrained_params(self, **changes: Any) -> AdaptationParameters:
        params = AdaptationParameters.model_validate(self._settings.probes[0])
        return params.model_copy(update={"threshold": NEVER, "fallback": "subtokens", **changes})

    def reference(self, name: str) -> Adapted | None:
        """The base with its own tokenizer; or with the target's and untrained, without or with alignment.

        Raises:
            UserError: There is no baseline of this name.
        """
        if name not in ("subtokens", "aligned"):
            super().reference(name)
            return None
        params = AdaptationParameters.model_validate(self._settings.probes[0])
        return self.build(self._untrained_params() if name == "subtokens" else params)

    def remove(self, trial: SingleTrial[AdaptationParameters]) -> None:
        """See `Single.remove`."""
        self._forget()
        super().remove(trial)

    def _forget(self) -> None:
        """Lets go of the model that was measured last."""
        if self._questioner is not None:
            self._questioner.forget()

    def _text(self, trained: nn.Module | None) -> Tokenised:
        return self._prepared.source if trained is None else cast(Adapted, trained).text

    def examples(self, trained: nn.Module | None) -> int:
        """Sequences of the training text, in the tokens of what is trained."""
        return len(self._text(trained).train)

    def joins(self, params: AdaptationParameters, trained: nn.Module) -> Callable[[nn.Parameter], int]:
        """Tables are trained from the first step, all else from stage 2 on."""
        tables = {id(table) for table in cast(Adapted, trained).tables()}
        later = params.stage1_steps(self._settings.total_steps)
        return lambda weight: 0 if id(weight) in tables else later

    def rate(self, params: AdaptationParameters, step: int) -> float:
        """Each stage has a schedule of its own."""
        total = self._settings.total_steps
        first = params.stage1_steps(total)
        if step < first:
            return learning_rate(params.embeddings, step, first)
        return learning_rate(params, step - first, total - first)

    def batch(self, indices: Sequence[int]) -> Sequence[int]:
        """The indices: which tokens they are of is known where a model is."""
        return indices

    def loss(self, trained: nn.Module | None, batch: Sequence[int]) -> Loss:
        """Cross-entropy of all tokens but the first of each sequence."""
        examples = self._text(trained).train
        tensors = collate([examples[index] for index in batch], pad_id=0)
        ids, labels = (tensors[name].to(self.base.device) for name in ("input_ids", "labels"))
        losses = token_losses(self._logits(trained)(ids), labels)
        targets = int((labels[:, 1:] != IGNORED).sum())
        return Loss(losses.sum(), targets, int(tensors["attention_mask"].sum()), ids.numel())

    def _logits(self, trained: nn.Module | None) -> Callable[[Tensor], Tensor]:
        return self.base.logits if trained is None else cast(Adapted, trained).logits

    def evaluate(
        self, trained: nn.Module | None, shard: tuple[int, int], moment: Moment
    ) -> Mapping[str, Items]:
        """Bits per byte of each held-out document, and how tokens began; and asks the questions."""
        if self._questioner is not None:
            model = self.base.model if trained is None else trained
            self._questioner.ask(model, self._text(trained), shard, moment)
        if moment == "front":
            return {}  # all else was measured at the full budget
        adapted = None if trained is None else cast(Adapted, trained)
        items = self._bits(adapted, shard)
        before = self._subtokens(None if adapted is None else adapted.params.vocabulary)
        pairs = zip(items[BITS], before, strict=True)
        items[GAIN] = [(index, less - bits, size) for (index, bits, size), less in pairs]
        if adapted is not None and moment == "last":
            items |= self._marks(adapted, items[BITS], shard[0] == 0)
        return items | single_items(adapted, shard, moment)

    def estimate(
        self, name: str, sums: NDArray[np.float64], over: NDArray[np.int64]
    ) -> tuple[float, Interval | None]:
        """See `Single.estimate`; a share has Wilson's interval, which stays within 0 and 1."""
        value, interval = super().estimate(name, sums, over)
        if name == TOP1 and len(sums) > 1:
            interval = wilson(round(float(sums.sum())), len(sums))
        return value, interval

    def details(self, measured: Evaluation) -> Evaluation:
        """The same with the answers to the questions, over all workers; a collective call."""
        return measured if self._questioner is None else self._questioner.add_to(measured, self.base.gather)

    def _bits(self, trained: Adapted | None, shard: tuple[int, int]) -> dict[str, Items]:
        text, documents = self._text(trained), self._prepared.corpus.heldout
        rows = len(text.vocabulary) if trained is not None else self._rows
        return text_items(self._logits(trained), text, documents, rows, shard, self.base.device)

    def _marks(self, adapted: Adapted, bits: Items, first: bool) -> dict[str, Items]:
        """What was measured on the way; a stage 1 that is the whole budget ends here."""
        marks = {name: [(0, value, 1)] if first else [] for name, value in adapted.marks.items()}
        return {START: bits, STAGE1: bits} | marks

    def step(self, interrupt: bool) -> Stepped[SingleTrial[AdaptationParameters]]:
        """One optimizer step; before the first of each stage bits per byte are measured."""
        trial = self.active[0]
        adapted, before = cast(Adapted, trial.trained), trial.step
        stages = {0: START, trial.params.stage1_steps(trial.total): STAGE1}
        for step, name in sorted(stages.items()):
            if step == before and name not in adapted.marks:
                adapted.marks[name] = self._measured_bits(adapted)
        stepped = super().step(interrupt)
        if trial.step > before:
            adapted.stages.take(before, trial.params.batch_size)
        return stepped

    def _measured_bits(self, adapted: Adapted) -> float:
        """Bits per byte over all workers' documents; a collective call."""
        with torch.no_grad():
            items = self._bits(adapted, (self.base.rank, self.base.world))[BITS]
        mine = [sum(bits for _, bits, _ in items), float(sum(size for *_, size in items))]
        sums = torch.tensor(mine, dtype=torch.float64, device=self.base.device)
        bits, size = self.base.reduce(sums).tolist()
        return float(bits / size)

    def write(self, trained: nn.Module, folder: Path) -> None:
        """See `Adapted.write`."""
        cast(Adapted, trained).write(folder)

    def read(self, trained: nn.Module, folder: Path) -> None:
        """See `Adapted.read`."""
        cast(Adapted, trained).read(folder)

    def save(self, trial: SingleTrial[AdaptationParameters], folder: Path) -> None:
        """As `write`; and at last the model itself."""
        super().save(trial, folder)
        if trial.step >= trial.total:
            cast(Adapted, trial.trained).deliver(folder)
