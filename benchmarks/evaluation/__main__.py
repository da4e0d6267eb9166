"""Speed of evaluation.

- likelihood: multiple-choice questions scored by likelihood per second, ours against lm-evaluation-harness
  (its `HFLM`, with the best of several batch sizes), on the same model object and questions. The two take
  turns within each repeat, ratios are of the same repeat, and every score must be equal.
- head: batches of prompts whose last positions have logits, ours against the model's own call.
- share: the share of a finished search's work that was evaluation (`--search`).
- report: time of `python -m analysis.report` over a simulated search (`--trials`), and the size of its page.

The last line is one JSON object. The machine may be busy: ratios of processor time are given as well.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.evaluation.head import LENGTH
from benchmarks.evaluation.head import measure as measure_head
from benchmarks.evaluation.items import MODELS, SHOTS, load_model, read_questions, write_task
from benchmarks.evaluation.likelihood import Questions, compare
from benchmarks.evaluation.report import measure
from benchmarks.evaluation.share import share
from benchmarks.packing.report import conditions, rounded
from trainables.errors import UserError
from trainables.models.skeleton import quiet_libraries


def _likelihood(options: argparse.Namespace) -> dict[str, Any]:
    try:
        items = read_questions(options.model, options.questions, options.items)
        model, tokenizer = load_model(options.model)
        rows = []
        with tempfile.TemporaryDirectory() as folder:
            for shots in SHOTS:
                questions = Questions(str(write_task(Path(folder), items, shots)))
                row = compare(model, tokenizer, questions, options.batches, options.repeats)
                rows.append({"shots": shots.count, "sampler": shots.sampler, **row})
                print(_line(str(shots), row), flush=True)
    except UserError as error:
        print(f"likelihood skipped: {error}")
        return {"skipped": str(error)}
    return {"model": options.model, "repeats": options.repeats, "rows": rows}


def _line(shots: str, row: dict[str, Any]) -> str:
    """One measurement for people."""
    harness, ours, prepared = row["harness"], row["ours"], row["prepared"]
    ratio, cpu = ours["ratio"], ours["cpu_ratio"]
    return (
        f"{shots:>10} shots: harness {harness['items_per_second']:8.1f} items/s "
        f"(batch {harness['batch_size']}), ours {ours['items_per_second']:8.1f}, "
        f"ratio {ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f}), of processor time "
        f"{cpu['median']:.2f}; without tokenising {prepared['ratio']['median']:.2f}, "
        f"{prepared['cpu_ratio']['median']:.2f}; worst difference {row['worst_difference']:.1e}"
    )


def _head(options: argparse.Namespace) -> dict[str, Any]:
    model, _ = load_model(options.model, options.dtype)
    rows = measure_head(model, options.repeats)
    for row in rows:
        ratio = row["ratio"]
        print(
            f"logits of the last {row['last']} of {LENGTH} positions: {row['seconds']:.2f} s, the model's "
            f"own call takes {ratio['median']:.2f} times as long ({ratio['min']:.2f}-{ratio['max']:.2f})",
            flush=True,
        )
    return {"model": options.model, "dtype": options.dtype, "rows": rows}


def _share(options: argparse.Namespace) -> dict[str, Any]:
    if options.search is None:
        return {"skipped": "no --search"}
    figures = share(options.search)
    print(f"evaluation took {figures['share']:.1%} of {figures['rungs']} rungs' work")
    return figures


def _report(options: argparse.Namespace) -> dict[str, Any]:
    figures = measure(options.trials)
    print(
        f"report of {figures['trials']:,} trials: {figures['seconds']:.1f} s "
        f"({figures['cpu_seconds']:.1f} s of CPU), {figures['html_mib']:.2f} MiB of HTML, "
        f"{figures['files']} files",
        flush=True,
    )
    return figures


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "likelihood": _likelihood,
    "head": _head,
    "share": _share,
    "report": _report,
}


def _parts(words: str) -> list[str]:
    chosen = words.split(",")
    if unknown := [word for word in chosen if word not in PARTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(PARTS)}")
    return chosen


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--parts", type=_parts, default=list(PARTS), help=f"some of {', '.join(PARTS)}")
    made.add_argument("--model", choices=MODELS, default="embedded")
    made.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="of `head`")
    made.add_argument("--questions", help="JSONL of question, options and answer; by default the model's own")
    made.add_argument("--items", type=int, default=64, help="questions, at most")
    made.add_argument(
        "--batches",
        type=lambda words: [int(word) for word in words.split(",")],
        default=[1, 4, 16, 64],
        help="the harness's batch sizes, of which the best is taken",
    )
    made.add_argument("--repeats", type=int, default=5)
    made.add_argument("--threads", type=int, default=1, help="CPU threads of this process")
    made.add_argument("--trials", type=int, default=1000, help="of the report's search")
    made.add_argument("--search", type=Path, help="folder of a finished search")
    return made


def main() -> None:
    """Prints a line for each measurement, and one line of JSON at the end."""
    options = parser().parse_args()
    quiet_libraries()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    torch.set_num_threads(options.threads)
    result: dict[str, Any] = conditions(torch.device("cpu"))
    for part in options.parts:
        result[part] = PARTS[part](options)
    print(json.dumps(rounded(result)), flush=True)


if __name__ == "__main__":
    main()
