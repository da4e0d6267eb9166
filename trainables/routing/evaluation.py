"""Measures trials with both adapters, and with either of them switched off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeAlias

from torch import nn

from trainables.data.asking import Asking
from trainables.data.examples import Example
from trainables.evaluation.inference.forward import AnyWorking, Forward, Rows
from trainables.evaluation.inference.passes import Passes, Shard, share, timed
from trainables.evaluation.inference.sampling import sampled
from trainables.messages import Moment
from trainables.models.head import OutputHead
from trainables.routing.behaviours import detector
from trainables.routing.conditions import ABLATIONS, KINDS, Ablation
from trainables.routing.data import RoutedData
from trainables.routing.options import RoutingOptions
from trainables.routing.outcomes import Ablated, RoutingOutcomes, Sample, write_samples
from trainables.routing.prompts import SamplePrompt, sample_prompts

Ablate: TypeAlias = Callable[[Ablation], AbstractContextManager[object]]
"""Switches adapters off within a context, in all trials that are measured together."""

RELEARNING_TEXTS = 32
"""Held-out texts by which relearning is judged, at most: it is measured often."""

_PLACES = 2**32


def unablated(ablation: Ablation) -> AbstractContextManager[object]:
    """Leaves everything as it is: for models without two adapters."""
    return nullcontext()


class RoutingEvaluator:
    """Evaluates a model with whatever adapters are active in it, and leaves its training state alone.

    Several trials are evaluated together: every batch has the same texts for each of them, the rows of the
    first trial first, and `rows` receives the number of rows of each. The draws of samples are the same for
    all trials, ablations and rungs.

    Args:
        model: A `transformers` causal language model, bare or wrapped.
        tokenizer: The model's.
        options: Of the search.
        data: From `load_routed`.
        seed: The search's seed, which the draws are made with.
        any_working: See `Forward`; for models whose forward pass is collective.
        rows: Is called before every forward pass with the number of rows of each trial, some of which may
            be 0. None: not called.
        output_head: See `Forward`.

    Raises:
        UserError: Held-out texts are too short for prefixes, or the model's context for samples.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        options: RoutingOptions,
        data: RoutedData,
        seed: int,
        any_working: AnyWorking | None = None,
        rows: Rows | None = None,
        *,
        output_head: OutputHead | None = None,
    ) -> None:
        self._forward = Forward(model, any_working, rows, output_head)
        self._tokenizer = tokenizer
        self._config = options.behaviour
        self._data = data
        self._seed = seed
        self._passes = Passes(self._forward, int(tokenizer.pad_token_id), self._config.batch_size)
        self._ends = Asking(tokenizer).ends(self._forward.ends)
        context = getattr(self._forward.config, "max_position_embeddings", None)
        self._prompts = sample_prompts(data, tokenizer, self._config, context)
        self._judge = detector(self._config)

    @property
    def asks_more_at_last(self) -> bool:
        """Whether trials at their full budget are measured in more than trials before."""
        config = self._config
        return bool(config.relearn_steps) or config.early_prefixes is not None or not config.judged

    def outcomes(
        self,
        shard: Shard = (0, 1),
        copies: int = 1,
        ablate: Ablate = unablated,
        *,
        moment: Moment = "base",
        alike: bool = False,
    ) -> list[RoutingOutcomes]:
        """Evaluates one worker's share: every text and prompt whose index is `rank` modulo `world`.

        Args:
            shard: (rank, world). One trial's outcomes of all ranks go into `combine`.
            copies: Number of trials that are evaluated together; all workers must say the same.
            ablate: Switches adapters off.
            moment: It determines how many samples there are.
            alike: The ablations change nothing, so that one of them gives the outcomes of all.

        Returns:
            What each trial's own evaluation would return; the time of all together is shared out equally.
        """
        outcomes = [RoutingOutcomes() for _ in range(copies)]
        seconds: dict[str, float] = {}
        with timed(seconds, "total"), self._forward.evaluating():
            for ablation in ABLATIONS[:1] if alike else ABLATIONS:
                with ablate(ablation):
                    parts = [Ablated() for _ in range(copies)]
                    with timed(seconds, "heldout"):
                        self._losses(parts, shard)
                    with timed(seconds, "samples"):
                        self._samples(parts, shard, moment)
                for each, part in zip(outcomes, parts, strict=True):
                    each.ablated |= dict.fromkeys(ABLATIONS if alike else (ablation,), part)
            self._forward.wait(copies)
        for each in outcomes:
            each.seconds = {part: value / copies for part, value in seconds.items()}
        return outcomes

    def mean_loss(self, examples: Sequence[Example]) -> float:
        """See `Passes.mean_loss`."""
        return self._passes.mean_loss(examples)

    def relearning_loss(self) -> float:
        """Mean loss on held-out text with the behaviour, as `relearn` takes it; see `mean_loss`."""
        return self.mean_loss(self._data.heldout_behaving[:RELEARNING_TEXTS])

    def write(self, path: Path, outcomes: RoutingOutcomes, before: Path | None = None) -> None:
        """See `write_samples`."""
        prefixes = {(prompt.kind, prompt.place): prompt.prefix for prompt in self._prompts}
        write_samples(path, outcomes, prefixes, before)

    def _losses(self, parts: Sequence[Ablated], shard: Shard) -> None:
        clean, behaving = self._data.heldout_clean, self._data.heldout_behaving
        indices = share(shard, len(clean) + len(behaving))
        examples = [[*clean, *behaving][index] for index in indices]
        for part, losses in zip(parts, self._passes.losses(examples, len(parts)), strict=True):
            for index, loss, example in zip(indices, losses, examples, strict=True):
                into, place = (
                    (part.clean, index) if index < len(clean) else (part.behaving, index - len(clean))
                )
                into.examples.append(place)
                into.sums.append(loss)
                into.tokens.append(example.targets)

    def _samples(self, parts: Sequence[Ablated], shard: Shard, moment: Moment) -> None:
        asked = self._asked(moment)
        prompts = [asked[index] for index in share(shard, len(asked))]
        replies = sampled(
            self._forward,
            [prompt.ids for prompt in prompts],
            copies=len(parts),
            ends=self._ends,
            pad_id=self._passes.pad_id,
            max_new_tokens=self._config.max_new_tokens,
            batch_size=self._passes.rows(len(parts)),
            decoding=self._config.decoding,
            seed=self._seed,
            places=[KINDS.index(prompt.kind) * _PLACES + prompt.place for prompt in prompts],
        )
        for part, trial in zip(parts, replies, strict=True):
            for prompt, samples in zip(prompts, trial, strict=True):
                part.samples += [self._sample(prompt, number, ids) for number, ids in enumerate(samples)]

    def _asked(self, moment: Moment) -> list[SamplePrompt]:
        """The prompts of a moment; those of an early rung are among those of the last."""
        config, early = self._config, moment == "rung"
        if early and not config.judged:
            return []  # they would only be read
        most = config.early_prefixes if early and config.early_prefixes is not None else config.prefixes
        return [prompt for prompt in self._prompts if prompt.place < most]

    def _sample(self, prompt: SamplePrompt, number: int, ids: Sequence[int]) -> Sample:
        text = str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
        behaves = None if self._judge is None else self._judge(text)
        return Sample(prompt.kind, prompt.place, number, text, len(ids), behaves)
