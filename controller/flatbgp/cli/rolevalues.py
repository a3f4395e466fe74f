"""Types of the values that the roles' options take."""

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any, Final, TypeVar

import click

from flatbgp.resources.ip import IPAddress, IPNetwork
from flatbgp.roles.options import Endpoint

_LEAST_SIZE: Final = 64 * 1024

F = TypeVar("F", bound=Callable[..., Any])

GOBGP_VARIABLE: Final = "FLATBGP_GOBGP"


class EndpointType(click.ParamType[Endpoint]):
    """Where to listen: ``HOST:PORT``, ``[IPV6]:PORT`` or ``:PORT`` (every address)."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Endpoint:
        """Return host and port."""
        if isinstance(value, Endpoint):
            return value
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:\[\]/]*)):(\d{1,5})", value, re.ASCII)
        if match is None or not 1 <= int(match[3]) <= 65535:
            self.fail(f"{value!r} is not HOST:PORT (as 127.0.0.1:9100, [::1]:9100 or :9100)", param, ctx)
        return Endpoint(match[1] or match[2] or "", int(match[3]))


class GobgpTargetType(click.ParamType[str]):
    """Where gobgpd answers: ``unix:///PATH``, since its API knows no login."""

    name = "target"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the target as gRPC takes it."""
        text = str(value)
        if not re.fullmatch(r"unix:(//)?/[^\x00]+", text):
            self.fail(
                f"{text!r} is no Unix socket: write unix:///PATH (whoever reaches gobgpd's API may do everything, so it"
                " never listens on TCP)",
                param,
                ctx,
            )
        return text


class InterfaceType(click.ParamType[str]):
    """The name of a network interface (Linux: 1 to 15 characters, no slash, no blank)."""

    name = "interface"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        text = str(value)
        if not re.fullmatch(r"[^\s/:]{1,15}", text) or text in {".", ".."}:
            self.fail(f"{text!r} is no interface name: 1 to 15 characters without blank, slash or colon", param, ctx)
        return text


def gobgp_option(text: str, *, required: bool) -> Callable[[F], F]:
    """Add ``--gobgp``, which a container sets once for all commands in it by FLATBGP_GOBGP."""
    return click.option(
        "--gobgp", type=GobgpTargetType(), envvar=GOBGP_VARIABLE, show_envvar=True, required=required, help=text
    )


class AddressType(click.ParamType[IPAddress]):
    """An IP address."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IPAddress:
        """Return the address."""
        try:
            return ip_address(value)
        except ValueError:
            self.fail(f"{value!r} is no IP address", param, ctx)


class PrefixType(click.ParamType[IPNetwork]):
    """A prefix of either family, without host bits."""

    name = "prefix"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IPNetwork:
        """Return the prefix."""
        try:
            return ip_network(value)
        except ValueError as error:
            self.fail(f"{value!r} is no prefix: {error}", param, ctx)


class SizeType(click.ParamType[int]):
    """A size in bytes: ``65536``, ``64KiB``, ``64MiB``, ``2GiB``; at least 64 KiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,12})(KiB|MiB|GiB)?", value, re.ASCII)
        size = int(match[1]) << {None: 0, "KiB": 10, "MiB": 20, "GiB": 30}[match[2]] if match is not None else 0
        if size < _LEAST_SIZE:
            self.fail(f"{value!r} is no size of at least 64KiB: write bytes, or as 64KiB, 64MiB, 2GiB", param, ctx)
        return size
