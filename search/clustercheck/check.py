"""The whole check of a cluster file, all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from search.clustercheck import aws, images, start
from search.clustercheck.document import Document, parse
from search.clustercheck.names import did_you_mean
from search.clustercheck.nodeconfig import NodeConfig
from search.clustercheck.provider import PROVIDERS, AwsProvider
from search.clustercheck.raycheck import ray_problems
from search.clustercheck.strict import violations
from search.config.yaml_source import TooLargeError, read_small
from search.errors import ConfigError, Problem

Rule = Callable[[Document], Iterable[Problem]]

COMMON_RULES: tuple[Rule, ...] = (
    start.starts_authenticated,
    start.no_token_in_file,
    start.dashboard_on_loopback,
    start.mlflow_on_loopback,
    images.images_pinned,
    images.setup_pinned,
)
PROVIDER_RULES: Mapping[str, tuple[Rule, ...]] = {
    "local": (),
    "aws": (
        aws.nodes_terminate,
        aws.head_without_gpu,
        aws.workers_on_spot,
        aws.nodes_have_profiles,
        aws.hosts_pinned,
        aws.no_open_ingress,
    ),
}


def load(file: Path) -> Document:
    """Reads and parses a cluster file.

    Raises:
        ConfigError: It cannot be read, is too large, or is not a YAML mapping.
    """
    try:
        return parse(read_small(file), file.name)
    except TooLargeError as error:
        raise ConfigError([Problem("(file)", str(error), str(file))]) from error
    except OSError as error:
        raise ConfigError([Problem("(file)", f"cannot be read: {error.strerror}", str(file))]) from error
    except ValueError as error:
        raise ConfigError([Problem("(file)", "cannot be read: it is not UTF-8 text", str(file))]) from error


def problems(document: Document) -> list[Problem]:
    """Everything that Ray, the strict models and the rules refuse; what Ray repeats is left out."""
    kind = document.get("provider", "type")
    if kind is None:
        return [*document.duplicates, *misspellings(document)]
    if not isinstance(kind, str) or kind not in PROVIDERS:
        message = f"{kind!r} is not a provider that is checked here"
        hint = did_you_mean(str(kind), PROVIDERS)
        return [*document.duplicates, document.problem(("provider", "type"), message, hint)]
    ours = [*document.duplicates, *misspellings(document)]
    for rule in (*COMMON_RULES, *PROVIDER_RULES[kind]):
        ours += rule(document)
    named = {problem.key for problem in ours}
    return [*ours, *(problem for problem in ray_problems(document) if problem.key not in named)]


def misspellings(document: Document) -> list[Problem]:
    """Unknown keys and wrong types in `provider` and in every `node_config`, which Ray lets pass."""
    kind = document.get("provider", "type")
    model = PROVIDERS.get(kind, AwsProvider) if isinstance(kind, str) else AwsProvider
    found = violations(model, document.get("provider"), ("provider",), document)
    if kind == "aws":
        for name, config in aws.node_configs(document).items():
            found += violations(NodeConfig, config, aws.node_path(name), document)
        if not aws.node_configs(document):
            message = "is missing: Ray's default has no GPUs and Ubuntu 18.04"
            found.append(document.problem(("available_node_types",), message))
    return found
