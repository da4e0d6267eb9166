"""Keys of `provider`: AWS, and machines that are already there (Ray's `local`)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from search.clustercheck.strict import Strict


class GroupPeer(Strict):
    """Another security group that may connect."""

    Description: str | None = None
    UserId: str | None = None
    GroupName: str | None = None
    GroupId: str | None = None
    VpcId: str | None = None
    VpcPeeringConnectionId: str | None = None
    PeeringStatus: str | None = None


class IpRange(Strict):
    """IPv4 addresses that may connect."""

    CidrIp: str
    Description: str | None = None


class Ipv6Range(Strict):
    """IPv6 addresses that may connect."""

    CidrIpv6: str
    Description: str | None = None


class AddressList(Strict):
    """A managed list of addresses that may connect."""

    PrefixListId: str
    Description: str | None = None


class IpPermission(Strict):
    """An inbound rule, added to Ray's two (everything inside the group; SSH from anywhere)."""

    IpProtocol: str
    FromPort: int | None = None
    ToPort: int | None = None
    IpRanges: list[IpRange] | None = None
    Ipv6Ranges: list[Ipv6Range] | None = None
    PrefixListIds: list[AddressList] | None = None
    UserIdGroupPairs: list[GroupPeer] | None = None


class SecurityGroup(Strict):
    """The group that Ray makes, or uses where one of that name has rules already."""

    GroupName: str | None = None
    IpPermissions: list[IpPermission] | None = None


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


PROVIDERS: dict[str, type[Provider]] = {"aws": AwsProvider, "local": LocalProvider}
