"""The questions of the held-out capability, put in the tokens of whatever is measured."""

from __future__ import annotations

from torch import nn

from trainables.adaptation.prepared import Tokenised
from trainables.data.general import GeneralText, load_general, refuse_training_text
from trainables.evaluation.evaluator import Evaluator
from trainables.evaluation.outcomes import Outcomes
from trainables.messages import Moment
from trainables.settings import CapabilityConfig, TaskConfig


class Questioner:
    """Asks one model after another.

    Args:
        capability: The questions, and general text.
        task: The domain's text.
        seed: Chooses questions where there are more than are asked.
        length: Tokens of a piece of general text, at most.
    """

    def __init__(self, capability: CapabilityConfig, task: TaskConfig, seed: int, length: int) -> None:
        self._capability, self._task, self._seed, self._length = capability, task, seed, length
        self._general: dict[Tokenised, GeneralText | None] = {}
        self._last: tuple[nn.Module, Evaluator] | None = None

    @property
    def asks_more_at_last(self) -> bool:
        """Whether there are skills that are evaluated at the full budget but not before."""
        return any(skill.at == "last" for skill in self._capability.skills)

    def forget(self) -> None:
        """Lets go of the model that was asked last."""
        self._last = None

    def ask(self, model: nn.Module, text: Tokenised, shard: tuple[int, int], moment: Moment) -> Outcomes:
        """Outcomes of this worker's share of the questions.

        Args:
            model: A causal language model of `transformers`, or one that is called as it is.
            text: The training text in its tokens, and its tokenizer.
            shard: Rank of this worker, and number of workers.
            moment: It determines which skills are evaluated.

        Raises:
            UserError: A question is longer than the model's context, or cannot be read.
        """
        return self.evaluator(model, text).outcomes(shard, moment=moment)[0]

    def evaluator(self, model: nn.Module, text: Tokenised) -> Evaluator:
        """What asks a model; see `ask`."""
        if self._last is None or self._last[0] is not model:
            self._last = (model, self._make(model, text))
        return self._last[1]

    def _make(self, model: nn.Module, text: Tokenised) -> Evaluator:
        general = self._general_text(text)
        return Evaluator(
            model, text.tokenizer, self._capability, (), self._seed, train=text.train, general=general
        )

    def _general_text(self, text: Tokenised) -> GeneralText | None:
        if text not in self._general:
            self._general[text] = self._load_general(text)
        return self._general[text]

    def _load_general(self, text: Tokenised) -> GeneralText | None:
        capability, source = self._capability, self._capability.general_text
        if source is None:
            return None
        most = capability.general_examples
        loaded = load_general(source, most, self._task, text.tokenizer, self._seed, self._length)
        refuse_training_text(loaded, source, self._task, text.train)
        return loaded
