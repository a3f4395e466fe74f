"""The LAN behind one interface: what we ask and state there, and what other hosts say."""

from collections.abc import Callable, Collection, Iterable
from ipaddress import IPv4Address, IPv6Address

from flatbgp.host.model import Heard, Voice
from flatbgp.host.packets import arp, bpf, ip, ndp
from flatbgp.host.packets.arp import ArpPacket, Operation
from flatbgp.host.packets.errors import MalformedPacket
from flatbgp.host.packets.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV6, EthernetFrame
from flatbgp.host.packets.ndp import NdpMessage, NeighborAdvertisement
from flatbgp.host.packetsocket import PacketSocket, Received
from flatbgp.resources.ip import IPAddress

Statement = tuple[IPAddress, str, Voice]


class Lan:
    """ARP and Neighbor Discovery on one interface.

    Only what concerns the watched addresses is heard, and nothing that one of our own interfaces says (``own_macs``):
    a host with two cards in one LAN answers on both.
    """

    def __init__(self, interface: str, emit: Callable[[Heard], None], own_macs: Callable[[], Collection[str]]) -> None:
        self._interface = interface
        self._emit = emit
        self._own_macs = own_macs
        self._watched: frozenset[IPAddress] = frozenset()
        self._arp = PacketSocket(interface, ETHERTYPE_ARP, bpf.arp_filter(()), self._heard)
        try:
            self._ndp = PacketSocket(interface, ETHERTYPE_IPV6, bpf.ndp_filter(()), self._heard)
        except BaseException:
            self._arp.close()
            raise

    def watch(self, addresses: Collection[IPAddress]) -> None:
        """Hear about these addresses from now on.

        Solicitations for an IPv6 address go to a multicast group of its own, which the network card must be told.
        (A switch that snoops MLD may still keep them from us: answers and announcements go to all nodes.)
        """
        wanted = frozenset(addresses)
        if wanted == self._watched:
            return
        six = [address for address in wanted if isinstance(address, IPv6Address)]
        self._arp.set_filter(bpf.arp_filter(address for address in wanted if isinstance(address, IPv4Address)))
        self._ndp.set_filter(bpf.ndp_filter(six))
        self._ndp.set_memberships({ndp.multicast_mac(ndp.solicited_node(address)) for address in six})
        self._watched = wanted

    def ask(self, source: IPAddress, target: IPAddress) -> bool:
        """Ask who has ``target``, as the owner of ``source``; ``False`` when the frame could not leave."""
        mac = self._arp.mac
        if mac is None:
            return False
        if isinstance(target, IPv4Address) and isinstance(source, IPv4Address):
            return self._arp.send(arp.to_frame(arp.request(mac, source, target)))
        if isinstance(target, IPv6Address) and isinstance(source, IPv6Address):
            return self._ndp.send(ndp.to_frame(ndp.question(mac, source, target), mac))
        raise ValueError(f"{source} cannot ask for {target}: they are of two families")

    def probe(self, address: IPAddress) -> bool:
        """Ask who has ``address`` without stating anything about ourselves."""
        mac = self._arp.mac
        if mac is None:
            return False
        if isinstance(address, IPv4Address):
            return self._arp.send(arp.to_frame(arp.probe(mac, address)))
        return self._ndp.send(ndp.to_frame(ndp.probe(address), mac))

    def announce(self, address: IPAddress) -> bool:
        """State that we have ``address``."""
        mac = self._arp.mac
        if mac is None:
            return False
        if isinstance(address, IPv4Address):
            left = [self._arp.send(arp.to_frame(form)) for form in arp.announcements(mac, address)]
            return all(left)
        return self._ndp.send(ndp.to_frame(ndp.announcement(mac, address), mac))

    @property
    def index(self) -> int:
        """The number of the interface that the sockets are bound to."""
        return self._arp.index

    def reopened(self) -> "Lan":
        """Return the same on the interface that has the name now, and close this one."""
        lan = Lan(self._interface, self._emit, self._own_macs)
        lan.watch(self._watched)
        self.close()
        return lan

    def close(self) -> None:
        """Stop listening."""
        self._arp.close()
        self._ndp.close()

    def _heard(self, packets: Iterable[Received]) -> None:
        own = self._own_macs()
        for packet in packets:
            for address, mac, voice in statements(packet.data):
                if address in self._watched and mac not in own:
                    self._emit(Heard(packet.at, self._interface, address, mac, voice))


def statements(frame: bytes) -> list[Statement]:
    """Return what a frame says about addresses: which one, which MAC address, in which way."""
    try:
        outer = EthernetFrame.decode(frame)
        if outer.ethertype == ETHERTYPE_ARP:
            return _arp_statements(ArpPacket.decode(outer.payload))
        if outer.ethertype == ETHERTYPE_IPV6:
            return _ndp_statements(ndp.decode(ip.decode_ip(outer.payload)), outer.source)
    except MalformedPacket:
        pass
    return []


def _arp_statements(packet: ArpPacket) -> list[Statement]:
    if packet.is_announcement:
        return [(packet.sender_ip, packet.sender_mac, Voice.ANNOUNCEMENT)]
    if packet.is_probe:
        return [(packet.target_ip, packet.sender_mac, Voice.PROBE)]
    voice = Voice.ANSWER if packet.operation is Operation.REPLY else Voice.USE
    return [(packet.sender_ip, packet.sender_mac, voice)]


def _ndp_statements(message: NdpMessage, frame_source: str) -> list[Statement]:
    if isinstance(message, NeighborAdvertisement):
        # The answer to a probe goes to all nodes and bears no "solicited" flag (RFC 4861 section 7.2.4), so it looks
        # like an announcement; both mean that the address is taken.
        voice = Voice.ANSWER if message.solicited else Voice.ANNOUNCEMENT
        return [(message.target, message.target_mac or frame_source, voice)]
    if message.source == ndp.UNSPECIFIED:
        return [(message.target, frame_source, Voice.PROBE)]
    return [(message.source, message.source_mac or frame_source, Voice.USE)]
