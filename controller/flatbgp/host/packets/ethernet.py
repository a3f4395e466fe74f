"""Ethernet II frames (RFC 894), and MAC addresses as text."""

from dataclasses import dataclass

from flatbgp.host.packets.errors import MalformedPacket

HEADER_LENGTH = 14
ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_IPV6 = 0x86DD
BROADCAST = "ff:ff:ff:ff:ff:ff"
NO_MAC = "00:00:00:00:00:00"


def mac_text(octets: bytes) -> str:
    """Return a MAC address as people write it: lower case, colons."""
    return octets.hex(":")


def mac_octets(text: str) -> bytes:
    """Return the octets of a MAC address in text; ``ValueError`` if it has not six of them."""
    octets = bytes.fromhex(text.replace(":", ""))
    if len(octets) != 6:
        raise ValueError(f"{text!r} is not a MAC address: six octets are expected, as in 02:00:00:00:00:01")
    return octets


@dataclass(frozen=True, slots=True)
class EthernetFrame:
    """One frame without its check sequence. MAC addresses are text, ``ethertype`` says what the payload is."""

    destination: str
    source: str
    ethertype: int
    payload: bytes

    def encode(self) -> bytes:
        """Return the bytes to send; the network card pads short frames itself."""
        return mac_octets(self.destination) + mac_octets(self.source) + self.ethertype.to_bytes(2, "big") + self.payload

    @classmethod
    def decode(cls, frame: bytes) -> "EthernetFrame":
        """Read a frame; the payload keeps its padding."""
        if len(frame) < HEADER_LENGTH:
            raise MalformedPacket(f"Ethernet frame of {len(frame)} octets is shorter than its header")
        return cls(
            destination=mac_text(frame[0:6]),
            source=mac_text(frame[6:12]),
            ethertype=int.from_bytes(frame[12:14], "big"),
            payload=frame[HEADER_LENGTH:],
        )
