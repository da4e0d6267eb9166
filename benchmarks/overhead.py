"""What a trial costs beside its training: stock nested Tune and Train against warm worker groups.

Both sides train and measure the same trials with the same code, in this run, on a local Ray cluster of
their own, with the same number of trials at once:

- stock: a Tune function that starts a `TorchTrainer` per trial, as Ray's user guide shows; each trial
  starts its workers, imports the libraries and loads the model.
- ours: the same trials through `search.tune` on warm worker groups, one at a time in each, for what
  packing gains is measured by `benchmarks.packing`. The groups' start is not part of a trial; it is
  reported as `ours_start_s`.

Overhead per trial is the time a slot is taken up by a trial, less the time spent in training, evaluating
and saving, as the worker measured it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from search.cluster import Capacity, local_groups, prepare_environment, start_ray, stop_ray
from search.conductor import Conductor
from search.config.load import load_config
from search.config.schema import SearchConfig
from search.groups.host import WorkerGroups
from search.groups.settings import group_settings
from search.record import BaselineMeasured, Event, RungReached, TrialFinished
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.space import SearchSpace
from trainables.messages import Delivery, GroupFacts, TrainRequest


def configure(trials: int, steps: int, out: Path) -> SearchConfig:
    """The demo's space with one rung, so that a trial is one request on both sides."""
    words = [
        "space=demo", f"trials={trials}", f"budget.steps={steps}", "budget.rungs=1", "searcher=random",
        "scheduler=none", f"out={out}", "tracking.enabled=false", "workers.slots=1",
    ]  # fmt: skip
    return load_config(words).config


def stock_worker(config: dict[str, Any]) -> None:
    """Train loop of a stock trial: everything from the beginning."""
    import ray.train
    import torch

    from trainables.lora.held import LoraHeld
    from trainables.lora.loading import load
    from trainables.serving.server import Server

    torch.set_num_threads(1)
    settings = config["settings"]
    server = Server(settings, LoraHeld(settings, load(settings, torch.device("cpu"))))
    began = time.perf_counter()
    server.accept(Delivery(0, 0, config["request"]))
    while server.training:
        server.step(interrupt=False)
    ((_, reply),) = server.answers()
    ray.train.report({"work_s": time.perf_counter() - began, "outcome": reply.outcome})


def run_stock(
    config: SearchConfig, trials: list[TrainRequest], at_once: int, scratch: Path
) -> dict[str, float]:
    """Runs the trials nested, `at_once` at a time; returns seconds per trial, and of the whole."""
    entered = time.perf_counter()
    prepare_environment()
    import ray
    from ray import tune
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    settings = group_settings(config, scratch, 1)

    def trial(tune_config: dict[str, Any]) -> None:
        TorchTrainer(
            stock_worker,
            train_loop_config={"settings": settings, "request": trials[tune_config["index"]]},
            torch_config=TorchConfig(backend="gloo"),
            scaling_config=ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1}),
            run_config=RunConfig(
                name=f"stock-{tune_config['index']}",
                storage_path=str(scratch / "stock"),
                callbacks=[TuneReportCallback()],
            ),
        ).fit()

    # One CPU per worker and one per Tune function.
    ray.init(address="local", num_cpus=2 * at_once, include_dashboard=True, log_to_driver=False)
    began = time.perf_counter()
    results = tune.Tuner(
        tune.with_resources(trial, {"CPU": 1}),
        param_space={"index": tune.grid_search(list(range(len(trials))))},
        tune_config=tune.TuneConfig(max_concurrent_trials=at_once),
        run_config=tune.RunConfig(name="stock-tune", storage_path=str(scratch / "tune"), verbose=0),
    ).fit()
    seconds = time.perf_counter() - began
    ray.shutdown()
    if results.errors:
        raise RuntimeError(f"a stock trial failed: {results.errors[0]}")
    work = [result.metrics["work_s"] for result in results]
    return {
        "s_per_trial": seconds * at_once / len(trials),
        "work_s": sum(work) / len(work),
        "completed": sum(result.metrics["outcome"] == "ok" for result in results),
        "whole_s": time.perf_counter() - entered,
    }


