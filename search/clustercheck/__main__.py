"""`python -m search.clustercheck cluster.yaml`: exit code 0 if it is sound, 2 with all that is wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from search.clustercheck.aws import node_configs, node_path
from search.clustercheck.check import load, problems
from search.clustercheck.document import Document, spell
from search.clustercheck.ready import unready
from search.errors import ConfigError
from search.output import Parser, complain, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks one file and prints the outcome."""
    parser = Parser(prog="python -m search.clustercheck", description=__doc__)
    parser.add_argument("file", type=Path, help="cluster file, as `ray up` takes it")
    parser.add_argument("--ready", action="store_true", help="also: values left to set, token, local folders")
    options = parser.parse_args(arguments)
    try:
        document = load(options.file)
        found = problems(document) + (list(unready(document)) if options.ready else [])
        if found:
            raise ConfigError(sorted(found, key=lambda problem: _line(problem.where)))
    except ConfigError as error:
        complain(str(error))
        return 2
    say(_summary(document))
    return 0


def _line(where: str) -> int:
    line = where.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0


def _summary(document: Document) -> str:
    lines = [f"{document.name}: OK ({document.get('provider', 'type')}; checked offline)"]
    for name, config in node_configs(document).items():
        role = "head" if name == document.get("head_node_type") else "worker"
        counts = [document.get("available_node_types", name, key) for key in ("min_workers", "max_workers")]
        amount = "" if role == "head" else f", {counts[0] or 0} to {counts[1]} nodes"
        market = document.get(*node_path(name, "InstanceMarketOptions", "MarketType"))
        lines.append(f"  {role} {name}: {config.get('InstanceType')}, {market or 'on demand'}{amount}")
    lines += [f"  to set: {spell(path)} ({document.where(path)})" for path in document.placeholders()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
