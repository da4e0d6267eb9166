"""A base for trainables that train one trial at a time, from what is trained, on what and by which loss."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trainables.data.batches import DataOrder
from trainables.errors import OutOfMemoryError, UserError
from trainables.evaluation.intervals import token_mean, token_values
from trainables.interval import Interval
from trainables.messages import GroupFacts, GroupSettings, Moment
from trainables.parameters import TrainingParameters
from trainables.serving.base import HeldBase
from trainables.serving.checkpoints import MOMENTS
from trainables.serving.held import Evaluation, Stepped
from trainables.serving.schedule import learning_rate
from trainables.serving.slices import Slice, unsound
from trainables.serving.untouched import Untouched
from trainables.trainable import BASE

P = TypeVar("P", bound=TrainingParameters)

WEIGHTS = "model.safetensors"
DIAGNOSTICS = "diagnostics.jsonl"
"""One line per optimizer step: the loss, the terms that it is the sum of and their shares, the norm of the
gradient before clipping, and the learning rate."""

_EXTRAS = 6
_BASELINE_EXAMPLES = 100
"""Training examples, at most, that the base's training loss is measured on."""

Items: TypeAlias = Sequence[tuple[int, float, int]]
"""Of each item its index, its sum, and the number of what it is summed over: the metric is the ratio of the
totals of all items."""


class Loss(NamedTuple):
    """The loss of some examples.

    Attributes:
        total: Summed over all targets, shape ().
        targets: Their number.
        tokens: Tokens that went through the model, without padding.
        passed: Tokens with padding.
        terms: What the total is the sum of, summed likewise, in the order of `Single.terms`.
    """

    total: Tensor
    targets: int
    tokens: int = 0
    passed: int = 0
    terms: tuple[float, ...] = ()


@dataclass(frozen=True)
class Data:
    """What a worker has read beside the base model.

    Attributes:
        examples: Number of training examples.
        model: Fingerprint of the base model.
        fingerprint: Of the training data and of what is measured on.
        facts: Numbers about the data, for the record.
        attention: What computes attention.
    """

    examples: int
    model: str
    fingerprint: str
    facts: Mapping[str, bool | int | float | str]
    attention: str = ""


class SingleTrial(Generic[P]):
    """One trial: what is trained, its optimizer, its step count, and what each step was made of.

    Attributes:
        joins: The step from which each of `weights` is trained.
    """

    def __init__(
        self,
        params: P,
        trained: nn.Module,
        examples: int,
        total: int,
        joins: Callable[[nn.Parameter], int] = lambda weight: 0,
    ) -> None:
        self.params, self.trained, self.total = params, trained, total
        self.step, self.until, self.slice = 0, 0, Slice()
        self.order = DataOrder(params.seed, examples, params.batch_size)
        self.weights = [weight for weight in trained.parameters() if weight.requires_grad]
        self.joins = [joins(weight) for weight in self.weights]
        self.optimizer = torch.optim.AdamW(self.weights, lr=params.lr, weight_decay=params.weight_decay)
        self.diagnostics: list[dict[str, float]] = []

    def release(self) -> None:
        """Has a pass compute gradients of the weights alone that the next step trains."""
        for weight, joins in zip(self.weights, self.joins, strict=True):
            weight.requires_grad_(joins <= self.step)