def run_ours(config: SearchConfig, scratch: Path) -> dict[str, float]:
    """Runs the search on warm groups; returns seconds per trial and of the start."""
    from search.tune.loop import run_tune

    record: list[Event] = []
    space = SearchSpace(config.parameters, config.fixed)
    conductor = Conductor(config, space, make_searcher(config, space), make_scheduler(config), record.append)
    capacity = start_ray(config.workers)
    began = time.perf_counter()
    groups = WorkerGroups(
        group_settings(config, scratch, capacity.cpus, capacity.groups),
        config.workers,
        capacity,
        scratch / "ours",
    )
    groups.start()
    for _ in range(capacity.groups):
        facts = groups.wait_for_first(print)
        if not isinstance(facts, GroupFacts):
            raise RuntimeError(facts.message)
    for name, reply in groups.measure_baselines(["base"]):
        measured = BaselineMeasured(name=name, metrics=reply.metrics, seconds=reply.eval_seconds)
        conductor.state.apply(measured)
    ready = time.perf_counter()
    run_tune(conductor, groups, capacity.groups, scratch / "ours", scratch)
    groups.stop()
    stop_ray()
    return {"start_s": ready - began} | per_trial(record, capacity)


def per_trial(record: list[Event], capacity: Capacity) -> dict[str, float]:
    """Seconds per trial in steady state: after the first trial of every slot, which starts Tune's actors."""
    ends = [event.time for event in record if isinstance(event, TrialFinished)]
    rungs = [event for event in record if isinstance(event, RungReached)]
    skipped = capacity.groups
    seconds = ends[-1] - ends[skipped - 1]
    work = [event.train_seconds + event.eval_seconds for event in rungs[skipped:]]
    return {
        "s_per_trial": seconds * capacity.groups / (len(ends) - skipped),
        "work_s": sum(work) / len(work),
        "first_trials_s": ends[skipped - 1] - (record[0].time),
    }


def stock_requests(config: SearchConfig, count: int) -> list[TrainRequest]:
    """The first trials of the same search."""
    space = SearchSpace(config.parameters, config.fixed)
    conductor = Conductor(config, space, make_searcher(config, space), make_scheduler(config), lambda _: None)
    numbers = [conductor.next_trial() for _ in range(count)]
    requests = [conductor.request(number) for number in numbers if number is not None]
    return [request for request in requests if isinstance(request, TrainRequest)]


def main() -> None:
    """Runs both sides and prints one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stock-trials", type=int, default=4)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--steps", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        config = configure(arguments.trials, arguments.steps, scratch)
        ours = run_ours(config, scratch)
        at_once = local_groups(config.workers)
        stock = run_stock(config, stock_requests(config, arguments.stock_trials), at_once, scratch)
    stock_overhead = stock["s_per_trial"] - stock["work_s"]
    our_overhead = ours["s_per_trial"] - ours["work_s"]
    result = {
        "stock_s_per_trial": stock["s_per_trial"],
        "ours_s_per_trial": ours["s_per_trial"],
        "train_s_per_trial": ours["work_s"],
        "stock_train_s_per_trial": stock["work_s"],
        "stock_overhead_s": stock_overhead,
        "ours_overhead_s": our_overhead,
        "overhead_ratio": stock_overhead / our_overhead,
        "ours_start_s": ours["start_s"] + ours["first_trials_s"],
        "at_once": at_once,
        "stock_trials": arguments.stock_trials,
        "ours_trials": arguments.trials,
        "steps": arguments.steps,
    }
    print(json.dumps({key: round(value, 4) for key, value in result.items()}))


if __name__ == "__main__":
    main()
