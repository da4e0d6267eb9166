"""The whole check of a cluster file, all problems at once: Ray's validation, and what it lets pass."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from search.clustercheck import aws, gcp, kuberay, machines, rules
from search.clustercheck.document import Document
from search.clustercheck.provider import PROVIDERS, AwsProvider, violations
from search.clustercheck.rules import commands, token_mount, token_path
from search.config.origins import Key
from search.errors import Problem
from trainables.nearest import did_you_mean

Rule = Callable[[Document], Iterable[Problem]]

COMMON_RULES: tuple[Rule, ...] = (
    rules.starts_authenticate,
    rules.no_token_in_file,
    rules.dashboard_on_loopback,
    rules.mlflow_on_loopback,
    rules.images_are_pinned,
    rules.setup_is_pinned,
)
PROVIDER_RULES: Mapping[str, tuple[Rule, ...]] = {
    "local": (machines.least_is_possible, machines.all_workers_come),
    "aws": (
        aws.nodes_are_complete,
        aws.misuses,
        aws.nodes_terminate,
        aws.head_without_gpu,
        aws.workers_on_spot,
        aws.nodes_have_profiles,
        aws.hosts_are_pinned,
        aws.no_open_ingress,
    ),
    "gcp": (
        gcp.nodes_are_complete,
        gcp.misuses,
        gcp.head_without_gpu,
        gcp.workers_on_spot,
        gcp.nodes_have_accounts,
        gcp.hosts_are_pinned,
    ),
}


def problems(document: Document) -> list[Problem]:
    """Everything that Ray, the strict models and the rules refuse; what Ray repeats is left out."""
    if manifests := kuberay.clusters(document):
        refused = (problem for path in manifests for problem in kuberay.problems(document, path))
        return [*document.duplicates, *refused]
    kind = document.get("provider", "type")
    if kind is None:
        return [*document.duplicates, *_misspellings(document)]
    if not isinstance(kind, str) or kind not in PROVIDERS:
        message = f"{kind!r} is not a provider that this check supports"
        hint = did_you_mean(str(kind), PROVIDERS)
        return [*document.duplicates, document.problem(("provider", "type"), message, hint)]
    ours = [*document.duplicates, *_misspellings(document)]
    for rule in (*COMMON_RULES, *PROVIDER_RULES[kind]):
        ours += rule(document)
    named = {problem.key for problem in ours}
    return [*ours, *(problem for problem in ray_problems(document) if problem.key not in named)]


def _misspellings(document: Document) -> list[Problem]:
    """Unknown keys and wrong types in `provider`, which Ray lets pass."""
    kind = document.get("provider", "type")
    model = PROVIDERS.get(kind, AwsProvider) if isinstance(kind, str) else AwsProvider
    return violations(model, document.get("provider"), ("provider",), document)


def ray_problems(document: Document) -> list[Problem]:
    """Everything Ray's schema refuses, or else what its validator refuses after filling in defaults.

    Ray stops at the first violation of its schema; here all of them are read off the same schema.
    """
    import ray.autoscaler
    from jsonschema import Draft7Validator  # type: ignore[import-untyped]

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    data = dict(document.data)
    if document.get("provider", "type") == "local":
        data.pop("min_workers", None)  # Ray takes it for this provider, before it looks at its schema
    violations = [
        problem
        for error in Draft7Validator(schema).iter_errors(data)
        for problem in _violation(error, document)
    ]
    return violations or list(_refusal(document))


def _violation(error: Any, document: Document) -> Iterator[Problem]:
    path: Key = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for name in sorted(set(error.instance) - set(known)):
            yield document.problem((*path, name), "unknown key", did_you_mean(str(name), known))
    elif error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield document.problem((*path, name), "is missing")
    else:
        yield document.problem(path, error.message)


def _refusal(document: Document) -> Iterator[Problem]:
    import click
    from jsonschema import ValidationError
    from ray.autoscaler._private.util import prepare_config, validate_config

    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            validate_config(prepare_config(copy.deepcopy(document.data)))
    except (ValueError, RuntimeError, AssertionError, ValidationError, click.ClickException) as error:
        message = error.message if isinstance(error, click.ClickException) else str(error)
        named = [name for name in re.findall(r"`(\w+)`", message) if name in document.data]
        yield document.problem(tuple(named[:1]), f"Ray refuses it: {message}")


def unready(document: Document) -> Iterator[Problem]:
    """What keeps `ray up` from working from this machine."""
    for path in document.placeholders():
        yield document.problem(path, f"is still {document.get(*path)}", "set it")
    yield from _mounts(document)
    yield from _token(document)
    kind = str(document.get("provider", "type"))
    package = {"aws": "boto3", "gcp": "googleapiclient"}.get(kind)
    if package is not None and importlib.util.find_spec(package) is None:
        message = f"Ray's provider {kind} needs {package}"
        yield document.problem(("provider", "type"), message, f"pip install 'tightrope[{kind}]'")


def _mounts(document: Document) -> Iterator[Problem]:
    mounts = document.get("file_mounts")
    for remote, local in mounts.items() if isinstance(mounts, dict) else ():
        if not Path(str(local)).expanduser().exists():
            yield document.problem(("file_mounts", remote), f"{local} does not exist on this machine")


def _token(document: Document) -> Iterator[Problem]:
    tokens = {token_path(command) for _, command in commands(document) if command.runs("ray", "start")}
    for token in sorted(tokens):
        mount = token_mount(token, document)
        if mount is None:
            continue
        remote, local = mount
        file = Path(local).expanduser() / Path(token).relative_to(remote)
        if not file.is_file() or not file.read_text().strip():
            yield document.problem(
                ("file_mounts", remote), f"no token in {file}", ("create it: docs/cluster.md")
            )
        elif file.stat().st_mode & 0o077:
            mode = oct(file.stat().st_mode & 0o777)
            message = f"the token {file} has mode {mode}: others on this machine can read it"
            yield document.problem(("file_mounts", remote), message, f"chmod 600 {file}")
