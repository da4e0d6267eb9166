"""What a worker holds for the trainable `adaptation`: trials of two stages, one at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from trainables.adaptation.adapted import Adapted
from trainables.adaptation.bits import document_bits
from trainables.adaptation.corpus import read_corpus
from trainables.adaptation.coverage import coverage
from trainables.adaptation.fallbacks import FALLBACKS
from trainables.adaptation.initialise import Initialisation, Tables
from trainables.adaptation.metrics import BITS, BLEU1, STAGE1, START, TOKENS, TOP1
from trainables.adaptation.options import AdaptationOptions
from trainables.adaptation.parameters import AdaptationParameters
from trainables.adaptation.prepared import Preparation, Tokenised
from trainables.adaptation.quality import bleu1
from trainables.data.batches import IGNORED, collate, token_losses
from trainables.data.lengths import piece_length, refuse_beyond
from trainables.errors import UserError
from trainables.messages import GroupSettings, Moment
from trainables.models.attention import chosen
from trainables.models.checkpointing import checkpoint_blocks
from trainables.models.load import fetch, load_tokenizer, load_weights
from trainables.models.preparers import cache_dir
from trainables.models.resolve import resolve
from trainables.serving.base import HeldBase
from trainables.serving.held import Begin, Stepped
from trainables.serving.schedule import learning_rate
from trainables.serving.single import Data, Items, Loss, Single, SingleTrial

RECORD = "adaptation.json"
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

    Raises:
        UserError: The base's weights are sharded or quantised.
    """

    no_room = "Choose a smaller model, a smaller target vocabulary, or stage2=lora."

    def __init__(
        self, settings: GroupSettings, model: Any, known: Data, prepared: Preparation, shrinks: int = 0
    ) -> None:
        if settings.zero_stage == 3:
            raise UserError(
                "adaptation needs the base's weights as a whole.", hint="Set workers.zero_stage=0."
            )
        # Checkpointed blocks are wrapped, and a copy of a wrapped block would run the base's.
        base = HeldBase(model, settings.zero_stage)
        super().__init__(settings, base, known, shrinks)
        self._prepared = prepared
        self._rows = len(model.get_input_embeddings().weight)

    @property
    def asks_more_at_last(self) -> bool:
        """Always: what was measured before each stage."""
        return True

    def build(self, params: AdaptationParameters) -> Adapted:
        """A model in the target's tokens; its alignment is made once for all trials that share it."""
        source, target = self._prepared.source, self._prepared.target(params.vocabulary)
        aligned = self._prepared.aligned(params.vocabulary, params.similarity)
        sources = aligned.alignment.sources(params.threshold)
        made = Initialisation(
            sources, target.vocabulary, source.vocabulary, source.tokenizer, FALLBACKS[params.fallback]
        )
        adapted = Adapted(self.base.model, made.tables(Tables.of(self.base.model)), target, params)
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

    def reference(self, name: str) -> Adapted | None:
        """The base with its own tokenizer; or with the target's and untrained, without or with alignment.

        Raises:
            UserError: There is no baseline of this name.
        """
        if name not in ("subtokens", "aligned"):
            super().reference(name)
            return None
        params = AdaptationParameters.model_validate(self._settings.probes[0])
        changes = {"threshold": NEVER, "fallback": "subtokens"} if name == "subtokens" else {}
        return self.build(params.model_copy(update=changes))

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
        return self.base.logits if trained is None else trained

    def evaluate(
        self, trained: nn.Module | None, shard: tuple[int, int], moment: Moment
    ) -> Mapping[str, Items]:
        """Bits per byte of each held-out document, and how tokens began."""
        items = self._bits(trained, shard)
        first = shard[0] == 0
        constants = {"coverage_same": 1.0, "coverage_aligned": 0.0, "coverage_fallback": 0.0, BLEU1: 1.0}
        constants |= {f"{name}_weighted": value for name, value in constants.items() if name != BLEU1}
        right, n = 1, 1
        if trained is not None:
            adapted = cast(Adapted, trained)
            constants, (right, n) = adapted.facts, adapted.aligned.hits
            if moment == "last":
                items = items | self._marks(adapted, items[BITS], first)
        hits = [(index, float(index < right), 1) for index in range(shard[0], n, shard[1])]
        single = {name: [(0, value, 1)] if first else [] for name, value in constants.items()}
        return items | single | {TOP1: hits}

    def _bits(self, trained: nn.Module | None, shard: tuple[int, int]) -> dict[str, Items]:
        text, (rank, world) = self._text(trained), shard
        indices = range(rank, len(text.heldout), world)
        rows = len(text.vocabulary) if trained is not None else self._rows
        mine = [text.heldout[index] for index in indices]
        bits = document_bits(self._logits(trained), mine, rows, self.base.device)
        sizes = [len(self._prepared.corpus.heldout[index].encode()) for index in indices]
        tokens = [float(sum(piece.targets for piece in document)) for document in mine]
        return {
            BITS: list(zip(indices, bits, sizes, strict=True)),
            TOKENS: list(zip(indices, tokens, sizes, strict=True)),
        }

    def _marks(self, adapted: Adapted, bits: Items, first: bool) -> dict[str, Items]:
        """What was measured on the way; a stage 1 that is the whole budget ends here."""
        marks = {name: [(0, value, 1)] if first else [] for name, value in adapted.marks.items()}
        return {START: bits, STAGE1: bits} | marks

    def step(self, interrupt: bool) -> Stepped[SingleTrial[AdaptationParameters]]:
        """One optimizer step; before the first of each stage bits per byte are measured."""
        trial = self.active[0]
        adapted = cast(Adapted, trial.trained)
        stages = {0: START, trial.params.stage1_steps(trial.total): STAGE1}
        for step, name in sorted(stages.items()):
            if step == trial.step and name not in adapted.marks:
                adapted.marks[name] = self._measure(adapted, "rung").metrics[BITS]
        return super().step(interrupt)

    def write(self, trained: nn.Module, folder: Path) -> None:
        """Writes what is trained, the tokenizer, and how the tokens began."""
        adapted = cast(Adapted, trained)
        adapted.write(folder)
        hits, seconds, cached = adapted.aligned.hits, adapted.aligned.seconds, adapted.aligned.cached
        alignment = {"top1": list(hits), "seconds": seconds, "kept_from_before": cached}
        record = {"marks": adapted.marks, "coverage": adapted.facts, "alignment": alignment}
        (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")

    def read(self, trained: nn.Module, folder: Path) -> None:
        """Reads what `write` wrote."""
        adapted = cast(Adapted, trained)
        adapted.read(folder)
        adapted.marks = json.loads((folder / RECORD).read_text(encoding="utf-8"))["marks"]

    def save(self, trial: SingleTrial[AdaptationParameters], folder: Path) -> None:
        """As `write`, with the ranges that were read so far; and at last the model itself."""
        super().save(trial, folder)
        path = folder / RECORD
        record = json.loads(path.read_text(encoding="utf-8")) | {"stages": self._ranges(trial)}
        path.write_text(json.dumps(record, indent=1), encoding="utf-8")
        if trial.step >= trial.total:
            cast(Adapted, trial.trained).deliver(folder)

    def _ranges(self, trial: SingleTrial[AdaptationParameters]) -> list[dict[str, float]]:
        """Places in the one stream of sequences that each stage has read, from the first to before the last.

        Sequences are shuffled anew in each epoch, and stage 2 goes on where stage 1 has ended.
        """
        size, count = trial.params.batch_size, len(self._text(trial.trained).train)
        border = min(trial.step, trial.params.stage1_steps(trial.total))
        spans = ((1, 0, border), (2, border, trial.step))
        return [
            {"stage": stage, "first": a * size, "end": b * size, "epochs": (b - a) * size / count}
            for stage, a, b in spans
        ]
