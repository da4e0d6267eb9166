"""Checks a cluster file for `ray up`. Exit code 0: it is sound; 2: it is not, and every problem is listed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from search.clustercheck import aws, gcp
from search.clustercheck.check import problems, unready
from search.clustercheck.document import Document, load
from search.clustercheck.nodes import node_configs, node_path
from search.config.origins import dotted
from search.errors import ConfigError
from search.output import Parser, complain, say
from search.verb import WRONG, carry_out


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks one file and prints the outcome."""
    parser = Parser(prog="python -m search.clustercheck", description=__doc__)
    parser.add_argument("file", type=Path, help="cluster file for `ray up`")
    parser.add_argument(
        "--ready",
        action="store_true",
        help=("also check values that are still to be set, the token and local folders"),
    )
    options = parser.parse_args(arguments)
    return carry_out(lambda: _check(load(options.file), options.ready))


def _check(document: Document, ready: bool) -> int:
    wrong = problems(document) + (list(unready(document)) if ready else [])
    model = _MODELS.get(str(document.get("provider", "type")))
    note = "" if model is None or model.has_model() else f"\n  not checked: {model.UNCHECKED}"
    if wrong:
        complain(f"{ConfigError(sorted(wrong, key=lambda problem: _line(problem.where)))}{note}")
        return WRONG
    say(f"{_summary(document)}{note}")
    return 0


_MODELS = {"aws": aws, "gcp": gcp}
"""Of providers that say what a node may be."""


def _line(where: str) -> int:
    line = where.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0


def _summary(document: Document) -> str:
    kind = document.get("provider", "type") or "kuberay"
    lines = [f"{document.name}: OK ({kind}; checked offline)"]
    for name, config in node_configs(document).items():
        role = "head" if name == document.get("head_node_type") else "worker"
        counts = [document.get("available_node_types", name, key) for key in ("min_workers", "max_workers")]
        amount = "" if role == "head" else f", {counts[0] or 0} to {counts[1]} nodes"
        machine = config.get("InstanceType") or config.get("machineType")
        markets = (("InstanceMarketOptions", "MarketType"), ("scheduling", "provisioningModel"))
        market = next(filter(None, (document.get(*node_path(name, *path)) for path in markets)), "on demand")
        lines.append(f"  {role} {name}: {machine}, {str(market).lower()}{amount}")
    lines += [f"  to set: {dotted(path)} ({document.where(path)})" for path in document.placeholders()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
