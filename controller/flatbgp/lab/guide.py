"""The guide's example as the lab's default, and what a person can try in a lab that runs."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import flatbgp
from flatbgp.lab.bird import CONTROL
from flatbgp.lab.commands import LabError
from flatbgp.lab.lifecycle import Lab, Software
from flatbgp.lab.namespaces import shell
from flatbgp.resources.ip import IPAddress

_EXAMPLE = Path("examples", "single-stack-ipv4.yaml")


def example() -> Path:
    """Return the guide's single-stack IPv4 example, whose network its troubleshooting section shows."""
    checkout = Path(flatbgp.__file__).parents[2]
    path = checkout / _EXAMPLE
    if not path.exists():
        raise LabError(f"there is no {_EXAMPLE} here (flatbgp does not run from its checkout): name a file with -f")
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def what_to_try(lab: Lab, pods: Mapping[str, tuple[IPAddress, ...]]) -> str:
    """Return commands for looking around in a lab that has just come up."""
    router = lab.topology.routers[0].name
    lines = ["The lab is up; its BGP sessions will be within about 15 seconds. Things to try:", ""]
    if shutil.which("flatbgp") is None:
        lines.append(f"  export PATH={Path(sys.executable).parent}:$PATH")
    lines += [
        "  flatbgp lab status",
        f"  export FLATBGP_STORE={lab.stores.user}        # the user cluster (admin cluster: {lab.stores.admin})",
        "  flatbgp get bgpsessions -A -w",
        "  flatbgp get bgpadvertisedroutes -A",
        "  flatbgp describe networkgatewaygroup default -n kube-system",
        f"  {_own_view(lab, router)}        # {router}'s own view",
    ]
    if len(pods) > 1:
        here, there = tuple(pods)[:2]
        ping = shell(lab.network.namespace(here), "ping", "-I", str(pods[here][0]), str(pods[there][0]))
        lines.append(f"  {ping}        # from a pod on {here} to one on {there}")
    racks = [node.rack for node in lab.topology.nodes]
    replaceable = next((node.name for node in lab.topology.nodes if racks.count(node.rack) > 1), None)
    if replaceable is not None:
        lines += [
            f"  flatbgp drain {replaceable}        # its floating IP moves to another node of the rack",
            "  flatbgp lab kill-gateway     # a holder loses power: watch the pings, and the address move",
        ]
    lines.append("  flatbgp lab down")
    return "\n".join(lines)


def _own_view(lab: Lab, router: str) -> str:
    directory = lab.directory / router
    if lab.software is Software.BIRD:
        return f"birdc -s {directory / CONTROL} show route"
    return f"vtysh --vty_socket {directory} -c 'show bgp'"