class Single(ABC, Generic[P]):
    """Holds the base and one trial on it: `Held` from the functions `build`, `batch`, `loss` and `evaluate`.

    The optimizer is AdamW with the schedule, the clipping and the data order that every trainable has. A
    step's batch is shared among the workers, and divided into passes where memory asks for it; gradients are
    summed. What a pass draws at random depends on the trial's seed and the step alone.
    The base must be after a trial what it was before it, which is checked as trials leave.

    Args:
        settings: What the group serves.
        base: The frozen base model.
        data: What was read.
        shrinks: How often the group's workers have died for want of memory.
    """

    no_room: str = "Choose a smaller model."
    terms: ClassVar[tuple[str, ...]] = ()
    """Names of what the loss is the sum of; each step's terms are written beside what is trained."""

    def __init__(self, settings: GroupSettings, base: HeldBase, data: Data, shrinks: int = 0) -> None:
        self.base, self.data = base, data
        self.active: list[SingleTrial[P]] = []
        self._settings = settings
        self._halvings = shrinks
        self._untouched = Untouched(base.model)

    @abstractmethod
    def build(self, params: P) -> nn.Module:
        """Makes what a trial trains, on the base's device; chance is seeded by the trial.

        Parameters that need no gradient stay as they are.
        """

    @abstractmethod
    def batch(self, indices: Sequence[int]) -> Any:
        """Puts training examples together, for `loss`."""

    @abstractmethod
    def loss(self, trained: nn.Module | None, batch: Any) -> Loss:
        """The loss of a batch, of the base alone where nothing is trained."""

    @abstractmethod
    def evaluate(
        self, trained: nn.Module | None, shard: tuple[int, int], moment: Moment
    ) -> Mapping[str, Items]:
        """Each metric's items of this worker's share, those whose index is `rank` modulo `world`.

        What is trained is in evaluation mode.

        Raises:
            UserError: They cannot be measured.
        """

    def estimate(
        self, name: str, sums: NDArray[np.float64], over: NDArray[np.int64]
    ) -> tuple[float, Interval | None]:
        """A metric and its 95% interval, from its items of all workers; see `Items`.

        Args:
            name: Of the metric.
            sums: Of each item, shape (items,), in the unit of the metric.
            over: How much each is summed over, for example its tokens, shape (items,).
        """
        return token_mean(sums, over)

    def details(self, measured: Evaluation) -> Evaluation:
        """The same with what else the last call of `evaluate` has measured, such as replies."""
        return measured

    def write(self, trained: nn.Module, folder: Path) -> None:
        """Writes what is trained, in the form in which users load it."""
        weights = {name: weight.detach().cpu().contiguous() for name, weight in trained.state_dict().items()}
        save_file(weights, folder / WEIGHTS)

    def read(self, trained: nn.Module, folder: Path) -> None:
        """Reads what `write` wrote."""
        trained.load_state_dict(load_file(folder / WEIGHTS))

    @property
    def asks_more_at_last(self) -> bool:
        """Whether trials at their full budget are measured in more than trials before."""
        return False

    def facts(self, device: str, seconds: float) -> GroupFacts:
        """What the driver learns when the group is up."""
        model, data = self.data.model, self.data.fingerprint
        reason, facts = "one trial at a time", dict(self.data.facts)
        return GroupFacts(device, model, data, seconds, 1, reason, attention=self.data.attention, data=facts)

    def add(self, name: str, params: P) -> SingleTrial[P]:
        """Holds a new trial, made from its seed."""
        with torch.random.fork_rng():
            torch.manual_seed(params.seed)
            trained = self.build(params)
        return SingleTrial(
            params, trained, self.examples(trained), self._settings.total_steps, self.joins(params, trained)
        )

    def examples(self, trained: nn.Module | None) -> int:
        """Number of training examples."""
        return self.data.examples

    def joins(self, params: P, trained: nn.Module) -> Callable[[nn.Parameter], int]:
        """The step from which a weight is trained; before it, it is as it was made."""
        return lambda weight: 0

    def rate(self, params: P, step: int) -> float:
        """Learning rate of an optimizer step."""
        return learning_rate(params, step, self._settings.total_steps)

    def remove(self, trial: SingleTrial[P]) -> None:
        """Lets go of a trial.

        Raises:
            RuntimeError: The base is not what it was before.
        """
        self._stop(trial)
        self._untouched.check()

    def start(self, trial: SingleTrial[P], until: int) -> None:
        """Has the trial take the steps to come, up to step `until`."""
        trial.until, trial.slice = until, Slice()
        if trial.step < until:
            self.active.append(trial)

    def step(self, interrupt: bool) -> Stepped[SingleTrial[P]]:
        """One optimizer step of the trial that was started first; a collective call."""
        began, trial = time.perf_counter(), self.active[0]
        stepped: Stepped[SingleTrial[P]] = Stepped(interrupt=False)
        while trial in self.active and not self._try_step(trial, interrupt, stepped):
            pass
        trial.slice.seconds += time.perf_counter() - began
        if trial in self.active and trial.step >= trial.until:
            stepped.reached.append(trial)
            self._stop(trial)
        return stepped

    def _try_step(self, trial: SingleTrial[P], interrupt: bool, stepped: Stepped[SingleTrial[P]]) -> bool:
        """One step; False where it has to be tried again with fewer examples in a pass."""
        indices = [int(index) for index in trial.order.batch(trial.step)]
        width = -(-len(indices) // self.base.world)
        size = max(1, min(self._settings.micro_batch or width, width) >> self._halvings)
        trial.optimizer.zero_grad()
        trial.release()
        sums = self._run(
            trial, indices[self.base.rank :: self.base.world], -(-width // size), size, indices[0]
        )
        grads = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in trial.weights]
        # In fp32 or better, whatever the weights are: bf16 cannot count targets.
        extras = torch.tensor([float(interrupt), *sums], dtype=torch.float32, device=grads[0].device)
        everything = self.base.reduce(torch.cat([*(grad.flatten() for grad in grads), extras]))
        count = _EXTRAS + len(self.terms)
        interrupts, loss, targets, tokens, passed, short, *terms = everything[-count:].tolist()
        stepped.interrupt = stepped.interrupt or interrupts > 0
        if short:
            self._shrink(trial, size, stepped)
            return False
        flat = everything[:-count] / max(1.0, targets)
        norm = float(torch.linalg.vector_norm(flat))
        mean = loss / max(1.0, targets)
        error = unsound(trial.slice, trial.step + 1, norm, mean, self._settings.spike)
        if error is not None:
            stepped.failed.append((trial, error))
            self._stop(trial)
            return True
        self._update(trial, flat, norm)
        if self.terms:
            means = {name: term / max(1.0, targets) for name, term in zip(self.terms, terms, strict=True)}
            trial.diagnostics.append(_diagnosed(trial, mean, norm, means))
        part = trial.slice
        part.losses.append(mean)
        part.targets.append(round(targets))
        part.tokens += round(tokens)
        part.passed += round(passed)
        part.padding += round(passed - tokens)
        part.passes, part.partners = part.passes + 1, part.partners + 1
        return True

    def _run(
        self, trial: SingleTrial[P], mine: Sequence[int], passes: int, size: int, spare: int
    ) -> list[float]:
        """Adds up gradients over the same number of passes on every worker.

        Returns:
            Sums of losses, targets, tokens, tokens with padding, whether memory ran out, and sums of terms.
        """
        sums = [0.0] * (_EXTRAS - 1 + len(self.terms))
        with torch.random.fork_rng(), torch.enable_grad():
            # What is drawn in a step depends on the step alone, so that training resumes anywhere.
            torch.manual_seed((trial.params.seed * 1_000_003 + trial.step) % 2**63)
            for place in range(passes):
                piece = mine[place * size : (place + 1) * size]
                try:
                    loss = self.loss(trial.trained, self.batch(piece or [spare]))
                    # A worker with nothing left takes part in the pass all the same (ZeRO stage 3).
                    (loss.total * float(bool(piece))).backward()  # type: ignore[no-untyped-call]
                except torch.OutOfMemoryError:
                    if self.base.sharded and self.base.world > 1:
                        raise  # in the middle of a collective pass: the group has to start anew
                    sums[_EXTRAS - 2] = 1.0
                    break
                self.base.after_backward()
                if piece:
                    summed = float(loss.total.detach())
                    values = (summed, loss.targets, loss.tokens, loss.passed, 0.0, *loss.terms)
                    sums = [total + value for total, value in zip(sums, values, strict=True)]
        return sums

    def _shrink(self, trial: SingleTrial[P], size: int, stepped: Stepped[SingleTrial[P]]) -> None:
        """Halves what a pass may hold; gives up a trial that has no room for a single example."""
        trial.optimizer.zero_grad()
        if self.base.device.type == "cuda":
            torch.cuda.empty_cache()
        if size > 1:
            self._halvings += 1
            return
        stepped.failed.append((trial, OutOfMemoryError("out of memory with one example in a pass")))
        self._stop(trial)

    def _update(self, trial: SingleTrial[P], grads: Tensor, norm: float) -> None:
        """One step of AdamW (arXiv:1711.05101), clipped by the norm of the whole gradient."""
        if trial.params.clip:
            grads = grads * min(1.0, trial.params.clip / (norm + 1e-6))
        pieces = torch.split(grads, [weight.numel() for weight in trial.weights])
        for weight, grad, joins in zip(trial.weights, pieces, trial.joins, strict=True):
            weight.grad = grad.view_as(weight).to(weight.dtype) if joins <= trial.step else None
        for group in trial.optimizer.param_groups:
            group["lr"] = self.rate(trial.params, trial.step)
        trial.optimizer.step()
        trial.optimizer.zero_grad()
        trial.step += 1

    def _stop(self, trial: SingleTrial[P]) -> None:
        self.active = [each for each in self.active if each is not trial]

    def save(self, trial: SingleTrial[P], folder: Path) -> None:
        """Writes what is trained, its diagnostics and, while steps are left, the optimizer's moments."""
        self.write(trial.trained, folder)
        if self.terms:
            lines = "".join(f"{json.dumps(step)}\n" for step in trial.diagnostics)
            (folder / DIAGNOSTICS).write_text(lines, encoding="utf-8")
        if trial.step < trial.total:
            moments = {
                f"{kind}.{index}": trial.optimizer.state[weight][kind].cpu().contiguous()
                for index, weight in enumerate(trial.weights)
                if weight in trial.optimizer.state
                for kind in ("exp_avg", "exp_avg_sq")
            }
            save_file(moments, folder / MOMENTS)

    def load(self, trial: SingleTrial[P], folder: Path, step: int) -> None:
        """Takes up a trial after `step` steps from what `save` wrote."""
        self.read(trial.trained, folder)
        if step < trial.total:
            moments = load_file(folder / MOMENTS, device=str(self.base.device))
            for index, (weight, joins) in enumerate(zip(trial.weights, trial.joins, strict=True)):
                if joins < step:
                    state = {kind: moments[f"{kind}.{index}"] for kind in ("exp_avg", "exp_avg_sq")}
                    trial.optimizer.state[weight] = {"step": torch.tensor(float(step - joins)), **state}
        if self.terms:
            lines = (folder / DIAGNOSTICS).read_text(encoding="utf-8").splitlines()
            trial.diagnostics = [json.loads(line) for line in lines]
        trial.step = step

    def measure(self, trials: Sequence[SingleTrial[P]], moment: Moment) -> list[Evaluation]:
        """Measures each trial, over all workers; a collective call."""
        return [self._measure(trial.trained, moment) for trial in trials]

    def measure_baseline(self, name: str) -> Evaluation:
        """Measures a reference as it is, with its loss on training examples; a collective call.

        Raises:
            UserError: As `reference`.
        """
        began = time.perf_counter()
        trained = self.reference(name)
        measured = self._measure(trained, "base")
        metrics = {"train_loss": self.train_loss(trained)} | measured.metrics
        return replace(measured, metrics=metrics, seconds=time.perf_counter() - began)

    def train_loss(self, trained: nn.Module | None) -> float:
        """Mean loss on the first training examples, over all workers; a collective call."""
        count = min(self.examples(trained), _BASELINE_EXAMPLES)
        sums = torch.zeros(2, dtype=torch.float64, device=self.base.device)
        with torch.no_grad():
            for place in range(-(-count // self.base.world)):
                index = place * self.base.world + self.base.rank
                loss = self.loss(trained, self.batch([index if index < count else 0]))
                if index < count:
                    sums += sums.new_tensor([float(loss.total), loss.targets])
        total, targets = self.base.reduce(sums).tolist()
        return float(total / max(1.0, targets))

    def reference(self, name: str) -> nn.Module | None:
        """What a baseline is measured with; None is the base alone.

        Raises:
            UserError: There is no baseline of this name, or it cannot be made.
        """
        if name != BASE:
            raise UserError(f"there is no baseline {name!r}")
        return None

    def _measure(self, trained: nn.Module | None, moment: Moment) -> Evaluation:
        began, problem = time.perf_counter(), ""
        mine: Mapping[str, Items] = {}
        try:
            with torch.no_grad(), _evaluating(trained):
                mine = self.evaluate(trained, (self.base.rank, self.base.world), moment)
        except UserError as error:
            problem = str(error)
        shares = [json.loads(part) for part in self.base.gather(json.dumps([problem, mine]).encode())]
        if first := next((text for text, _ in shares if text), ""):
            raise UserError(first)
        metrics: dict[str, float] = {}
        intervals: dict[str, Interval] = {}
        values: dict[str, Sequence[float]] = {}
        for name in shares[0][1]:
            items = sorted(tuple(item) for _, share in shares for item in share[name])
            sums = np.array([value for _, value, _ in items], dtype=np.float64)
            over = np.array([count for *_, count in items], dtype=np.int64)
            metrics[name], interval = self.estimate(name, sums, over)
            if interval is not None:
                intervals[name] = interval
                values[name] = token_values(sums, over).tolist()
        seconds = time.perf_counter() - began
        return self.details(Evaluation(metrics, intervals, seconds=seconds, values=values))


def _diagnosed(
    trial: SingleTrial[Any], loss: float, norm: float, terms: Mapping[str, float]
) -> dict[str, float]:
    """What a step that was just taken is recorded as."""
    lr = learning_rate(trial.params, trial.step - 1, trial.total)
    shares = {f"share_{name}": value / loss if loss else 0.0 for name, value in terms.items()}
    return {"step": trial.step, "loss": loss, **terms, **shares, "gradient_norm": norm, "lr": lr}


@contextmanager
def _evaluating(trained: nn.Module | None) -> Iterator[None]:
    """Evaluation mode, so that nothing is dropped; restores every module's mode afterwards."""
    training = [] if trained is None else [module for module in trained.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
