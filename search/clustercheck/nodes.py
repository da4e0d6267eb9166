"""Node types of a cloud cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from search.clustercheck.document import Document
from search.config.origins import Key
from search.errors import Problem


def node_configs(document: Document) -> dict[str, dict[str, Any]]:
    """The `node_config` of each node type that has one."""
    types = document.get("available_node_types")
    names = types if isinstance(types, dict) else {}
    configs = {name: document.get("available_node_types", name, "node_config") for name in names}
    return {name: config for name, config in configs.items() if isinstance(config, dict)}


def node_path(name: str, *rest: str | int) -> Key:
    """Path of a key in a node type's `node_config`."""
    return ("available_node_types", name, "node_config", *rest)


def workers(document: Document) -> dict[str, dict[str, Any]]:
    """The `node_config` of each node type but the head's."""
    head = document.get("head_node_type")
    return {name: config for name, config in node_configs(document).items() if name != head}


def head_offers_no_gpu(document: Document, head: str) -> Iterator[Problem]:
    """Ray would send training to a head that offers GPUs."""
    path = ("available_node_types", head, "resources", "GPU")
    if document.get(*path):
        yield document.problem(path, "the head must not offer GPUs", "leave it out")
