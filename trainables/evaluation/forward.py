"""Forward passes of the model under evaluation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

AnyWorking = Callable[[bool], bool]
"""Tells whether any worker of the group still has work, given whether this one has: an all-reduce."""


class Forward:
    """Runs a causal language model, bare or inside wrappers such as PEFT's or DeepSpeed's.

    Args:
        model: Called as the `transformers` model inside it is.
        any_working: Needed where a forward pass is collective (ZeRO stage 3): every worker must then
            take part in every pass of every other, and workers run out of work at different times.
    """

    def __init__(self, model: nn.Module, any_working: AnyWorking | None = None) -> None:
        self.model = model
        self._any_working = any_working
        inner = next((module for module in model.modules() if isinstance(module, PreTrainedModel)), None)
        if inner is None:
            raise TypeError(f"{type(model).__name__} holds no transformers model")
        self.config: Any = inner.config
        self.ends: Any = getattr(inner.generation_config, "eos_token_id", None)
        self._keeps_logits = "logits_to_keep" in inspect.signature(type(inner).forward).parameters

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.model.parameters()).device

    def cache(self) -> Any:
        """An empty key-value cache."""
        return DynamicCache(config=self.config)

    def logits(self, input_ids: Tensor) -> Tensor:
        """Logits of shape (batch, length, vocabulary) for sequences padded on the right, if at all.

        No mask is needed: attention is causal, so what stands before the padding does not see it.

        Args:
            input_ids: Shape (batch, length), on the model's device.
        """
        self._announce()
        logits: Tensor = self.model(input_ids=input_ids, use_cache=False).logits
        return logits

    def cached(self, input_ids: Tensor, attention_mask: Tensor, cache: Any, *, last_only: bool) -> Tensor:
        """Logits of shape (batch, length or 1, vocabulary) for tokens that follow a cached prefix.

        Args:
            input_ids: Shape (batch, length), on the model's device, padded on any side.
            attention_mask: Shape (batch, prefix + length); positions are counted over its ones.
            cache: From `cache()`, filled by earlier passes; this one adds to it.
            last_only: Return the last position's logits only.
        """
        self._announce()
        positions = (attention_mask.cumsum(-1) - 1).clamp(min=0)[:, -input_ids.shape[1] :]
        options: dict[str, Any] = {"logits_to_keep": 1} if last_only and self._keeps_logits else {}
        logits: Tensor = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            **options,
        ).logits
        return logits[:, -1:] if last_only else logits

    def prefill(self, prompts: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor, Any]:
        """Runs prompts as one batch, what they all begin with only once.

        Chat templates often put the same system message before every prompt.

        Args:
            prompts: Token ids; they are padded on the left, after what they have in common.
            pad_id: Any token id; it is masked.

        Returns:
            Logits of the next token, shape (batch, vocabulary); the attention mask, shape (batch,
            length); and the cache.
        """
        cache = self.cache()
        shared = _shared_prefix(prompts) if len(prompts) > 1 else 0
        if shared:
            head = torch.tensor([prompts[0][:shared]], device=self.device)
            self.cached(head, torch.ones_like(head), cache, last_only=True)
            cache.batch_repeat_interleave(len(prompts))
        ids, mask = left_padded([prompt[shared:] for prompt in prompts], pad_id, self.device)
        mask = torch.cat([mask.new_ones(len(prompts), shared), mask], dim=1)
        return self.cached(ids, mask, cache, last_only=True)[:, -1], mask, cache

    def _announce(self) -> None:
        if self._any_working is not None:
            self._any_working(True)

    def wait(self) -> None:
        """Takes part in the other workers' passes until all have finished."""
        if self._any_working is None:
            return
        token = torch.zeros((1, 1), dtype=torch.int64, device=self.device)
        while self._any_working(False):
            self.model(input_ids=token, use_cache=False)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode without gradients; afterwards every module is in the mode that it was in."""
        training = [module for module in self.model.modules() if module.training]
        self.model.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            for module in training:
                module.training = True


def _shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Number of tokens that all prompts begin with and that are the whole of none."""
    ids = [list(prompt) for prompt in prompts]
    first, last = min(ids), max(ids)
    most = min(len(prompt) for prompt in ids) - 1
    return next((place for place in range(most) if first[place] != last[place]), most)


def left_padded(
    sequences: Sequence[Sequence[int]], pad_id: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Ids and attention mask, each of shape (batch, longest) and int64, padded on the left."""
    width = max(len(sequence) for sequence in sequences)
    ids = [[pad_id] * (width - len(sequence)) + list(sequence) for sequence in sequences]
    mask = [[0] * (width - len(sequence)) + [1] * len(sequence) for sequence in sequences]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
