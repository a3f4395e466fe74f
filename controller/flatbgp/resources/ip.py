"""Address types used throughout, and the names of the two families."""

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
IPInterface = IPv4Interface | IPv6Interface


class Family(StrEnum):
    """An address family, as people write it (RFC 4760 AFI 1 and 2, SAFI 1)."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"

    @staticmethod
    def of(value: IPAddress | IPNetwork | IPInterface) -> "Family":
        """Return the family of an address, network or interface address."""
        return Family.IPV4 if value.version == 4 else Family.IPV6
