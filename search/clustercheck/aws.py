"""Rules for a cluster on AWS; and its `node_config`s against EC2's own model, where botocore is installed."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from search.clustercheck.document import PLACEHOLDER, Document
from search.clustercheck.nodes import head_offers_no_gpu, node_configs, node_path, workers
from search.config.origins import Key
from search.errors import Problem
from trainables.nearest import did_you_mean, nearest

_ACCELERATED = re.compile(r"^(g|gr|p|inf|trn|dl)\d")
_AMI = re.compile(r"^ami-[0-9a-f]{8,17}$")
_PARAMETER = re.compile(r"^resolve:ssm:(?!/aws/service/).+:\d+$")
_ANYWHERE = ("0.0.0.0/0", "::/0")

UNCHECKED = "keys and values of node_config: EC2's model is not installed (pip install 'tightrope[aws]')"
"""What is not checked without botocore."""

_REFUSED = {
    "MinCount": "Ray sets it; give `min_workers` in the node type",
    "MaxCount": "Ray sets it; give `max_workers` in the node type",
    "SubnetId": "Ray accepts a list and tries each entry: `SubnetIds`",
    "DryRun": "with it no node starts",
    "ClientToken": "with it a second node does not start",
    "PrivateIpAddress": "nodes of one type cannot share an address",
}
"""Keys of EC2's RunInstances that must not be given in a `node_config`, with what to do instead."""

_TYPES: Mapping[str, tuple[type, str]] = {
    "structure": (dict, "a mapping of keys to values"),
    "list": (list, "a list"),
    "string": (str, "text"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
}
"""Kinds of EC2's values, as YAML has them."""

_INSTANCE = "InstanceType"
"""New types of instances appear faster than models of EC2."""


def has_model() -> bool:
    """Whether EC2's model is installed."""
    return importlib.util.find_spec("botocore") is not None


def misuses(document: Document) -> Iterator[Problem]:
    """What EC2 would refuse: unknown keys and values, and wrong types; nothing without botocore.

    Ray passes a `node_config` on to EC2's RunInstances, and inbound rules to AuthorizeSecurityGroupIngress,
    without looking at them. The model is the one that botocore itself validates requests with.
    """
    if not has_model():
        return
    service = _ec2()
    instances = dict(service.shape_for("RunInstancesRequest").members)
    instances = {key: shape for key, shape in instances.items() if key not in _REFUSED}
    instances["SubnetIds"] = instances["SecurityGroupIds"]  # Ray's own key, a list of texts as well.
    for name, config in node_configs(document).items():
        yield from _members(config, instances, node_path(name), document)
    permissions = ("provider", "security_group", "IpPermissions")
    if document.get(*permissions) is not None:
        ingress = service.shape_for("AuthorizeSecurityGroupIngressRequest").members["IpPermissions"]
        yield from _value(document.get(*permissions), ingress, permissions, document)


@cache
def _ec2() -> Any:
    """EC2's model; reading it takes half a second."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(Loader().load_service_model("ec2", "service-2"), "ec2")


def _members(
    section: Mapping[str, Any], members: Mapping[str, Any], path: Key, document: Document
) -> Iterator[Problem]:
    for key, inner in section.items():
        if key in members:
            yield from _value(inner, members[key], (*path, key), document)
        elif key not in _REFUSED or len(path) > len(node_path("")):
            yield document.problem((*path, key), "unknown key", did_you_mean(key, members))


def _value(value: Any, shape: Any, path: Key, document: Document) -> Iterator[Problem]:
    """Problems of a value that botocore's `Shape` describes."""
    kind: Any
    kind, right = _TYPES.get(shape.type_name, (object, ""))
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        yield document.problem(path, f"is {value!r}", f"give {right}")
    elif shape.type_name == "structure":
        yield from _members(value, shape.members, path, document)
        for key in shape.required_members:
            if key not in value:
                yield document.problem((*path, key), "is missing")
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _value(item, shape.member, (*path, index), document)
    elif shape.type_name == "string" and shape.enum and value not in shape.enum and path[-1] != _INSTANCE:
        near = nearest(value, shape.enum)
        hint = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(shape.enum)}"
        yield document.problem(path, f"{value!r} is not known to EC2", hint)


def nodes_are_complete(document: Document) -> Iterator[Problem]:
    """Each node type says what starts, and leaves to Ray what Ray sets."""
    if not node_configs(document):
        message = "is missing: Ray's default has no GPUs and Ubuntu 18.04"
        yield document.problem(("available_node_types",), message)
    for name, config in node_configs(document).items():
        for key in (_INSTANCE, "ImageId"):
            if key not in config:
                yield document.problem(node_path(name, key), "is missing")
        for key in _REFUSED.keys() & config.keys():
            yield document.problem(node_path(name, key), "must not be given here", _REFUSED[key])
        cards = config.get("NetworkInterfaces")
        for index, card in enumerate(cards if isinstance(cards, list) else ()):
            for key in ("SubnetId", "Groups"):
                if isinstance(card, dict) and key not in card:
                    path = node_path(name, "NetworkInterfaces", index, key)
                    yield document.problem(path, "is missing, and Ray has no default for it")


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
    yield from head_offers_no_gpu(document, head)


def workers_on_spot(document: Document) -> Iterator[Problem]:
    """Every worker says how it is bought, at least one is on spot, and the head is not."""
    head, market = document.get("head_node_type"), ("InstanceMarketOptions", "MarketType")
    if isinstance(head, str) and document.get(*node_path(head, *market)) == "spot":
        message = "when a spot head is reclaimed, the whole cluster is lost"
        yield document.problem(node_path(head, *market), message, "leave InstanceMarketOptions out")
    kinds = {name: document.get(*node_path(name, *market)) for name in workers(document)}
    for name, kind in kinds.items():
        if kind is None:
            message = "is missing: the worker would silently run on demand"
            hint = "InstanceMarketOptions: {MarketType: spot}"
            yield document.problem(node_path(name, "InstanceMarketOptions"), message, hint)
    if "spot" not in kinds.values() and None not in kinds.values():
        hint = "give a node type other than the head InstanceMarketOptions: {MarketType: spot}"
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


def hosts_are_pinned(document: Document) -> Iterator[Problem]:
    """Each node type names its host image by id; Ray's default is Ubuntu 18.04 with a driver of 2022."""
    for name, config in node_configs(document).items():
        image = str(config.get("ImageId", ""))
        if image and PLACEHOLDER not in image and not (_AMI.match(image) or _PARAMETER.match(image)):
            hint = "an id (ami-0123456789abcdef0), or your own parameter with a version (resolve:ssm:name:1)"
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
