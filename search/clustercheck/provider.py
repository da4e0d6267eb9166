"""Keys of `provider`: AWS, GCP, and machines that are already there (Ray's `local`)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from search.clustercheck.document import Document
from search.config.origins import Key
from search.errors import Problem
from trainables.nearest import did_you_mean


class Strict(BaseModel):
    """A mapping whose keys are all known.

    Attributes:
        refused: Keys that exist but must not be given here, with what to do instead.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    refused: ClassVar[dict[str, str]] = {}


class SecurityGroup(Strict):
    """The group that Ray makes, or uses where one of that name has rules already.

    `IpPermissions` are inbound rules, added to Ray's two (everything inside the group; SSH from anywhere).
    """

    GroupName: str | None = None
    IpPermissions: list[Any] | None = None


class KeyPair(Strict):
    """Name of the SSH key pair; its private key is `~/.ssh/<key_name>.pem`."""

    key_name: str


class CloudwatchRetryer(Strict):
    """Retries of the agent's installation."""

    max_attempts: int | None = None
    delay_seconds: int | None = None


class CloudwatchAgent(Strict):
    """The unified CloudWatch agent."""

    CLOUDWATCH_AGENT_INSTALLED_AMI_TAG: str | None = None
    config: str | None = None
    retryer: CloudwatchRetryer | None = None


class CloudwatchDashboard(Strict):
    """A CloudWatch dashboard."""

    name: str | None = None
    config: str | None = None


class CloudwatchAlarm(Strict):
    """CloudWatch alarms."""

    config: str | None = None


class Cloudwatch(Strict):
    """Files with the configuration of CloudWatch."""

    agent: CloudwatchAgent | None = None
    dashboard: CloudwatchDashboard | None = None
    alarm: CloudwatchAlarm | None = None


class Provider(Strict):
    """What every provider takes."""

    cache_stopped_nodes: bool | None = None
    use_internal_ips: bool | None = None
    disable_node_updaters: bool | None = None
    disable_launch_config_check: bool | None = None
    foreground_node_launch: bool | None = None
    worker_liveness_check: bool | None = None


class AwsProvider(Provider):
    """`provider` of an AWS cluster."""

    refused: ClassVar[dict[str, str]] = {
        "aws_credentials": "no secrets in this file: set AWS_PROFILE, or use an instance profile",
    }

    type: Literal["aws"]
    region: str
    availability_zone: str | None = None
    use_external_head_ip: bool | None = None
    security_group: SecurityGroup | None = None
    key_pair: KeyPair | None = None
    cloudwatch: Cloudwatch | None = None


class GcpProvider(Provider):
    """`provider` of a cluster on GCP."""

    refused: ClassVar[dict[str, str]] = {
        "gcp_credentials": "no secrets in this file: `gcloud auth application-default login`",
    }

    type: Literal["gcp"]
    region: str
    availability_zone: str
    project_id: str


class LocalProvider(Provider):
    """Hosts by address, or a coordinator that lends them. Ray makes the node types itself."""

    type: Literal["local"]
    head_ip: str | None = None
    worker_ips: list[str] | None = None
    coordinator_address: str | None = None
    external_head_ip: str | None = None

    @model_validator(mode="after")
    def _hosts(self) -> LocalProvider:
        if self.coordinator_address is None and (self.head_ip is None or self.worker_ips is None):
            raise ValueError("needs `head_ip` and `worker_ips`, or `coordinator_address`")
        return self


PROVIDERS: dict[str, type[Provider]] = {"aws": AwsProvider, "gcp": GcpProvider, "local": LocalProvider}


def violations(model: type[Strict], value: Any, path: Key, document: Document) -> list[Problem]:
    """Problems of the value at `path` when read as `model`."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [_problem(model, details, path, document) for details in error.errors(include_url=False)]
    return []


def _problem(model: type[Strict], details: ErrorDetails, path: Key, document: Document) -> Problem:
    location = details["loc"]
    full = (*path, *location)
    match details["type"]:
        case "extra_forbidden":
            owner, name = _owner(model, location[:-1]), str(location[-1])
            if name in owner.refused:
                return document.problem(full, "must not be given here", owner.refused[name])
            return document.problem(full, "unknown key", did_you_mean(name, owner.model_fields))
        case "missing":
            return document.problem(full, "is missing")
        case "value_error":
            return document.problem(full, details["msg"].removeprefix("Value error, "))
        case "model_type":
            return document.problem(full, f"is {details['input']!r}", "give a mapping of keys to values")
        case _:
            return document.problem(full, f"is {details['input']!r}", details["msg"])


def _owner(model: type[Strict], location: tuple[str | int, ...]) -> type[Strict]:
    """Model of the mapping at `location` inside `model`."""
    for part in location:
        if isinstance(part, str):
            nested = _nested_model(model.model_fields[part].annotation)
            if nested is None:
                return model
            model = nested
    return model


def _nested_model(annotation: Any) -> type[Strict] | None:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return annotation
    return next((model for argument in get_args(annotation) if (model := _nested_model(argument))), None)
