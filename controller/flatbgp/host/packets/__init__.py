"""Wire formats: bytes in, frozen values out, and back. Pure: no socket, no clock.

A decoder takes whatever a wire delivers and either returns a value or raises
:class:`~flatbgp.host.packets.errors.MalformedPacket`; nothing else ever leaves it.
"""
