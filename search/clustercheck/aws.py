"""Rules for a cluster on AWS, beyond the spelling of its keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from search.clustercheck.document import PLACEHOLDER, Document, KeyPath
from search.errors import Problem

_ACCELERATED = re.compile(r"^(g|gr|p|inf|trn|dl)\d")
_AMI = re.compile(r"^ami-[0-9a-f]{8,17}$")
_PARAMETER = re.compile(r"^resolve:ssm:(?!/aws/service/).+:\d+$")
_ANYWHERE = ("0.0.0.0/0", "::/0")


def node_configs(document: Document) -> dict[str, dict[str, Any]]:
    """The `node_config` of each node type that has one."""
    types = document.get("available_node_types")
    names = types if isinstance(types, dict) else {}
    configs = {name: document.get("available_node_types", name, "node_config") for name in names}
    return {name: config for name, config in configs.items() if isinstance(config, dict)}


def node_path(name: str, *rest: str) -> KeyPath:
    """Path of a key in a node type's `node_config`."""
    return ("available_node_types", name, "node_config", *rest)


def workers(document: Document) -> dict[str, dict[str, Any]]:
    """The `node_config` of each node type but the head's."""
    head = document.get("head_node_type")
    return {name: config for name, config in node_configs(document).items() if name != head}


def nodes_terminate(document: Document) -> Iterator[Problem]:
    """Ray's default stops nodes instead of terminating them; a stopped one keeps its disk, and its cost."""
    if document.get("provider", "cache_stopped_nodes") is not False:
        message = "must be false: stopped nodes keep their disks and secrets, and cost money"
        yield document.problem(("provider", "cache_stopped_nodes"), message, "cache_stopped_nodes: false")


def head_without_gpu(document: Document) -> Iterator[Problem]:
    """The head runs the driver and MLflow for as long as the cluster lives; a GPU there stands idle."""
    head = document.get("head_node_type")
    if not isinstance(head, str):
        return
    instance = str(node_configs(document).get(head, {}).get("InstanceType", ""))
    if _ACCELERATED.match(instance):
        message = f"{instance} has accelerators; the head trains nothing"
        yield document.problem(node_path(head, "InstanceType"), message, "m6i.xlarge, or another without")
    if document.get("available_node_types", head, "resources", "GPU"):
        path = ("available_node_types", head, "resources", "GPU")
        yield document.problem(path, "the head must not offer GPUs", "leave it out")


def workers_on_spot(document: Document) -> Iterator[Problem]:
    """There are workers, each says what it is bought as, one or more on spot; the head is not."""
    head, market = document.get("head_node_type"), ("InstanceMarketOptions", "MarketType")
    if isinstance(head, str) and document.get(*node_path(head, *market)) == "spot":
        message = "a head on spot takes the whole cluster with it when it is reclaimed"
        yield document.problem(node_path(head, *market), message, "leave InstanceMarketOptions out")
    found = workers(document)
    kinds = {name: document.get(*node_path(name, *market)) for name in found}
    for name, kind in kinds.items():
        if kind is None:
            message = "is missing: the worker would be bought on demand without a word"
            hint = "InstanceMarketOptions: {MarketType: spot}"
            yield document.problem(node_path(name, "InstanceMarketOptions"), message, hint)
    if "spot" not in kinds.values() and None not in kinds.values():
        hint = "give a node type besides the head's InstanceMarketOptions: {MarketType: spot}"
        yield document.problem(("available_node_types",), "has no worker on spot", hint)


def nodes_have_profiles(document: Document) -> Iterator[Problem]:
    """Ray gives workers no instance profile, and the head one that cannot pass profiles on to workers."""
    for name, config in node_configs(document).items():
        profile = config.get("IamInstanceProfile")
        if not isinstance(profile, dict) or not (profile.get("Arn") or profile.get("Name")):
            message = "needs a Name or an Arn: without a profile the node cannot reach the storage"
            if name == document.get("head_node_type"):
                message = "needs a Name or an Arn: Ray's default one may not pass a profile to workers"
            hint = "IamInstanceProfile: {Name: ...}"
            yield document.problem(node_path(name, "IamInstanceProfile"), message, hint)


def hosts_pinned(document: Document) -> Iterator[Problem]:
    """Each node type names its host image by id; Ray's default is Ubuntu 18.04 with a driver of 2022."""
    for name, config in node_configs(document).items():
        image = str(config.get("ImageId", ""))
        if image and PLACEHOLDER not in image and not (_AMI.match(image) or _PARAMETER.match(image)):
            hint = "an id (ami-0123456789abcdef0), or a parameter of yours by version (resolve:ssm:name:1)"
            yield document.problem(node_path(name, "ImageId"), f"{image} is not pinned", hint)


def no_open_ingress(document: Document) -> Iterator[Problem]:
    """No rule of the file opens a port to the whole internet."""
    permissions = document.get("provider", "security_group", "IpPermissions")
    for index, permission in enumerate(permissions if isinstance(permissions, list) else ()):
        for kind, field in (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6")):
            ranges = permission.get(kind) if isinstance(permission, dict) else None
            for place, entry in enumerate(ranges if isinstance(ranges, list) else ()):
                if isinstance(entry, dict) and entry.get(field) in _ANYWHERE:
                    path = ("provider", "security_group", "IpPermissions", index, kind, place, field)
                    message = f"{entry[field]} opens a port to the whole internet"
                    yield document.problem(path, message, "reach the head through an SSH tunnel")
