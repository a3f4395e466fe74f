"""The lab's pings, for a test: they end with its sandbox."""

from flatbgp.lab.namespaces import Namespace
from flatbgp.lab.pings import INTERVAL, Ping, PingResult, start_pings
from flatbgp.resources.ip import IPAddress
from support.sandbox import Sandbox

__all__ = ["INTERVAL", "Ping", "PingResult", "start_ping"]


def start_ping(sandbox: Sandbox, namespace: Namespace, source: IPAddress, target: IPAddress) -> Ping:
    """Start to ping ``target`` from ``source``, an address of the namespace; it pings when this returns."""
    name = f"ping-{source}-{target}".replace(":", "-")
    ping = start_pings(namespace, source, target, sandbox.directory / f"{namespace.name}-{name}.log")
    sandbox.owns(ping.process)
    return ping
