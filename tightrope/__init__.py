"""Tightrope: hyperparameter search for LoRA that does not break the model.

    import tightrope

    result = tightrope.search(space="demo", model="org/name", task="my.jsonl", trials=20)
    result.best, result.front, result.trials
    result.export()

`callbacks=[function]` has functions called with each event of the search.

`tightrope.load("runs/demo")` gives the same object for a search that has run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.view.callbacks import Callback
    from tightrope.result import Result

__all__ = ["load", "search"]

# The console script imports this package first, and must not wait for what it may not need.


def search(space: str | Path, callbacks: Sequence[Callback] = (), **settings: Any) -> Result:
    """Runs a search, as `tightrope run space=... key=value ...` does: begins, resumes or extends it.

    Progress goes to the terminal. Ctrl-C ends the search in order, where this is the main thread; the same
    call resumes it.

    Args:
        space: Name of a space that comes with Tightrope, or a space file. The search is named after it, and
            after the trainable, model and task given here in place of its own; `name` gives another name.
        callbacks: Functions that are called with each event of the record (`search.record.Event`), in this
            process, once it is on disk. The search waits for them. One that raises is named in the terminal
            and not called again; the search goes on.
        settings: Any key of a search; None is null. A mapping gives values of a section
            (`budget={"steps": 200}`). Model, task, capability, searcher, scheduler and warm_start are chosen
            as a whole: by name (`model="org/name"`), or by a mapping that takes the place of the space's
            section (`task={"train": "my.jsonl"}`). `**{"task.format": "text"}` changes one value.

    Returns:
        The search as far as it has come; its `ended` says whether it finished.

    Raises:
        search.errors.ConfigError: The configuration is wrong; it says everything that is.
        search.errors.TightropeError: The search cannot run.
    """
    from search.config.load import load_config
    from search.run import run_words
    from tightrope.settings import to_words

    words = to_words({"space": space, **settings})
    config = load_config(words).config
    run_words(words, callbacks=callbacks)
    return load(Path(config.out) / config.name)


def load(folder: str | Path) -> Result:
    """A search that has begun, from its folder.

    Args:
        folder: For example `runs/demo`; a name alone is looked for in `runs`.

    Raises:
        search.errors.RecordError: There is no search, or its record is damaged.
    """
    from search.recorded import open_search
    from tightrope.result import Result

    place, state = open_search(folder)
    return Result(state, place)
