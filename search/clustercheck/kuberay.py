"""Rules for a cluster on Kubernetes: a manifest of a `RayCluster`, or a list that has one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from search.clustercheck.document import Document
from search.clustercheck.provider import Strict, violations
from search.clustercheck.rules import unpinned
from search.config.origins import Key
from search.errors import Problem
from trainables.nearest import did_you_mean

KIND = "RayCluster"
GPU = "nvidia.com/gpu"

_POD_KEYS = """
activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy enableServiceLinks
ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers hostname imagePullSecrets initContainers
nodeName nodeSelector os overhead preemptionPolicy priority priorityClassName readinessGates resourceClaims
resources restartPolicy runtimeClassName schedulerName schedulingGates securityContext serviceAccount
serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations
topologySpreadConstraints volumes evictionResponders hostnameOverride schedulingGroup
"""
_CONTAINER_KEYS = """
args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe resizePolicy
resources restartPolicy securityContext startupProbe stdin stdinOnce terminationMessagePath
terminationMessagePolicy tty volumeDevices volumeMounts workingDir restartPolicyRules
"""
"""Keys of the core API, v1."""


class Auth(Strict):
    """How the cluster authenticates; the operator hands the token to every pod."""

    mode: Literal["token", "disabled"] = "token"
    secretName: str | None = None
    enableK8sTokenAuth: bool | None = None


class Autoscaler(Strict):
    """The autoscaler beside the head."""

    version: Literal["v1", "v2"] | None = None
    idleTimeoutSeconds: int | None = None
    upscalingMode: Literal["Default", "Aggressive", "Conservative"] | None = None
    resources: dict[str, Any] | None = None
    image: str | None = None
    imagePullPolicy: str | None = None
    securityContext: dict[str, Any] | None = None
    env: list[Any] | None = None
    envFrom: list[Any] | None = None
    volumeMounts: list[Any] | None = None


class Template(Strict):
    """A pod's template."""

    metadata: dict[str, Any] | None = None
    spec: dict[str, Any]


class Group(Strict):
    """Pods that are alike."""

    template: Template
    rayStartParams: dict[str, str] | None = None
    resources: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class Head(Group):
    """The head's pod."""

    serviceType: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] | None = None
    headService: dict[str, Any] | None = None
    enableIngress: bool | None = None


class Workers(Group):
    """Pods that come and go."""

    groupName: str
    replicas: int | None = None
    minReplicas: int | None = None
    maxReplicas: int | None = None
    numOfHosts: int | None = None
    idleTimeoutSeconds: int | None = None
    suspend: bool | None = None
    scaleStrategy: dict[str, Any] | None = None


class Cluster(Strict):
    """`spec` of a RayCluster."""

    rayVersion: str
    headGroupSpec: Head
    workerGroupSpecs: list[Workers] = Field(min_length=1)
    authOptions: Auth | None = None
    enableInTreeAutoscaling: bool | None = None
    autoscalerOptions: Autoscaler | None = None
    gcsFaultToleranceOptions: dict[str, Any] | None = None
    headServiceAnnotations: dict[str, str] | None = None
    managedBy: str | None = None
    suspend: bool | None = None
    upgradeStrategy: dict[str, Any] | None = None


def clusters(document: Document) -> list[Key]:
    """Where the RayClusters of a manifest are."""
    if document.get("kind") == KIND:
        return [()]
    items = document.get("items")
    count = len(items) if isinstance(items, list) else 0
    return [("items", place) for place in range(count) if document.get("items", place, "kind") == KIND]


def problems(document: Document, path: Key) -> Iterator[Problem]:
    """What the API server or the operator would refuse, and what is unsafe."""
    if document.get(*path, "apiVersion") != "ray.io/v1":
        yield document.problem((*path, "apiVersion"), "must be ray.io/v1", "apiVersion: ray.io/v1")
    spec: Key = (*path, "spec")
    yield from violations(Cluster, document.get(*spec), spec, document)
    yield from _version(document, spec)
    yield from _authenticates(document, spec)
    yield from _is_private(document, spec)
    for place, group in enumerate(_groups(document, spec)):
        yield from _pod(document, (*group, "template", "spec"), head=place == 0)


def _groups(document: Document, spec: Key) -> list[Key]:
    """The head's group, then those of workers."""
    workers = document.get(*spec, "workerGroupSpecs")
    count = len(workers) if isinstance(workers, list) else 0
    return [(*spec, "headGroupSpec"), *((*spec, "workerGroupSpecs", place) for place in range(count))]


def _version(document: Document, spec: Key) -> Iterator[Problem]:
    import ray

    version = document.get(*spec, "rayVersion")
    if isinstance(version, str) and version != ray.__version__:
        message = f"is {version}, and {ray.__version__} is installed here"
        yield document.problem((*spec, "rayVersion"), message, "the same version on both sides")


def _authenticates(document: Document, spec: Key) -> Iterator[Problem]:
    options = document.get(*spec, "authOptions")
    if not isinstance(options, dict) or options.get("mode", "token") != "token":
        message = "must have the mode token: anyone who can reach the head can run code"
        yield document.problem((*spec, "authOptions"), message, "authOptions: {mode: token}")


def _is_private(document: Document, spec: Key) -> Iterator[Problem]:
    head: Key = (*spec, "headGroupSpec")
    if (kind := document.get(*head, "serviceType")) not in (None, "ClusterIP"):
        message = f"{kind} opens the head to other networks"
        yield document.problem((*head, "serviceType"), message, "ClusterIP, and `kubectl port-forward`")
    if document.get(*head, "enableIngress"):
        message = "an ingress opens the dashboard, which runs jobs"
        yield document.problem((*head, "enableIngress"), message, "leave it out")


def _pod(document: Document, pod: Key, *, head: bool) -> Iterator[Problem]:
    spec = document.get(*pod)
    if not isinstance(spec, dict):
        return
    yield from _unknown(document, pod, spec, _POD_KEYS)
    containers = spec.get("containers")
    for place, container in enumerate(containers if isinstance(containers, list) else ()):
        path: Key = (*pod, "containers", place)
        if isinstance(container, dict):
            yield from _unknown(document, path, container, _CONTAINER_KEYS)
            yield from unpinned(document, (*path, "image"), str(container.get("image", "")))
            yield from _no_token(document, path, container)
        if head and document.get(*path, "resources", "limits", GPU):
            message = "the head trains nothing; a GPU there stands idle"
            yield document.problem((*path, "resources", "limits", GPU), message, "leave it out")


def _unknown(document: Document, path: Key, given: dict[str, Any], keys: str) -> Iterator[Problem]:
    known = keys.split()
    for key in given.keys() - {*known}:
        yield document.problem((*path, key), "unknown key", did_you_mean(str(key), known))


def _no_token(document: Document, path: Key, container: dict[str, Any]) -> Iterator[Problem]:
    env = container.get("env")
    for place, entry in enumerate(env if isinstance(env, list) else ()):
        if isinstance(entry, dict) and entry.get("name") == "RAY_AUTH_TOKEN" and entry.get("value"):
            hint = "leave it to authOptions, which makes a secret of it"
            yield document.problem((*path, "env", place), "contains the token itself", hint)
