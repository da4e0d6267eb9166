"""Adapters evaluated together by our evaluator's functions, and one after another with PEFT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import GenerationConfig

from benchmarks.evaluation.equal import Difference
from benchmarks.packing.work import Work
from trainables.evaluation.inference.forward import Forward, left_padded
from trainables.evaluation.inference.generate import generate
from trainables.evaluation.inference.likelihood import score_continuations
from trainables.evaluation.inference.passes import Passes
from trainables.lora.adapters import Adapters
from trainables.lora.parameters import LoraParameters
from trainables.lora.targets import select_modules
from trainables.models.linear import linear_layers

Texts = Sequence[Sequence[int]]

PAD = 0
_STD = 0.05
"""Of the entries of B: enough for adapters to reply differently."""


@dataclass(frozen=True)
class Questions:
    """What is asked.

    Attributes:
        prompts: Token ids.
        options: For each prompt continuations, of which the likelihood is asked for.
        new_tokens: Length of every reply.
        batch_size: Rows of a pass for each adapter in it.
    """

    prompts: Texts
    options: Sequence[Texts]
    new_tokens: int
    batch_size: int


class Ours:
    """All adapters in the same passes.

    Args:
        work: The base model, and trials whose adapters get random weights.
    """

    def __init__(self, work: Work) -> None:
        self.adapters = Adapters(work.twin(), "base")
        with work.device:
            for name, params in zip(names(work), work.trials, strict=True):
                self.adapters.add(name, params)
        torch.manual_seed(0)
        for row in range(len(work.trials)):
            for _, b in self.adapters.arena.views(row, self.adapters.arena.weights).values():
                b.normal_(std=_STD)
        self._copies = len(work.trials)
        self._forward = Forward(self.adapters.base, rows=self.adapters.lay_out_active)

    def _rows(self, questions: Questions) -> int:
        return Passes(self._forward, PAD, questions.batch_size).rows(self._copies)

    def generate(self, questions: Questions) -> list[list[list[int]]]:
        """For each adapter and prompt a reply."""
        with self.adapters.active(self._copies), self._forward.evaluating():
            return generate(
                self._forward,
                questions.prompts,
                copies=self._copies,
                ends=(),
                pad_id=PAD,
                max_new_tokens=questions.new_tokens,
                batch_size=self._rows(questions),
            )

    def score(self, questions: Questions) -> list[list[list[float]]]:
        """For each adapter and prompt the log-probability of each option."""
        with self.adapters.active(self._copies), self._forward.evaluating():
            scored = score_continuations(
                self._forward,
                questions.prompts,
                questions.options,
                copies=self._copies,
                pad_id=PAD,
                batch_size=self._rows(questions),
            )
        return [[[each.value for each in options] for options in own] for own in scored]


class Theirs:
    """The same adapters in PEFT, one after another, with weights in the base model's type.

    Args:
        work: As for `ours`.
        ours: Whose weights the adapters have.
    """

    def __init__(self, work: Work, ours: Ours) -> None:
        base: Any = work.twin()
        base.generation_config = GenerationConfig(do_sample=False, pad_token_id=PAD)
        self.device, self.names = work.device, names(work)
        configs = [_config(list(linear_layers(work.model)), params) for params in work.trials]
        with work.device:
            model = get_peft_model(base, configs[0], self.names[0], autocast_adapter_dtype=False)
            for name, config in zip(self.names[1:], configs[1:], strict=True):
                model.add_adapter(name, config, autocast_adapter_dtype=False)
        arena = ours.adapters.arena
        for row, name in enumerate(ours.adapters.names):
            for site, (a, b) in arena.views(row, arena.weights).items():
                layer: Any = base.get_submodule(site)
                layer.lora_A[name].weight.data.copy_(a)
                layer.lora_B[name].weight.data.copy_(b.t())
        self.model: PeftModel = model.eval()

    @torch.no_grad()
    def generate(self, questions: Questions) -> list[list[list[int]]]:
        """As `Ours.generate`, by `model.generate`."""
        replies: list[list[list[int]]] = []
        for name in self.names:
            self.model.set_adapter(name)
            own: list[list[int]] = []
            for batch in _batches(questions.prompts, questions.batch_size):
                ids, mask = left_padded(batch, PAD, self.device)
                made: Any = self.model.generate(
                    input_ids=ids, attention_mask=mask, max_new_tokens=questions.new_tokens
                )
                own += made[:, ids.shape[1] :].tolist()
            replies.append(own)
        return replies

    @torch.no_grad()
    def score(self, questions: Questions) -> list[list[list[float]]]:
        """As `Ours.score`, by a plain pass over each prompt with each option."""
        scored = []
        for name in self.names:
            self.model.set_adapter(name)
            rows = [
                (p, o)
                for p, options in zip(questions.prompts, questions.options, strict=True)
                for o in options
            ]
            values = [
                value for batch in _batches(rows, questions.batch_size) for value in self._values(batch)
            ]
            left = iter(values)
            scored.append([[next(left) for _ in options] for options in questions.options])
        return scored

    def _values(self, batch: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[float]:
        longest = max(len(option) for _, option in batch)
        logits, ids = self._logits([[*prompt, *option] for prompt, option in batch], longest + 1)
        logs = logits[:, :-1].to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
        values = logs.gather(-1, ids[:, -longest:, None])[..., 0]
        places = torch.arange(longest, device=self.device)
        starts = torch.tensor([longest - len(option) for _, option in batch], device=self.device)
        own: list[float] = (values * (places >= starts[:, None])).sum(-1).tolist()
        return own

    def _logits(self, texts: Texts, last: int) -> tuple[Tensor, Tensor]:
        ids, mask = left_padded(texts, PAD, self.device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        output: Any = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            logits_to_keep=last,
            use_cache=False,
        )
        return output.logits, ids

    @torch.no_grad()
    def gap(self, difference: Difference, questions: Questions, reply: Sequence[int]) -> float:
        """Distance of the logits of two tokens that differ, by a plain pass over what stands before them."""
        self.model.set_adapter(self.names[difference.adapter])
        text = [*questions.prompts[difference.prompt], *reply[: difference.place]]
        logits = self._logits([text], 1)[0][0, -1].float()
        return abs(float(logits[difference.ours] - logits[difference.theirs]))

    @torch.no_grad()
    def rounding(self, questions: Questions, rows: int = 16) -> tuple[float, float]:
        """How far PEFT's own numbers are from those in the next wider type.

        Returns:
            At most, of any logit after a prompt, and of the log-probability of an option.
        """
        self.model.set_adapter(self.names[0])
        prompts = list(questions.prompts[:rows])
        pairs = [(prompt, options[0]) for prompt, options in zip(prompts, questions.options, strict=False)]

        def numbers() -> tuple[Tensor, list[float]]:
            return self._logits(prompts, 1)[0][:, -1], self._values(pairs)

        logits, values = numbers()
        with _wider(self.model):
            exact, wide = numbers()
        far = max(abs(a - b) for a, b in zip(values, wide, strict=True))
        return float((logits - exact).abs().max()), far


@contextmanager
def _wider(model: nn.Module) -> Iterator[None]:
    """Has the model's weights in the next wider type for a while; its buffers stay as they are."""
    weights = [(parameter, parameter.data) for parameter in model.parameters()]
    for parameter, data in weights:
        parameter.data = data.to(_WIDER[data.dtype])
    try:
        yield
    finally:
        for parameter, data in weights:
            parameter.data = data


_WIDER = {torch.bfloat16: torch.float32, torch.float32: torch.float64}


def names(work: Work) -> list[str]:
    """Names of the trials' adapters."""
    return [f"trial{index}" for index in range(len(work.trials))]


def _config(linear: list[str], params: LoraParameters) -> LoraConfig:
    return LoraConfig(
        r=params.rank,
        lora_alpha=params.effective_alpha,
        target_modules=select_modules(linear, params),
        task_type="CAUSAL_LM",
    )


def _batches(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
