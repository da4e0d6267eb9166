"""Rules for what nodes run: container images and wheels of one fixed version."""

from __future__ import annotations

import re
from collections.abc import Iterator

from search.clustercheck.document import Document, KeyPath
from search.errors import Problem

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_RAY_TAG = re.compile(r"^(?P<ray>\d+\.\d+\.\d+)(-py3\d+)?(-(cpu|cu\d+))?$")
_MOVING = re.compile(r"(^|[-.])(latest|nightly|master|main|dev|edge)([-.]|$)")
_MOVING_WHEEL = re.compile(r"ray-wheels/(latest|master)|\.dev\d|nightly")
IMAGE_KEYS = ("image", "head_image", "worker_image")


def container_images(document: Document) -> Iterator[tuple[KeyPath, str]]:
    """Every container image of the file."""
    types = document.get("available_node_types")
    owners: list[KeyPath] = [("docker",)]
    owners += [("available_node_types", name, "docker") for name in types] if isinstance(types, dict) else []
    for owner in owners:
        for key in IMAGE_KEYS:
            image = document.get(*owner, key)
            if isinstance(image, str):
                yield (*owner, key), image


def images_pinned(document: Document) -> Iterator[Problem]:
    """Images carry a version; those of Ray the version that is installed here, as `ray up` wants."""
    import ray

    good = f"rayproject/ray:{ray.__version__}-py311-cpu"
    for path, image in container_images(document):
        repository, _, tag = image.rpartition("/")[2].partition(":")
        if _DIGEST.search(image):
            continue
        if not tag or _MOVING.search(tag):
            yield document.problem(path, f"{image} moves with time", f"name a version, like {good}")
        elif repository == "ray" and (match := _RAY_TAG.match(tag)) is None:
            yield document.problem(path, f"{image} names no version of Ray", f"like {good}")
        elif repository == "ray" and match and match["ray"] != ray.__version__:
            message = f"{image} runs Ray {match['ray']}, and {ray.__version__} is installed here"
            yield document.problem(path, message, "the same version on both sides")


def setup_pinned(document: Document) -> Iterator[Problem]:
    """Set-up is given (Ray's default on AWS installs a nightly wheel) and installs no moving wheel."""
    if document.get("setup_commands") is None and document.get("provider", "type") == "aws":
        message = "is missing: Ray's default installs a nightly wheel"
        yield document.problem(("setup_commands",), message, "install the project with its constraints file")
    for path in document.lines:
        value = document.get(*path)
        if not isinstance(value, str) or not _is_setup(path):
            continue
        if found := _MOVING_WHEEL.search(value):
            message = f"installs a version that moves with time ({found[0]})"
            yield document.problem(path, message, "install released versions, -c constraints.txt")


def _is_setup(path: KeyPath) -> bool:
    return len(path) >= 2 and str(path[-2]).endswith("setup_commands")
