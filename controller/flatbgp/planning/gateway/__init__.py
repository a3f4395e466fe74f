"""Floating IPs: who holds an address, and how it moves. ``docs/failover.md`` tells the protocol in prose.

A state machine without sockets and clocks (:class:`Gateway`), in the manner of aioquic: the shell passes in what
happens and when, and carries out what comes back, so that the same code runs under a simulated LAN, store and kernel
through thousands of faults.
"""

from flatbgp.planning.gateway.context import Randomness
from flatbgp.planning.gateway.machine import Gateway
from flatbgp.planning.gateway.status import AddressReason, AddressStatus
from flatbgp.planning.gateway.timings import Timings

__all__ = ["AddressReason", "AddressStatus", "Gateway", "Randomness", "Timings"]
