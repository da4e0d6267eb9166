"""What a worker holds for soft prompt tuning: the functions of `Single`, and PEFT's form of what is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import PromptEmbedding, PromptTuningConfig
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from soft_prompt.spec import SoftPromptOptions, SoftPromptParameters
from trainables.data.batches import IGNORED, collate, token_losses
from trainables.data.examples import Example
from trainables.data.task import TaskData, load_task
from trainables.messages import GroupSettings, Moment
from trainables.models.attention import chosen
from trainables.models.load import fetch, load_tokenizer, load_weights
from trainables.models.resolve import resolve
from trainables.serving.base import HeldBase
from trainables.serving.held import Begin
from trainables.serving.single import Data, Items, Loss, Single

WEIGHTS = "adapter_model.safetensors"
ROWS = 16
"""Held-out examples that are measured in a pass."""


def read(settings: GroupSettings, device: torch.device) -> Begin:
    """Reads the model and the data."""
    options: SoftPromptOptions = settings.options
    resolved = fetch(resolve(options.model), options.model)
    tokenizer, context = load_tokenizer(resolved, options.model)
    data = load_task(options.task, tokenizer, settings.seed, context=context)
    model = load_weights(resolved, options.model, tokenizer, device)
    known = Data(
        len(data.train.examples),
        resolved.fingerprint,
        f"{data.train.fingerprint} {data.heldout.fingerprint}",
        data.facts.recorded(),
        chosen(model),
    )
    return partial(SoftPrompts, settings, model, known, data)


class SoftPrompts(Single[SoftPromptParameters]):
    """The base model, and a prompt before its input."""

    def __init__(
        self, settings: GroupSettings, model: Any, known: Data, data: TaskData, shrinks: int = 0
    ) -> None:
        base = HeldBase(model, settings.zero_stage, checkpointing=settings.gradient_checkpointing)
        super().__init__(settings, base, known, shrinks)
        self._embedding: nn.Embedding = model.get_input_embeddings()
        self._source = settings.options.model.source
        self._train, self._heldout = data.train.examples, data.heldout.examples

    def _config(self, tokens: int) -> PromptTuningConfig:
        return PromptTuningConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=tokens,
            token_dim=self._embedding.embedding_dim,
            num_transformer_submodules=1,
            prompt_tuning_init="SAMPLE_VOCAB",
            base_model_name_or_path=self._source,
        )

    def build(self, params: SoftPromptParameters) -> nn.Module:
        prompt: nn.Module = PromptEmbedding(self._config(params.virtual_tokens), self._embedding)
        return prompt.to(self.base.device)

    def batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        return self._tensors([self._train[index] for index in indices])

    def _tensors(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        return {key: value.to(self.base.device) for key, value in collate(examples, pad_id=0).items()}

    def loss(self, trained: nn.Module | None, batch: dict[str, Tensor]) -> Loss:
        losses = token_losses(self._logits(trained, batch["input_ids"]), batch["labels"])
        targets, tokens = int((batch["labels"][:, 1:] != IGNORED).sum()), int(batch["attention_mask"].sum())
        return Loss(losses.sum(), targets, tokens, batch["input_ids"].numel())

    def _logits(self, trained: nn.Module | None, ids: Tensor) -> Tensor:
        if trained is None:
            return self.base.logits(ids)
        embedded = self._embedding(ids)
        prompt = trained(torch.arange(trained.embedding.num_embeddings, device=ids.device))
        before = prompt.to(embedded.dtype).expand(len(ids), -1, -1)
        logits: Tensor = self.base.model(
            inputs_embeds=torch.cat([before, embedded], dim=1), use_cache=False
        ).logits
        return logits[:, before.shape[1] :]

    def evaluate(
        self, trained: nn.Module | None, shard: tuple[int, int], moment: Moment
    ) -> Mapping[str, Items]:
        losses: list[tuple[int, float, int]] = []
        right: list[tuple[int, float, int]] = []
        rank, world = shard
        for first in range(0, -(-len(self._heldout) // world), ROWS):
            indices = range(rank + first * world, len(self._heldout), world)[:ROWS]
            batch = self._tensors([self._heldout[index] for index in indices or [0]])
            logits = self._logits(trained, batch["input_ids"])
            wanted = batch["labels"][:, 1:]
            counts = (wanted != IGNORED).sum(-1).tolist()
            each = token_losses(logits, batch["labels"]).sum(-1).tolist()
            hits = (logits[:, :-1].argmax(-1) == wanted).sum(-1).tolist()
            losses += zip(indices, each, counts, strict=False)
            right += zip(indices, map(float, hits), counts, strict=False)
        return {"heldout_loss": losses, "heldout_accuracy": right}

    def write(self, trained: nn.Module, folder: Path) -> None:
        weight = trained.embedding.weight.detach().cpu().contiguous()
        save_file({"prompt_embeddings": weight}, folder / WEIGHTS)
        self._config(len(weight)).save_pretrained(folder)

    def read(self, trained: nn.Module, folder: Path) -> None:
        weight = load_file(folder / WEIGHTS)["prompt_embeddings"]
        trained.embedding.weight.data.copy_(weight)
