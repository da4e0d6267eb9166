"""What the search ran on, and how to run it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from analysis.report.card import Findings, card
from analysis.report.chart import Table
from analysis.report.context import Context
from trainables.data.facts import data_lines


@card(
    "environment",
    "Environment and how to reproduce",
    200,
    read="What you need to run the same search again.",
)
class Environment:
    """Versions, command, commit, seed and fingerprints."""

    def applies(self, context: Context) -> str | None:
        """Always."""
        return None

    def compute(self, context: Context) -> Findings:
        """As recorded when the search began."""
        started = context.state.started
        assert started is not None
        search, config = context.summary["search"], dict(started.config)
        prints = dict(started.fingerprints)
        if context.base is not None:
            prints |= context.base.fingerprints
        facts = {
            "search": f"{search['name']} ({started.search_id})",
            "space": str(config["space"]),
            "trainable": str(config["trainable"]),
            "model": _model(config, search["model"]),
            **({} if search["task"] is None else {"task": str(search["task"])}),
            **{line.partition(": ")[0]: line.partition(": ")[2] for line in data_lines(_data(context))},
            "seed": str(config["seed"]),
            "commit": started.git_commit or "not run from a checkout",
            **{f"fingerprint of {name}": fingerprint for name, fingerprint in sorted(prints.items())},
        }
        versions = tuple(sorted(started.versions.items()))
        return Findings(
            data={"facts": facts, "versions": dict(versions), "command": search["command"], "config": config},
            texts=("The same commit, versions and command propose the same first trials.",),
            notes=(
                "Trials that a model proposes depend on the order in which others finish, and training on "
                "a GPU is not bitwise exact: a second run agrees within noise, not digit for digit.",
            ),
            tables=(
                Table(("", "recorded"), tuple(facts.items()), "The search.", open=True),
                *((Table(("package", "version"), versions, "Versions."),) if versions else ()),
            ),
            listings=(
                ("Commands", _commands(started.git_commit, search)),
                ("Configuration", yaml.safe_dump(config, sort_keys=False, allow_unicode=True)),
            ),
        )


def _data(context: Context) -> Mapping[str, Any]:
    """The numbers about the training data, where they are recorded."""
    return {} if context.base is None else context.base.data


def _model(config: Mapping[str, Any], name: str) -> str:
    section = config.get("model")
    revision = section.get("revision") if isinstance(section, Mapping) else None
    return f"{name}, revision {revision}" if revision else name


def _commands(commit: str | None, search: Mapping[str, Any]) -> str:
    lines = [f"git checkout {commit}"] if commit else []
    if search["command"]:
        lines.append(search["command"])
    return "\n".join([*lines, f"python -m analysis.report {shlex.quote(search['folder'])}"])
