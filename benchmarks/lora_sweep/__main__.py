"""How soon searches come near the best of published LoRA runs, over models: the last line is one JSON object.

    python -m benchmarks.lora_sweep [--csv CSV] [--seeds 5] [--methods NAME ...]

A trial is a learning rate and a rank; its loss is that of the published run of this rank with the nearest
learning rate. Regret is the least test loss of the trials so far above the least published one, in nats per
token. The prior of a model's search is fitted to the runs of all others. Searches that never come within the
tolerance count as one trial more than they had.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.lora_sweep.methods import METHODS, regret_after, trials_until
from benchmarks.lora_sweep.published import SHARED, Model, read_models
from trainables.machine import cores

TRIALS = 12
AFTER = (1, 2, 3, 6, 12)
TOLERANCE = 0.002


def _run(method: str, models: list[Model], seed: int) -> list[list[float]]:
    """Regrets of each model's search, shape [models][trials]."""
    return [
        METHODS[method](model, [other for other in models if other is not model], TRIALS, seed)
        for model in models
    ]


def main() -> None:
    """Runs the searches, prints a table and the JSON line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lora_sweep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--csv", type=Path, default=SHARED)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS, metavar="NAME")
    parser.add_argument("--processes", type=int, default=cores())
    options = parser.parse_args()
    models = read_models(options.csv)
    rows = []
    with ProcessPoolExecutor(options.processes) as pool:
        tasks = {
            method: [pool.submit(_run, method, models, seed) for seed in range(options.seeds)]
            for method in options.methods
        }
        print(f"{'method':20}" + "".join(f"{f'after {n}':>10}" for n in AFTER) + f"{'until':>8}")
        for method, futures in tasks.items():
            runs = [regrets for future in futures for regrets in future.result()]
            after = {n: float(np.mean([regret_after(run, n) for run in runs])) for n in AFTER}
            until = float(np.mean([min(trials_until(run, TOLERANCE), TRIALS + 1) for run in runs]))
            print(f"{method:20}" + "".join(f"{value:10.4f}" for value in after.values()) + f"{until:8.2f}")
            rows.append({"method": method, "regret_after": after, "trials_until": until})
    conditions = {"models": len(models), "seeds": options.seeds, "tolerance": TOLERANCE, "trials": TRIALS}
    print(json.dumps({"benchmark": "lora_sweep", "conditions": conditions, "methods": rows}))


if __name__ == "__main__":
    main()
