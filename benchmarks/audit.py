"""What the audit of a space takes, beside the plan of the same search.

    python -m benchmarks.audit --space demo --repeats 10

Both run in this process, on the same configuration, one after the other; times are of the CPU. `count_s` is
the time that `budget.epochs` and `budget.steps=trial` take to count steps, which comes before the audit;
`first_s` is the first audit, which reads the rules, the model's files and a sample of the data; `audit_s` is
the median. `torch` says whether any of this has imported it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

from search.audit.check import audit_search
from search.config.load import load_config
from search.epochs import in_steps
from search.plan import make_plan


def seconds(run: Callable[[], object]) -> float:
    """CPU time of one call."""
    began = time.process_time()
    run()
    return time.process_time() - began


def main() -> None:
    """Prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", default="demo")
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    resolved = load_config([f"space={options.space}"])
    began = time.process_time()
    counted = in_steps(resolved.config)
    count = time.process_time() - began
    first = seconds(lambda: audit_search(resolved, counted))
    imported = "torch" in sys.modules
    make_plan(counted.config, counted.sentence, counted.trials)  # imports
    pairs = [
        (
            seconds(lambda: audit_search(resolved, counted)),
            seconds(lambda: make_plan(counted.config, counted.sentence, counted.trials)),
        )
        for _ in range(options.repeats)
    ]
    audit, plan = (statistics.median(column) for column in zip(*pairs, strict=True))
    answer = {
        "space": options.space,
        "torch": imported,
        "count_s": count,
        "first_s": first,
        "audit_s": audit,
        "plan_s": plan,
        "ratio": audit / plan,
    }
    print(
        json.dumps(
            {key: round(value, 4) if isinstance(value, float) else value for key, value in answer.items()}
        )
    )


if __name__ == "__main__":
    main()
