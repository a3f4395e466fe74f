"""A machine says that it has an address, as a stranger or a router does whose address comes to another machine."""

import socket
from ipaddress import IPv4Address

from flatbgp.host.packets import ndp
from flatbgp.host.packets.ethernet import mac_text
from flatbgp.lab.namespaces import Namespace
from flatbgp.lab.network import NODE_INTERFACE
from flatbgp.resources.ip import IPAddress
from support.netns import inside


def announce_address(machine: Namespace, address: IPAddress, interface: str = NODE_INTERFACE) -> None:
    """Announce an address once: by gratuitous ARP, or an unsolicited neighbour advertisement (RFC 4861, 7.2.6)."""
    if isinstance(address, IPv4Address):
        machine.run("arping", "-U", "-c", "1", "-w", "1", "-I", interface, str(address), deadline=10)
        return
    with inside(machine):
        speaking = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with speaking:
        speaking.bind((interface, 0))
        mac = mac_text(speaking.getsockname()[4])
        speaking.send(ndp.to_frame(ndp.announcement(mac, address), mac))
