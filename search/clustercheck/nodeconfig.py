"""Keys of an AWS `node_config`: what Ray passes to EC2 RunInstances.

The fields are those of `RunInstancesRequest` in the EC2 API of 2016-11-15, without those that Ray sets
itself and those of retired features, and with Ray's own `SubnetIds`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from search.clustercheck.strict import Strict

Switch = Literal["enabled", "disabled"]


class EbsVolume(Strict):
    """A volume; `VolumeSize` in GiB."""

    VolumeSize: Annotated[int, Field(gt=0)] | None = None
    VolumeType: Literal["standard", "io1", "io2", "gp2", "sc1", "st1", "gp3"] | None = None
    Encrypted: bool | None = None
    KmsKeyId: str | None = None
    DeleteOnTermination: bool | None = None
    Iops: int | None = None
    Throughput: int | None = None
    SnapshotId: str | None = None
    OutpostArn: str | None = None
    AvailabilityZone: str | None = None
    AvailabilityZoneId: str | None = None
    VolumeInitializationRate: int | None = None
    EbsCardIndex: int | None = None


class DeviceMapping(Strict):
    """A disk and where it appears."""

    DeviceName: str | None = None
    VirtualName: str | None = None
    NoDevice: str | None = None
    Ebs: EbsVolume | None = None


class InstanceProfile(Strict):
    """What the node may do in the account: an instance profile, by ARN or by name."""

    Arn: str | None = None
    Name: str | None = None


class SpotTerms(Strict):
    """Terms of a spot instance; `MaxPrice` is in dollars per hour, as text."""

    MaxPrice: str | None = None
    SpotInstanceType: Literal["one-time", "persistent"] | None = None
    BlockDurationMinutes: int | None = None
    ValidUntil: Any = None
    InstanceInterruptionBehavior: Literal["hibernate", "stop", "terminate"] | None = None


class MarketOptions(Strict):
    """Spot or not."""

    MarketType: Literal["spot", "capacity-block", "interruptible-capacity-reservation", "on-demand"]
    SpotOptions: SpotTerms | None = None


class MetadataService(Strict):
    """Access to the instance metadata service; `HttpTokens: required` is IMDSv2."""

    HttpTokens: Literal["optional", "required"] | None = None
    HttpPutResponseHopLimit: Annotated[int, Field(ge=1, le=64)] | None = None
    HttpEndpoint: Switch | None = None
    HttpProtocolIpv6: Switch | None = None
    InstanceMetadataTags: Switch | None = None


class Tag(Strict):
    """A label."""

    Key: str
    Value: str


class TagSpecification(Strict):
    """Labels by type of resource."""

    ResourceType: str
    Tags: list[Tag]


class PlacementTerms(Strict):
    """Where the instance runs."""

    AvailabilityZone: str | None = None
    AvailabilityZoneId: str | None = None
    Affinity: str | None = None
    GroupName: str | None = None
    GroupId: str | None = None
    PartitionNumber: int | None = None
    HostId: str | None = None
    Tenancy: Literal["default", "dedicated", "host"] | None = None
    SpreadDomain: str | None = None
    HostResourceGroupArn: str | None = None


class Template(Strict):
    """A stored set of fields; what the file gives wins."""

    LaunchTemplateId: str | None = None
    LaunchTemplateName: str | None = None
    Version: str | int | None = None


class CpuTerms(Strict):
    """Cores and threads."""

    CoreCount: int | None = None
    ThreadsPerCore: int | None = None
    AmdSevSnp: Switch | None = None
    NestedVirtualization: Switch | None = None


class ReservationTarget(Strict):
    """A reservation, or a group of them."""

    CapacityReservationId: str | None = None
    CapacityReservationResourceGroupArn: str | None = None


class Reservation(Strict):
    """Use of reserved capacity."""

    CapacityReservationPreference: Literal["capacity-reservations-only", "open", "none"] | None = None
    CapacityReservationTarget: ReservationTarget | None = None


class Ipv6(Strict):
    """An address of the instance."""

    Ipv6Address: str
    IsPrimaryIpv6: bool | None = None


class NetworkCard(Strict):
    """A network interface; with these, Ray wants subnets and groups here and nowhere else."""

    SubnetId: str
    Groups: list[str]
    DeviceIndex: int | None = None
    NetworkCardIndex: int | None = None
    InterfaceType: str | None = None
    NetworkInterfaceId: str | None = None
    AssociatePublicIpAddress: bool | None = None
    DeleteOnTermination: bool | None = None
    Description: str | None = None
    PrivateIpAddress: str | None = None
    SecondaryPrivateIpAddressCount: int | None = None
    Ipv6AddressCount: int | None = None
    Ipv6Addresses: list[Ipv6] | None = None
    PrimaryIpv6: bool | None = None
    EnaQueueCount: int | None = None


class MonitoringTerms(Strict):
    """Detailed monitoring."""

    Enabled: bool
    MetricCategoryIds: list[str] | None = None


class Enclaves(Strict):
    """Nitro enclaves."""

    Enabled: bool


class Hibernation(Strict):
    """Hibernation."""

    Configured: bool


class License(Strict):
    """A licence configuration."""

    LicenseConfigurationArn: str


class Maintenance(Strict):
    """Recovery of the instance."""

    AutoRecovery: Literal["disabled", "default"]


class Bandwidth(Strict):
    """Share of network and disk bandwidth."""

    BandwidthWeighting: Literal["default", "vpc-1", "ebs-1"]


class Credits(Strict):
    """CPU credits of burstable instances."""

    CpuCredits: Literal["standard", "unlimited"]


class HostNames(Strict):
    """Private DNS names."""

    HostnameType: Literal["ip-name", "resource-name"] | None = None
    EnableResourceNameDnsARecord: bool | None = None
    EnableResourceNameDnsAAAARecord: bool | None = None


class NodeConfig(Strict):
    """`node_config` of an AWS node type."""

    refused: ClassVar[dict[str, str]] = {
        "MinCount": "Ray sets it; give `min_workers` in the node type",
        "MaxCount": "Ray sets it; give `max_workers` in the node type",
        "SubnetId": "Ray takes a list and tries each: `SubnetIds`",
        "DryRun": "with it no node starts",
        "ClientToken": "with it a second node does not start",
        "PrivateIpAddress": "nodes of one type cannot share an address",
    }

    InstanceType: str
    ImageId: str
    IamInstanceProfile: InstanceProfile | None = None
    InstanceMarketOptions: MarketOptions | None = None
    BlockDeviceMappings: list[DeviceMapping] | None = None
    MetadataOptions: MetadataService | None = None
    SubnetIds: list[str] | None = None
    SecurityGroupIds: list[str] | None = None
    SecurityGroups: list[str] | None = None
    NetworkInterfaces: list[NetworkCard] | None = None
    KeyName: str | None = None
    UserData: str | None = None
    TagSpecifications: list[TagSpecification] | None = None
    Placement: PlacementTerms | None = None
    LaunchTemplate: Template | None = None
    CpuOptions: CpuTerms | None = None
    CreditSpecification: Credits | None = None
    CapacityReservationSpecification: Reservation | None = None
    EbsOptimized: bool | None = None
    Monitoring: MonitoringTerms | None = None
    EnclaveOptions: Enclaves | None = None
    HibernationOptions: Hibernation | None = None
    LicenseSpecifications: list[License] | None = None
    MaintenanceOptions: Maintenance | None = None
    NetworkPerformanceOptions: Bandwidth | None = None
    PrivateDnsNameOptions: HostNames | None = None
    DisableApiStop: bool | None = None
    DisableApiTermination: bool | None = None
    InstanceInitiatedShutdownBehavior: Literal["stop", "terminate"] | None = None
    Ipv6AddressCount: int | None = None
    EnablePrimaryIpv6: bool | None = None
