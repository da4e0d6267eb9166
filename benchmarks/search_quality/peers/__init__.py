"""Searches of other libraries, and random search, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from benchmarks.search_quality.simulation import Peer
from benchmarks.search_quality.workload import Workload


@dataclass(frozen=True)
class PeerSpec:
    """A registered peer.

    Attributes:
        make: Builds a fresh search for a workload and a seed.
        line: What it is, in a line.
        module: Top-level module of the library that it needs, or None.
    """

    make: Callable[[Workload, int], Peer]
    line: str
    module: str | None = None

    @property
    def installed(self) -> bool:
        """Whether its library is there."""
        return self.module is None or find_spec(self.module) is not None


def _random(workload: Workload, seed: int) -> Peer:
    from benchmarks.search_quality.peers.random_search import RandomSearch

    return RandomSearch(workload, seed)


def _optuna(sampler: str, workload: Workload, seed: int) -> Peer:
    from benchmarks.search_quality.peers.optuna_study import OptunaStudy

    return OptunaStudy(sampler, workload, seed)


def _syne_tune_moasha(workload: Workload, seed: int) -> Peer:
    from benchmarks.search_quality.peers.syne_tune_schedulers import moasha

    return moasha(workload, seed)


def _syne_tune_asha(workload: Workload, seed: int) -> Peer:
    from benchmarks.search_quality.peers.syne_tune_schedulers import asha

    return asha(workload, seed)


def _neps(workload: Workload, seed: int) -> Peer:
    from benchmarks.search_quality.peers.neps_moasha import NepsMoasha

    return NepsMoasha(workload, seed)


def _ray(workload: Workload, seed: int) -> Peer:
    from benchmarks.search_quality.peers.ray_tune import OptunaSearchAsha

    return OptunaSearchAsha(workload, seed)


def _ax(workload: Workload, seed: int) -> Peer:
    from benchmarks.search_quality.peers.ax_client import AxClient

    return AxClient(workload, seed)


PEERS: dict[str, PeerSpec] = {
    "random": PeerSpec(_random, "random search, every trial to the full budget"),
    "random-asha": PeerSpec(
        _syne_tune_asha, "Syne Tune's random search with its ASHA on the first objective", "syne_tune"
    ),
    "optuna-tpe": PeerSpec(partial(_optuna, "tpe"), "Optuna's TPE, full budget"),
    "optuna-tpe-multivariate": PeerSpec(
        partial(_optuna, "tpe-multivariate"), "Optuna's TPE, multivariate, full budget"
    ),
    "optuna-gp": PeerSpec(partial(_optuna, "gp"), "Optuna's Gaussian process, full budget"),
    "optuna-nsga2": PeerSpec(partial(_optuna, "nsga2"), "Optuna's NSGA-II, full budget"),
    "ax": PeerSpec(_ax, "Ax's Client, its default strategy, full budget", "ax"),
    "syne-tune-moasha": PeerSpec(_syne_tune_moasha, "Syne Tune's MOASHA, as shipped", "syne_tune"),
    "neps-moasha": PeerSpec(_neps, "NePS's MOASHA with its defaults, which promotes", "neps"),
    "ray-optuna-asha": PeerSpec(_ray, "Ray Tune's OptunaSearch on all objectives with its ASHA on the first"),
}
