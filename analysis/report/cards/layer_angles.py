"""The angles between two updates, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from analysis.report.ablations import swept
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Series, Table, XYChart
from analysis.report.context import Context
from analysis.report.layer_angles import LayerAngles, angles_of
from analysis.report.look import BLUE, ORANGE, Look
from analysis.report.sweeps import Sweep
from analysis.report.words import number
from search.record import TrialState

_COLUMNS, _ROWS = Look(BLUE, "circle", size=6.0), Look(ORANGE, "square", size=6.0)


@card(
    "layer_angles",
    "Angles layer by layer",
    15,
    read=(
        "Each mark is the smallest angle between the two updates' subspaces in one layer; 90 degrees is "
        "orthogonal. Crosses are what random subspaces give."
    ),
)
class LayerByLayer:
    """The smallest angles of the recommended trial, beside those of one with fewest or most labels."""

    def applies(self, context: Context) -> str | None:
        """Where a trial's angles were kept."""
        if any(angles_of(context.folder, trial) for trial in context.completed):
            return None
        return "No trial's angles between adapters were kept layer by layer."

    def compute(self, context: Context) -> Findings:
        """One plot and the numbers behind it."""
        over = swept(context)
        trial, twin = _chosen(context, over)
        layers = angles_of(context.folder, trial)
        beside = [] if twin is None else angles_of(context.folder, twin)
        series = [
            *_angles(_called(over, trial), layers, hollow=False),
            *([] if twin is None else _angles(_called(over, twin), beside, hollow=True)),
            _chance("random column spaces", layers, [layer.columns_chance for layer in layers], _COLUMNS),
            _chance("random row spaces", layers, [layer.rows_chance for layer in layers], _ROWS),
        ]
        x, y = Axis("layer, in the order of the model"), Axis("smallest angle, degrees", low=0, high=92)
        title = "Smallest principal angle"
        text = _sentence(over, trial, layers)
        plot = Plot("smallest", title, text, (XYChart(x, y, tuple(series)),), table=_table(trial, layers))
        data = {"trial": trial.number, "beside": None if twin is None else twin.number}
        return Findings(data=data, texts=(text,), plots=(plot,))


def _chosen(context: Context, over: Sweep) -> tuple[TrialState, TrialState | None]:
    """The recommended trial or else the last, and of those at the other end of the labels the most alike."""
    kept = [trial for trial in context.completed if angles_of(context.folder, trial)]
    trial = next((each for each in kept if each.number == context.recommended), kept[-1])
    sampled = trial.proposed.sampled
    end = over.values[-1] if over.at(trial) == over.values[0] else over.values[0]
    twins = [other for other in kept if other is not trial and over.at(other) == end]
    twins.sort(key=lambda other: -sum(other.proposed.sampled.get(name) == sampled[name] for name in sampled))
    return trial, next(iter(twins), None)


def _sentence(over: Sweep, trial: TrialState, layers: Sequence[LayerAngles]) -> str:
    below = [
        sum(angle < chance for angle, chance in pairs)
        for pairs in (
            [(layer.columns, layer.columns_chance) for layer in layers],
            [(layer.rows, layer.rows_chance) for layer in layers],
        )
    ]
    return (
        f"In {_called(over, trial)}, the smallest angle between the column spaces is below that of random "
        f"ones in {below[0]:,} of {len(layers):,} layers, and between the row spaces in {below[1]:,}."
    )


def _called(over: Sweep, trial: TrialState) -> str:
    at = over.at(trial)
    where = "" if over.name is None or at is None else f" ({over.label(at)})"
    return f"trial {trial.number}{where}"


def _angles(name: str, layers: Sequence[LayerAngles], hollow: bool) -> list[Series]:
    spaces = (
        ("column spaces", [layer.columns for layer in layers], _COLUMNS),
        ("row spaces", [layer.rows for layer in layers], _ROWS),
    )
    return [
        Series(
            f"{space}, {name}",
            list(range(1, len(layers) + 1)),
            [None if math.isnan(angle) else angle for angle in degrees],
            replace(look, hollow=hollow),
            text=[
                f"{layer.layer}: {space} {number(angle)} degrees"
                for layer, angle in zip(layers, degrees, strict=True)
            ],
        )
        for space, degrees, look in spaces
    ]


def _chance(name: str, layers: Sequence[LayerAngles], degrees: Sequence[float], look: Look) -> Series:
    places = list(range(1, len(layers) + 1))
    known = [None if math.isnan(angle) else angle for angle in degrees]
    return Series(name, places, known, replace(look, marker="x", opacity=0.8))


def _table(trial: TrialState, layers: Sequence[LayerAngles]) -> Table:
    columns = ("layer", "cosine", "column spaces", "by chance", "row spaces", "by chance")
    rows = tuple(
        (
            layer.layer,
            *map(
                number,
                (layer.cosine, layer.columns, layer.columns_chance, layer.rows, layer.rows_chance),
            ),
        )
        for layer in layers
    )
    return Table(
        columns, rows, f"Trial {trial.number}: cosine of the updates, and smallest angles in degrees."
    )
