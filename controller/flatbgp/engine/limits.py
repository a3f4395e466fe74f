"""What may be sent to a daemon. Pure.

Some values make gobgpd crash, stall or do something else than asked, so that nothing is sent unchecked: a host name as
address is resolved inside its main loop, peer ASN 0 accepts any AS, an unparsable address ends version 4, and version 3
installs whatever prefix it is given.
"""

from collections.abc import Iterator

from flatbgp.engine.errors import EngineError
from flatbgp.engine.model import Neighbor, Path
from flatbgp.resources.ip import IPAddress

_MAX16 = 2**16 - 1
_MAX32 = 2**32 - 1
_PASSWORD_BYTES = 80  # TCP_MD5SIG_MAXKEYLEN of Linux
_RESTART_TIME = 4095  # twelve bits, RFC 4724 section 3


def check_neighbor(neighbor: Neighbor) -> None:
    """Raise :class:`EngineError` that names every setting which no daemon should see."""
    if faults := list(_neighbor_faults(neighbor)):
        raise EngineError(f"neighbour {neighbor.address} is not configured: {'; '.join(faults)}")


def check_path(path: Path) -> None:
    """Raise :class:`EngineError` if the next hop cannot be one for the prefix."""
    if path.next_hop.version != path.prefix.version or not _is_host(path.next_hop):
        raise EngineError(
            f"route {path.prefix} is not announced: its next hop {path.next_hop} should be a unicast "
            f"IPv{path.prefix.version} address"
        )


def _neighbor_faults(neighbor: Neighbor) -> Iterator[str]:
    for name, address in (("address", neighbor.address), ("local address", neighbor.local_address)):
        if not _is_host(address):
            yield f"{name} {address} should be a unicast address without a zone"
    if neighbor.address.version != neighbor.local_address.version:
        yield f"local address {neighbor.local_address} should be of the family of the neighbour"
    if neighbor.address == neighbor.local_address:
        yield "its address is our own local address"
    for name, value, least, most in _numbers(neighbor):
        if not least <= value <= most:
            yield f"{name} {value} should be from {least} to {most}"
    if neighbor.password is not None and not 1 <= len(neighbor.password.reveal().encode()) <= _PASSWORD_BYTES:
        yield f"the password should have from 1 to {_PASSWORD_BYTES} bytes"


def _numbers(neighbor: Neighbor) -> Iterator[tuple[str, int, int, int]]:
    yield "local ASN", neighbor.local_asn, 1, _MAX32
    yield "peer ASN", neighbor.peer_asn, 1, _MAX32
    yield "hold time", neighbor.hold_time, 3, _MAX16  # 0 reads as "the default" in the API
    yield "keepalive", neighbor.keepalive, 1, max(1, neighbor.hold_time)
    yield "connect retry", neighbor.connect_retry, 1, _MAX16
    yield "prefix limit", neighbor.prefix_limit, 1, _MAX32
    if neighbor.graceful_restart is not None:
        yield "restart time", neighbor.graceful_restart.restart_time, 1, _RESTART_TIME
        yield "deferral time", neighbor.graceful_restart.deferral_time, 1, _MAX16
    for value in neighbor.export.communities:
        yield "community", value, 0, _MAX32
    for triple in neighbor.export.large_communities:
        for part in triple:
            yield "part of a large community", part, 0, _MAX32
    if neighbor.export.med is not None:
        yield "MED", neighbor.export.med, 0, _MAX32
    if neighbor.export.local_pref is not None:
        yield "LOCAL_PREF", neighbor.export.local_pref, 1, _MAX32  # 0 reads as "leave it" in the API


def _is_host(address: IPAddress) -> bool:
    """Whether it may be the address of a host; a zone (fe80::1%eth0) would be a second spelling of a neighbour."""
    return not (
        address.is_unspecified
        or address.is_multicast
        or str(address) == "255.255.255.255"
        or (address.version == 6 and address.scope_id is not None)
    )
