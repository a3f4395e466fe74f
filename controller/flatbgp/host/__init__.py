"""The machine we run on, as floating IPs need it: its interfaces, its LANs, and the BGP sessions that pass its wire.

Everything above speaks to :class:`flatbgp.host.interface.Host`. :mod:`flatbgp.host.linux` is the real one,
:mod:`flatbgp.host.fake` one in memory. :mod:`flatbgp.host.packets` holds the codecs: bytes in, values out, no I/O.
"""
