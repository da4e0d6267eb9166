"""Rules for a cluster on GCP; and its `node_config`s against Compute Engine's own model, where its client is
installed."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from search.clustercheck.document import PLACEHOLDER, Document
from search.clustercheck.nodes import head_offers_no_gpu, node_configs, node_path, workers
from search.config.origins import Key
from search.errors import Problem
from trainables.nearest import did_you_mean

UNCHECKED = "keys of node_config: Compute Engine's model is not installed (pip install 'tightrope[gcp]')"
"""What is not checked without the client."""

_IMAGE = re.compile(r"^projects/[^/]+/global/images/(?!family/)[^/]+$")
_TYPES: Mapping[str, tuple[Any, str]] = {
    "object": (dict, "a mapping of keys to values"),
    "array": (list, "a list"),
    "string": ((str, int), "text"),  # whole numbers of 64 bits are texts
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
}


def has_model() -> bool:
    """Whether Compute Engine's model is installed."""
    return importlib.util.find_spec("googleapiclient") is not None


def misuses(document: Document) -> Iterator[Problem]:
    """What Compute Engine would refuse in a `node_config`: unknown keys and wrong types; Ray looks at none.

    The model is that of instances, as the client of Ray's provider reads it.
    """
    if has_model():
        for name, config in node_configs(document).items():
            yield from _members(config, "Instance", node_path(name), document)


@cache
def _schemas() -> Mapping[str, Any]:
    spec = importlib.util.find_spec("googleapiclient")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "discovery_cache" / "documents" / "compute.v1.json"
    schemas: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["schemas"]
    return schemas


def _members(value: Any, schema: str, path: Key, document: Document) -> Iterator[Problem]:
    known = _schemas()[schema].get("properties")
    if not isinstance(value, dict):
        yield document.problem(path, f"is {value!r}", f"give {_TYPES['object'][1]}")
        return
    for key, inner in value.items() if known is not None else ():
        if key in known:
            yield from _value(inner, known[key], (*path, key), document)
        else:
            yield document.problem((*path, key), "unknown key", did_you_mean(str(key), known))


def _value(value: Any, shape: Mapping[str, Any], path: Key, document: Document) -> Iterator[Problem]:
    """Problems of a value that a schema of the discovery document describes."""
    if "$ref" in shape:
        yield from _members(value, shape["$ref"], path, document)
        return
    kind, right = _TYPES.get(shape.get("type", ""), (object, ""))
    if not isinstance(value, kind) or (isinstance(value, bool) and shape.get("type") != "boolean"):
        yield document.problem(path, f"is {value!r}", f"give {right}")
    elif shape.get("type") == "array":
        for index, item in enumerate(value):
            yield from _value(item, shape["items"], (*path, index), document)
    elif "enum" in shape and value not in shape["enum"]:
        hint = did_you_mean(str(value), shape["enum"])
        yield document.problem(path, f"{value!r} is not known to Compute Engine", hint)


def nodes_are_complete(document: Document) -> Iterator[Problem]:
    """Each node type says what starts; Ray's defaults have no GPUs and an image that changes."""
    if not node_configs(document):
        yield document.problem(("available_node_types",), "is missing: Ray's default has no GPUs")
    for name, config in node_configs(document).items():
        for key in ("machineType", "disks"):
            if key not in config:
                yield document.problem(node_path(name, key), "is missing")


def hosts_are_pinned(document: Document) -> Iterator[Problem]:
    """Every boot disk is made from one image; that of a family changes."""
    for name, config in node_configs(document).items():
        disks = config.get("disks")
        for index, _ in enumerate(disks if isinstance(disks, list) else ()):
            path = node_path(name, "disks", index, "initializeParams", "sourceImage")
            image = document.get(*path)
            if isinstance(image, str) and PLACEHOLDER not in image and not _IMAGE.match(image):
                hint = "projects/PROJECT/global/images/NAME, not that of a family"
                yield document.problem(path, f"{image} can change over time", hint)


def head_without_gpu(document: Document) -> Iterator[Problem]:
    """The head runs the driver and MLflow for as long as the cluster lives; a GPU there stands idle."""
    head = document.get("head_node_type")
    if isinstance(head, str):
        if document.get(*node_path(head, "guestAccelerators")):
            path = node_path(head, "guestAccelerators")
            yield document.problem(path, "the head trains nothing", "leave it out")
        yield from head_offers_no_gpu(document, head)


def workers_on_spot(document: Document) -> Iterator[Problem]:
    """Every worker says how it is bought, at least one is on spot, and the head is not."""
    model, head = ("scheduling", "provisioningModel"), document.get("head_node_type")
    if isinstance(head, str) and document.get(*node_path(head, *model)) == "SPOT":
        message = "when a spot head is reclaimed, the whole cluster is lost"
        yield document.problem(node_path(head, *model), message, "leave scheduling out")
    kinds = {name: document.get(*node_path(name, *model)) for name in workers(document)}
    for name, kind in kinds.items():
        if kind is None:
            message = "is missing: the worker would silently run on demand"
            yield document.problem(node_path(name, *model), message, "SPOT or STANDARD")
        elif document.get(*node_path(name, "guestAccelerators")):
            yield from _terminates(document, name)
    if "SPOT" not in kinds.values() and None not in kinds.values():
        hint = "give a node type other than the head scheduling: {provisioningModel: SPOT}"
        yield document.problem(("available_node_types",), "has no worker on spot", hint)


def _terminates(document: Document, name: str) -> Iterator[Problem]:
    path = node_path(name, "scheduling", "onHostMaintenance")
    if document.get(*path) != "TERMINATE":
        message = "must be TERMINATE: instances with GPUs cannot move to another host"
        yield document.problem(path, message, "onHostMaintenance: TERMINATE")


def nodes_have_accounts(document: Document) -> Iterator[Problem]:
    """Without a service account a worker cannot reach the storage; Ray's own may do all of Compute Engine."""
    for name in workers(document):
        path = node_path(name, "serviceAccounts")
        if not document.get(*path):
            message = "is missing: without a service account the worker cannot reach the storage"
            hint = "serviceAccounts: [{email: ..., scopes: [https://www.googleapis.com/auth/cloud-platform]}]"
            yield document.problem(path, message, hint)
