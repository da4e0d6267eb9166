"""Forward passes of the model under evaluation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from trainables.evaluation.inference.batching import CPU_TOKENS, PASS_TOKENS
from trainables.evaluation.inference.cached import CachedRows
from trainables.evaluation.inference.prefixes import HEAD_TOKENS, Branches, shared_prefix
from trainables.models.chunk_size import chunk_tokens
from trainables.models.chunks import NextTokens, chunked_losses
from trainables.models.head import OutputHead

AnyWorking = Callable[[bool], bool]
"""Whether any worker of the group still has work, given whether this worker has: an all-reduce."""

Rows = Callable[[Sequence[int]], None]
"""Called before every pass with the number of rows of each adapter, in the batch's order."""


class Forward:
    """Runs a causal language model, bare or inside wrappers such as PEFT's or DeepSpeed's.

    The rows of a batch are ordered by adapter. Only `rows` tells the model so; without it they are all
    run with whatever is active.

    Args:
        model: Called as the `transformers` model inside it is.
        any_working: Needed where a forward pass is collective (ZeRO stage 3): every worker must then
            take part in every pass of every other, and workers run out of work at different times.
        rows: See `Rows`.
        output_head: The model's, where losses need no logits but those of targets.
    """

    def __init__(
        self,
        model: nn.Module,
        any_working: AnyWorking | None = None,
        rows: Rows | None = None,
        output_head: OutputHead | None = None,
    ) -> None:
        self.model = model
        self.output_head = output_head
        self._any_working = any_working
        self._rows = rows
        inner = next((module for module in model.modules() if isinstance(module, PreTrainedModel)), None)
        if inner is None:
            raise TypeError(f"{type(model).__name__} contains no transformers model")
        self.config: Any = inner.config.get_text_config(decoder=True)  # multimodal models nest it
        self.ends: Any = getattr(inner.generation_config, "eos_token_id", None)
        self._head: nn.Module | None = inner.get_output_embeddings()
        accepted = inspect.signature(type(inner).forward).parameters
        self._keeps_logits = "logits_to_keep" in accepted
        self._caches = "past_key_values" in accepted  # others keep a state of their own, or nothing
        self._positions = "position_ids" in accepted and not _by_column(self.config)

    @property
    def collective(self) -> bool:
        """Whether every worker has to take part in every pass."""
        return self._any_working is not None

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.model.parameters()).device

    @property
    def tokens(self) -> int | None:
        """Greatest number of padded tokens in a pass."""
        return CPU_TOKENS if self.device.type == "cpu" else None

    @property
    def overhead(self) -> int:
        """Tokens whose time equals a pass's fixed cost."""
        return PASS_TOKENS.get(self.device.type, PASS_TOKENS["cuda"])

    def empty(self, rows: int) -> CachedRows:
        """Rows that hold no token yet."""
        mask = torch.ones((rows, 0), dtype=torch.int64, device=self.device)
        return CachedRows(DynamicCache(config=self.config), mask)

    @property
    def caches(self) -> bool:
        """Whether rows can be run with a cache, and leave it."""
        return self._caches and self.empty(1).selectable

    def logits(self, input_ids: Tensor, counts: Sequence[int], last: int) -> Tensor:
        """Logits of shape (batch, last, vocabulary) for sequences padded on the right, if at all.

        No mask is needed: attention is causal, so what stands before the padding does not see it.

        Args:
            input_ids: Shape (batch, length), on the model's device.
            counts: Rows of each adapter.
            last: At how many of the last positions logits are wanted, at least 1.
        """
        self._announce(counts)
        logits: Tensor = self.model(input_ids=input_ids, use_cache=False, **self._keep(last)).logits
        return logits[:, -last:]

    def embedded(self, embeddings: Tensor, mask: Tensor, last: int) -> Tensor:
        """Logits of shape (batch, last, vocabulary) for rows of embeddings, without a cache.

        Gradients flow to the embeddings.

        Args:
            embeddings: Shape (batch, length, width), padded on any side.
            mask: 0 where they are padding, else 1, shape (batch, length), int64.
            last: At how many of the last positions logits are wanted, at least 1.
        """
        self._announce([len(embeddings)])
        given = {"position_ids": (mask.cumsum(-1) - 1).clamp(min=0)} if self._positions else {}
        logits: Tensor = self.model(
            inputs_embeds=embeddings, attention_mask=mask, use_cache=False, **given, **self._keep(last)
        ).logits
        return logits[:, -last:]

    def losses(self, input_ids: Tensor, wanted: NextTokens, counts: Sequence[int]) -> Tensor:
        """Cross-entropy of the wanted tokens in nats, shape (batch, length); 0 elsewhere.

        It needs `output_head`.

        Args:
            input_ids: As for `logits`.
            wanted: What is to be predicted.
            counts: Rows of each adapter.
        """
        assert self.output_head is not None
        self._announce(counts)
        chunk = chunk_tokens(int(self.config.vocab_size), self.device.type)
        return self.output_head.read(
            lambda: self.model(input_ids=input_ids, use_cache=False),
            lambda project, hidden: chunked_losses(project, hidden, wanted, chunk),
        )

    def extend(
        self,
        rows: CachedRows,
        inputs: Tensor,
        counts: Sequence[int],
        *,
        real: Tensor | None = None,
        last: int = 1,
    ) -> Tensor:
        """Adds tokens to rows; logits of shape (batch, last, vocabulary).

        Args:
            rows: What went before; afterwards with the tokens.
            inputs: Token ids, shape (batch, length), or embeddings, (batch, length, width), on the model's
                device, padded on any side.
            counts: Rows of each adapter.
            real: 0 where `inputs` are padding, else 1; without it none are.
            last: At how many of the last positions logits are wanted, at least 1.
        """
        self._announce(counts)
        added = rows.mask.new_ones(inputs.shape[:2]) if real is None else real
        rows.mask = torch.cat([rows.mask, added], dim=1)
        positions = (rows.mask.cumsum(-1) - 1).clamp(min=0)[:, -inputs.shape[1] :]
        logits: Tensor = self.model(
            **{"input_ids" if inputs.dim() == 2 else "inputs_embeds": inputs},
            attention_mask=rows.mask,
            position_ids=positions,
            past_key_values=rows.cache,
            use_cache=True,
            **self._keep(last),
        ).logits
        return logits[:, -last:]

    def prefill(
        self,
        prompts: Sequence[Sequence[int]],
        copies: int,
        pad_id: int,
        drafts: Sequence[Sequence[int]] | None = None,
        *,
        apart: bool = False,
        head: CachedRows | None = None,
    ) -> tuple[Tensor, CachedRows]:
        """Runs prompts as one batch, all of them for each adapter.

        Chat templates often put the same system message before every prompt. What all prompts begin
        with is run only once for each adapter, where it is long enough, and where attention does not tell
        distance by column (`shares_prefixes`): the padding comes after it.

        Args:
            prompts: Token ids; they are padded on the left, after what they have in common.
            copies: Number of adapters.
            pad_id: Any token id; it is masked.
            drafts: For each prompt tokens that may follow it; they are run with it.
            apart: Whether each adapter has prompts of its own, as many as the others: those of the first
                adapter come first.
            head: What all prompts begin with, from `head`; left as it is.

        Returns:
            Logits of the next token after each of the last tokens, of the longest draft and one more,
            shape (copies x prompts of an adapter, tokens, vocabulary), and the rows, drafts included.
        """
        count, times = (len(prompts) // copies, 1) if apart else (len(prompts), copies)
        drafts = drafts or [[]] * len(prompts)
        known = 0 if head is None else head.mask.shape[1]
        shared = shared_prefix(prompts) if self.shares_prefixes else 0
        if (shared - known) * (len(prompts) - 1) * copies < HEAD_TOKENS:
            shared = known
        rows = self.head(prompts[0][known:shared], copies, head)
        rows.repeat(count)
        texts = [[*prompt[shared:], *draft] for prompt, draft in zip(prompts, drafts, strict=True)]
        ids, real = (part.repeat(times, 1) for part in left_padded(texts, pad_id, self.device))
        last = 1 + max(map(len, drafts))
        return self.extend(rows, ids, [count] * copies, real=real, last=last), rows

    @property
    def shares_prefixes(self) -> bool:
        """Whether padding may come between the beginning of a row and the rest."""
        return self._positions and self._window is None and self.empty(1).joinable

    def head(self, ids: Sequence[int], copies: int, before: CachedRows | None = None) -> CachedRows:
        """One row for each adapter, with the tokens of `before` and these; there may be none."""
        rows = self.empty(copies) if before is None else before.copy()
        if ids:
            self.extend(rows, torch.tensor([list(ids)] * copies, device=self.device), [1] * copies)
        return rows

    def branching(self, longest: int) -> bool:
        """Whether rows can branch: attention takes any mask, and its window texts of this length."""
        attention = self.config._attn_implementation in ("sdpa", "eager") and self._caches
        near = self._window is None or longest <= self._window
        return self._positions and attention and near and self.empty(1).sees_back(longest)

    @property
    def _window(self) -> int | None:
        """Width of a window that layers keep by column, of which the cache does not tell (GPT-Neo)."""
        local = "local" in (getattr(self.config, "attention_layers", None) or ())
        return int(self.config.window_size) if local else None

    def branch(self, head: CachedRows, branches: Branches, copies: int) -> Tensor:
        """Logits of the wanted columns, shape (copies x prompts, `branches.last`, vocabulary).

        Args:
            head: What goes before all prompts, one row for each adapter; left as it is.
            branches: Trees of prompts, which each adapter gets; on the model's device. `head` is empty where
                they say nothing of what sees what.
            copies: Number of adapters.
        """
        prompts = len(branches.ids)
        if branches.sees is None:
            return self.logits(branches.ids.repeat(copies, 1), [prompts] * copies, branches.last)
        self._announce([prompts] * copies)
        rows = head.copy()
        rows.repeat(prompts)
        seen = rows.mask.bool()[:, None].expand(-1, branches.ids.shape[1], -1)
        sees = torch.cat([seen, branches.sees.repeat(copies, 1, 1)], dim=-1)
        dtype = next(self.model.parameters()).dtype
        mask = torch.zeros(sees.shape, dtype=dtype, device=self.device)
        mask.masked_fill_(~sees, torch.finfo(dtype).min)
        logits: Tensor = self.model(
            input_ids=branches.ids.repeat(copies, 1),
            attention_mask=mask[:, None],
            position_ids=branches.positions.repeat(copies, 1),
            use_cache=bool(rows.mask.shape[1]),
            **({"past_key_values": rows.cache} if rows.mask.shape[1] else {}),
            **self._keep(branches.last),
        ).logits
        return logits[:, -branches.last :]

    def _keep(self, last: int) -> dict[str, Any]:
        return {"logits_to_keep": last} if self._keeps_logits else {}

    def _announce(self, counts: Sequence[int]) -> None:
        if self._any_working is not None:
            self._any_working(True)
        if self._rows is not None:
            self._rows(counts)

    def wait(self, copies: int) -> None:
        """Takes part in the other workers' passes until all have finished."""
        if self._any_working is None:
            return
        token = torch.zeros((1, 1), dtype=torch.int64, device=self.device)
        while self._any_working(False):
            if self._rows is not None:
                self._rows([1] + [0] * (copies - 1))
            self.model(input_ids=token, use_cache=False)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode without gradients; restores every module's mode afterwards."""
        training = [module for module in self.model.modules() if module.training]
        self.model.eval()
        whole = self._head.register_forward_pre_hook(_contiguous) if self._head is not None else None
        try:
            with torch.no_grad():
                yield
        finally:
            if whole is not None:
                whole.remove()
            for module in training:
                module.training = True


def _contiguous(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Copies what models cut out of the hidden states for the head, the last positions of every row.

    torch multiplies rows that lie apart in memory one by one, each time by a weight that it prepares anew.
    """
    return tuple(each.contiguous() for each in args)


def _by_column(config: Any) -> bool:
    """Whether attention measures distance in columns, not positions: ALiBi, or a window over columns."""
    layers = getattr(config, "attention_layers", None) or ()
    return bool(getattr(config, "alibi", False)) or "local" in layers


def left_padded(
    sequences: Sequence[Sequence[int]], pad_id: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Ids and attention mask, each of shape (batch, longest) and int64, padded on the left."""
    width = max(len(sequence) for sequence in sequences)
    ids = [[pad_id] * (width - len(sequence)) + list(sequence) for sequence in sequences]
    mask = [[0] * (width - len(sequence)) + [1] * len(sequence) for sequence in sequences]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
