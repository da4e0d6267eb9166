"""What a worker holds for the trainable `routing`: trials of two adapters in packs, and their evaluation."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import torch

from trainables.data.examples import Example
from trainables.errors import UserError
from trainables.evaluation.measurement import Measurement
from trainables.lora.held_pack import HeldPack, evaluation_of
from trainables.lora.loading import Ids, LoadedTask, read_with
from trainables.lora.targets import routed_layer, select_modules
from trainables.lora.trial import PackedTrial
from trainables.messages import GroupFacts, GroupSettings, Moment
from trainables.routing.angle_metrics import ANGLES
from trainables.routing.angles import LayerAngles, summary, to_json
from trainables.routing.artifact import BAD_FOLDER, COMBINED_FOLDER
from trainables.routing.combined import save_combined
from trainables.routing.conditions import Ablation
from trainables.routing.data import RoutedData, load_routed
from trainables.routing.evaluation import Ablate, RoutingEvaluator, unablated
from trainables.routing.options import RoutingOptions
from trainables.routing.outcomes import RoutingOutcomes, combine
from trainables.routing.parameters import RoutingParameters
from trainables.routing.references import trained_reference, typical
from trainables.routing.relearner import Relearner
from trainables.routing.trial import BAD, GOOD, RoutingTrial
from trainables.routing.updates import measured_angles
from trainables.serving.held import Begin, Evaluation
from trainables.trainable import BASE

_OFF: dict[Ablation, tuple[int, ...]] = {"both": (), "bad_off": (BAD,), "good_off": (GOOD,)}


def read(settings: GroupSettings, device: torch.device) -> Begin:
    """Reads the model and the data; see `trainables.serving.held.Read`."""
    options: RoutingOptions = settings.options

    def texts(data: RoutedData) -> Iterator[tuple[str, Iterable[Ids]]]:
        heldout = [*data.heldout_clean, *data.heldout_behaving]
        for key, part in (("task.train", data.train), ("task.heldout", heldout)):
            yield key, (example.input_ids for example in part)

    loaded = read_with(
        options.model,
        device,
        lambda tokenizer, context: load_routed(options, tokenizer, settings.seed, context),
        texts,
    )
    return partial(RoutingHeld, settings, loaded)


class RoutingHeld(HeldPack):
    """The base model and the trials on it, which train and are evaluated together.

    Args:
        settings: What the group serves.
        loaded: What this worker has read.
        shrinks: How often the group's workers have died for want of memory.

    Raises:
        UserError: The behaviour cannot be measured, or the model not be trained, as configured; on every
            worker alike.
    """

    def __init__(self, settings: GroupSettings, loaded: LoadedTask[RoutedData], shrinks: int = 0) -> None:
        super().__init__(settings, loaded.resolved, loaded.model)
        if self.mixing is not None:
            raise _unrouted(self.mixing, "does not hold the rows of a batch one after another")
        options: RoutingOptions = settings.options
        self._data = loaded.data
        self._evaluator = RoutingEvaluator(
            self.base.model,
            loaded.tokenizer,
            options,
            self._data,
            settings.seed,
            self.base.any_worker if self.base.sharded else None,
            self.adapters.lay_out_active,
            output_head=self.base.head,
        )
        self.open(self._data.train, RoutingParameters, self._make, shrinks)
        self._relearner = Relearner(
            self.base, self.adapters, self.pack.limits, self._data, self._evaluator, options.behaviour
        )

    def _make(
        self, name: str, params: RoutingParameters, examples: Sequence[Example], total: int
    ) -> RoutingTrial:
        refuse_unroutable(self.adapters.linear, params)
        labels = self._data.labels(params.labelled, params.false_labels)
        return RoutingTrial(name, params, labels, examples, total)

    def facts(self, device: str, seconds: float) -> GroupFacts:
        """What the driver learns when the group is up."""
        data = self._data.recorded()
        if (params := typical(self._settings)) is not None:
            data |= {"references": f"lr {params.lr:g}, ranks {params.good.rank} and {params.bad.rank}"}
        return self.facts_of(device, seconds, self._data.fingerprint, data)

    @property
    def asks_more_at_last(self) -> bool:
        """Always: angles, and relearning."""
        return True

    def save(self, trial: PackedTrial, folder: Path) -> None:
        """Writes the good adapter; below it the bad one, and both as one; and at last their angles."""
        super().save(trial, folder)
        save_combined(folder, folder / BAD_FOLDER, folder / COMBINED_FOLDER)
        if trial.step >= trial.total:
            (folder / ANGLES).write_text(to_json(self._angles(cast(RoutingTrial, trial))), encoding="utf-8")

    def measure(self, trials: Sequence[PackedTrial], moment: Moment) -> list[Evaluation]:
        """Losses and behaviour of each trial under the ablations, over all workers; a collective call."""
        planes = self.pack.arrange(trials)
        with self.adapters.active(len(trials), planes):
            measured = self._measured(len(trials), moment, self.ablated)
        evaluations = [self._evaluation(each) for each in measured]
        if moment != "last":
            return evaluations
        return [
            self._more(cast(RoutingTrial, trial), each)
            for trial, each in zip(trials, evaluations, strict=True)
        ]

    def ablated(self, ablation: Ablation) -> AbstractContextManager[None]:
        """Switches adapters off in the passes to come, within `Adapters.active`."""
        return self.adapters.without(_OFF[ablation])

    def _measured(
        self, copies: int, moment: Moment, ablate: Ablate = unablated
    ) -> list[Measurement[RoutingOutcomes]]:
        """Each trial's measurement over all workers; without `ablate`, of what is the same under all."""
        alike = ablate is unablated
        mine = self._evaluator.outcomes(self.shard, copies, ablate, moment=moment, alike=alike)
        parts = (self.base.gather(each.to_bytes()) for each in mine)
        return [combine([RoutingOutcomes.from_bytes(share) for share in each]) for each in parts]

    def _evaluation(self, measured: Measurement[RoutingOutcomes]) -> Evaluation:
        def write(path: Path, before: Path | None) -> None:
            self._evaluator.write(path, measured.outcomes, before)

        return evaluation_of(measured, write)

    def _more(self, trial: RoutingTrial, measured: Evaluation) -> Evaluation:
        """With what is measured of a trial at its full budget alone."""
        began = time.perf_counter()
        angles = summary(self._angles(trial))
        known = {name: value for name, value in angles.items() if math.isfinite(value)}
        metrics = measured.metrics | known | self._relearner.metrics(trial)
        seconds = time.perf_counter() - began
        return replace(
            measured,
            metrics=metrics,
            seconds=measured.seconds + seconds,
            parts=measured.parts | {"relearning": seconds},
        )

    def _angles(self, trial: RoutingTrial) -> dict[str, LayerAngles]:
        if trial.angles is None:
            trial.angles = measured_angles(self.adapters, trial)
        return trial.angles

    def measure_baseline(self, name: str) -> Evaluation:
        """Measures the base, or a reference that is trained for it; a collective call.

        Raises:
            UserError: It cannot be trained, or there is none of this name; on every worker alike.
        """
        began = time.perf_counter()
        if name == BASE:
            train_loss = self._evaluator.mean_loss(self._data.train[: len(self._data.heldout_clean)])
            (measured,) = self._measured(1, "base")
        else:
            given = (self._settings, self.base, self.pack, self.adapters, self._data)
            with trained_reference(name, *given) as train_loss:
                (measured,) = self._measured(1, "base")
        evaluation = self._evaluation(measured)
        metrics = {"train_loss": train_loss} | evaluation.metrics
        return replace(evaluation, metrics=metrics, seconds=time.perf_counter() - began)


def refuse_unroutable(linear: Sequence[str], params: RoutingParameters) -> None:
    """Refuses adapters on layers of experts, in which nothing tells which example a token is of.

    Args:
        linear: Full names of the layers that can be adapted.
        params: The trial's.

    Raises:
        UserError: There are such layers; or none of the kind that is asked for.
    """
    layer = routed_layer(select_modules(linear, params.good))
    if layer is not None:
        raise _unrouted(layer, "sees only the tokens that are routed to it")


def _unrouted(layer: str, why: str) -> UserError:
    return UserError(
        f"gradients cannot be routed by example in {layer}, which {why}.",
        hint="Set target_modules=attention where that is a layer of an expert, or choose another model.",
    )
