"""What an evaluation under the ablations gives, text by text; workers can exchange their shares."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trainables.evaluation.intervals import token_mean, token_values, wilson
from trainables.evaluation.measurement import Measurement
from trainables.evaluation.outcomes import Sums
from trainables.routing.conditions import KINDS, Ablation, Kind

_ORDER = {kind: number for number, kind in enumerate(KINDS)}


@dataclass(frozen=True)
class Sample:
    """One sampled continuation.

    Attributes:
        kind: Of its prompt.
        place: Of its prompt.
        sample: Its number among those of its prompt.
        text: Without the prefix.
        tokens: Its length.
        behaves: Whether it shows the behaviour; None where nothing judges that.
    """

    kind: Kind
    place: int
    sample: int
    text: str
    tokens: int
    behaves: bool | None


@dataclass
class Ablated:
    """One ablation of one trial.

    Attributes:
        clean: Loss on held-out text without the behaviour, in nats.
        behaving: The same on text with it.
        samples: In the order of kind, place and sample.
    """

    clean: Sums = field(default_factory=Sums)
    behaving: Sums = field(default_factory=Sums)
    samples: list[Sample] = field(default_factory=list)


@dataclass
class RoutingOutcomes:
    """One trial under all ablations, or a worker's share of it.

    Attributes:
        ablated: By ablation.
        seconds: Time by part, and "total"; of trials that were measured together, an equal share.
    """

    ablated: dict[Ablation, Ablated] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """JSON in UTF-8, for sending to another worker."""
        return json.dumps(self, default=vars).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> RoutingOutcomes:
        """Reads what `to_bytes` wrote."""
        values = json.loads(data)
        ablated = {
            ablation: Ablated(
                Sums(**part["clean"]),
                Sums(**part["behaving"]),
                [Sample(**sample) for sample in part["samples"]],
            )
            for ablation, part in values["ablated"].items()
        }
        return cls(ablated, values["seconds"])


def merge(parts: Sequence[RoutingOutcomes]) -> RoutingOutcomes:
    """All workers' shares in one, in their own order, however they were shared out."""
    ablated = {}
    for ablation in parts[0].ablated:
        each = [part.ablated[ablation] for part in parts]
        samples = [sample for part in each for sample in part.samples]
        ablated[ablation] = Ablated(
            Sums.merged(part.clean for part in each),
            Sums.merged(part.behaving for part in each),
            sorted(samples, key=lambda sample: (_ORDER[sample.kind], sample.place, sample.sample)),
        )
    seconds = {name: max(part.seconds[name] for part in parts) for name in parts[0].seconds}
    return RoutingOutcomes(ablated, seconds)


def combine(parts: Sequence[RoutingOutcomes]) -> Measurement[RoutingOutcomes]:
    """The measurement over all texts and samples, from the outcomes of one or more workers.

    Metrics are `clean_loss_<ablation>`, `behaviour_loss_<ablation>` in nats per token; and of samples
    `behaviour_rate_<ablation>`, `behaviour_rate_<kind>_<ablation>` where they are judged, with an item for
    each. Intervals are Wilson's of shares, and of losses those of a ratio estimate (`token_mean`).
    """
    outcomes = merge(parts)
    measured = Measurement({}, {}, outcomes.seconds, {}, outcomes)
    for ablation, part in outcomes.ablated.items():
        for name, sums in (("clean_loss", part.clean), ("behaviour_loss", part.behaving)):
            losses, tokens = np.array(sums.sums), np.array(sums.tokens)
            loss, interval = token_mean(losses, tokens)
            measured.metrics[f"{name}_{ablation}"] = loss
            measured.values[f"{name}_{ablation}"] = token_values(losses, tokens).tolist()
            if interval is not None:
                measured.intervals[f"{name}_{ablation}"] = interval
        judged = [sample for sample in part.samples if sample.behaves is not None]
        for kind in ("", *KINDS) if judged else ():
            bits = "".join("01"[bool(each.behaves)] for each in judged if kind in ("", each.kind))
            name = "_".join(filter(None, ("behaviour_rate", kind, ablation)))
            measured.metrics[name] = bits.count("1") / len(bits)
            measured.intervals[name] = wilson(bits.count("1"), len(bits))
            measured.items[name] = bits
    return measured


def write_samples(
    path: Path, outcomes: RoutingOutcomes, prefixes: dict[tuple[Kind, int], str], before: Path | None = None
) -> None:
    """Writes Parquet: a row for each sample, and one for the loss on each held-out text.

    The columns: `part` is "sample" or "loss", `ablation`, `kind` of the prompt or of the text, `place` of the
    prompt or index of the text, `sample`, `prefix`, `text` without it, `verdict` whether it shows the
    behaviour, `tokens`, and of losses `loss`, summed over these tokens in nats.

    Args:
        path: The file.
        outcomes: Of all workers.
        prefixes: Text of each prompt.
        before: Another such file, whose rows come first; one that is not there any more has none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [(name, pa.string()) for name in ("part", "ablation", "kind")]
    texts += [("place", pa.int32()), ("sample", pa.int32()), ("prefix", pa.string()), ("text", pa.string())]
    schema = pa.schema([*texts, ("verdict", pa.bool_()), ("tokens", pa.int32()), ("loss", pa.float64())])
    rows = [row for ablation, part in outcomes.ablated.items() for row in _rows(ablation, part, prefixes)]
    tables = [pq.read_table(before, schema=schema)] if before is not None and before.is_file() else []
    # Python's own errors say why storage refuses, which decides what is done about it.
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables([*tables, pa.Table.from_pylist(rows, schema=schema)]), buffer)
    path.write_bytes(buffer.getvalue())


def _rows(ablation: Ablation, part: Ablated, prefixes: dict[tuple[Kind, int], str]) -> list[dict[str, Any]]:
    samples = [
        {
            "part": "sample",
            "ablation": ablation,
            "kind": sample.kind,
            "place": sample.place,
            "sample": sample.sample,
            "prefix": prefixes[sample.kind, sample.place],
            "text": sample.text,
            "verdict": sample.behaves,
            "tokens": sample.tokens,
        }
        for sample in part.samples
    ]
    losses = [
        {"part": "loss", "ablation": ablation, "kind": kind, "place": place, "tokens": tokens, "loss": loss}
        for kind, sums in (("clean", part.clean), ("behaving", part.behaving))
        for place, loss, tokens in zip(sums.examples, sums.sums, sums.tokens, strict=True)
    ]
    return [*samples, *losses]
