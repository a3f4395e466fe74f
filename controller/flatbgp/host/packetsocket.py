"""An AF_PACKET socket in the event loop: filtered in the kernel, stamped at arrival (packet(7))."""

import asyncio
import contextlib
import ctypes
import errno
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from flatbgp.host.clock import ArrivalClock, boottime
from flatbgp.host.model import HostError
from flatbgp.host.packets.ethernet import mac_text

_SO_TIMESTAMPNS = 35
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_DROP_MEMBERSHIP = 2
_PACKET_MR_MULTICAST = 0
_PACKET_IGNORE_OUTGOING = 23
_ETH_P_ALL = 3

_BUFFER = 1 << 20  # receive buffer: some thousand small packets, should the loop stall for a moment
_LARGEST = 1 << 18  # one packet; segmentation offload makes them larger than any frame
_BATCH = 64  # packets read before other tasks get their turn
_TIMESPEC = struct.Struct("@ll")

# The interface is down or gone, or its queue is full: the frame is lost as it could be lost on the wire, and every
# user of this socket repeats what matters. When the interface is up again, the socket works again.
_LOST = frozenset({errno.ENETDOWN, errno.ENOBUFS, errno.ENXIO, errno.ENODEV, errno.EAGAIN, errno.ENETUNREACH})


@dataclass(frozen=True, slots=True)
class Received:
    """One packet, when it came, and from which MAC address."""

    at: float
    data: bytes
    mac: str


class PacketSocket:
    """Receives what a filter passes on one interface, and sends frames there.

    ``protocol`` is an ethertype, or ``None`` for all of them with those this host sends. ``cooked`` sockets deliver
    from the IP header on, whatever the link layer is. ``on_packets`` is called in the loop with each batch.
    """

    index: int
    """The interface's number when the socket was opened; another interface of the same name has another."""

    def __init__(
        self,
        interface: str,
        protocol: int | None,
        packet_filter: bytes,
        on_packets: Callable[[list[Received]], None],
        *,
        cooked: bool = False,
    ) -> None:
        self._interface = interface
        self.index = _index(interface)
        self._on_packets = on_packets
        self._clock = ArrivalClock()
        self._memory = bytearray(_LARGEST)
        self._memberships: set[str] = set()
        self._loop = asyncio.get_running_loop()
        kind = socket.SOCK_DGRAM if cooked else socket.SOCK_RAW
        try:
            # Protocol 0 receives nothing: the filter must be there before the first packet.
            self._socket = socket.socket(socket.AF_PACKET, kind | socket.SOCK_NONBLOCK, 0)
        except PermissionError as error:
            raise HostError(
                f"no packet socket on {interface}: {error.strerror}; the speaker needs CAP_NET_RAW"
            ) from error
        try:
            self._prepare(packet_filter, protocol)
        except OSError as error:
            self._socket.close()
            raise HostError(f"no packet socket on {interface}: {error.strerror}") from error
        except HostError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def _prepare(self, packet_filter: bytes, protocol: int | None) -> None:
        # The kernel begins to stamp beside, in a work item: the first packet of all may get the time of its reading.
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        # Beyond net.core.rmem_max only with CAP_NET_ADMIN; the ordinary limit is better than no socket.
        with contextlib.suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        if protocol is not None:
            self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self.set_filter(packet_filter)
        self._socket.bind((self._interface, _ETH_P_ALL if protocol is None else protocol))

    def set_filter(self, packet_filter: bytes) -> None:
        """Replace the filter (an array of ``struct sock_filter``); what was queued under the old one stays."""
        memory = ctypes.create_string_buffer(packet_filter, len(packet_filter))
        program = struct.pack("@HP", len(packet_filter) // 8, ctypes.addressof(memory))
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        except OSError as error:
            raise HostError(f"cannot choose packets on {self._interface}: {error.strerror}") from error

    def set_memberships(self, groups: set[str]) -> None:
        """Receive frames to these multicast MAC addresses as well, and to no others of an earlier call."""
        for operation, macs in (
            (_PACKET_DROP_MEMBERSHIP, self._memberships - groups),
            (_PACKET_ADD_MEMBERSHIP, groups - self._memberships),
        ):
            for mac in sorted(macs):
                octets = bytes.fromhex(mac.replace(":", ""))
                request = struct.pack("@iHH8s", self.index, _PACKET_MR_MULTICAST, len(octets), octets)
                try:
                    self._socket.setsockopt(_SOL_PACKET, operation, request)
                except OSError as error:
                    raise HostError(f"cannot choose multicast {mac} on {self._interface}: {error.strerror}") from error
        self._memberships = set(groups)

    @property
    def mac(self) -> str | None:
        """The interface's MAC address as it is now (bonding changes it while we run); ``None``: it is gone."""
        octets: bytes = self._socket.getsockname()[4]
        return mac_text(octets) if len(octets) == 6 else None

    def send(self, frame: bytes) -> bool:
        """Send a frame; ``False`` when it is lost at once (interface down, queue full)."""
        try:
            self._socket.send(frame)
        except OSError as error:
            if error.errno in _LOST:
                return False
            raise HostError(f"cannot send on {self._interface}: {error.strerror}") from error
        return True

    def close(self) -> None:
        """Stop; packets still queued are dropped."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _readable(self) -> None:
        packets: list[Received] = []
        while len(packets) < _BATCH:
            looked = boottime()
            try:
                size, ancillary, _, sender = self._socket.recvmsg_into([self._memory], 64)
            except BlockingIOError:
                self._clock.found_empty(looked)
                break
            except OSError as error:
                if error.errno != errno.ENETDOWN:  # said once each time the interface goes down
                    raise
                continue
            packets.append(
                Received(
                    at=self._clock.arrival(_stamp(ancillary)),
                    data=bytes(self._memory[:size]),
                    mac=mac_text(sender[4]),
                )
            )
        if packets:
            self._on_packets(packets)


def _index(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError as error:
        raise HostError(f"no packet socket on {interface}: there is no such interface") from error


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> float | None:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack(data[: _TIMESPEC.size])
            return float(seconds + nanoseconds / 1e9)
    return None
