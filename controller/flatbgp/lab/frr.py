"""FRR as the lab's routers: their configuration, and zebra and bgpd in a namespace with directories of their own."""

import grp
import pwd
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flatbgp.lab.commands import LabError
from flatbgp.lab.namespaces import Namespace
from flatbgp.lab.processes import Process
from flatbgp.lab.topology import TRANSIT_IPV4, Neighbor, Router
from flatbgp.lab.vty import Vty
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.secrets import Password

_DAEMON_DIRECTORIES = (Path("/usr/lib/frr"), Path("/usr/libexec/frr"))
_START_DEADLINE = 20.0


def daemon(name: str) -> Path:
    """Return where FRR keeps one of its daemons."""
    for directory in _DAEMON_DIRECTORIES:
        if (directory / name).exists():
            return directory / name
    raise LabError(f"FRR's {name} is not installed: 'make setup' as root installs it (Debian package frr)")


def render(router: Router) -> str:
    """Return a router's bgpd configuration.

    It is what an operator would write for the guide's network: one neighbour for each floating IP, several hops away
    where that is allowed, both families, and graceful restart so that routes outlive the move of a floating IP. The
    other routers are neighbours on the transit LAN, so that a pod's route is known also where its session is not.
    """
    return "\n".join(_lines(router)) + "\n"


def _lines(router: Router) -> Iterator[str]:
    yield f"hostname {router.name}"
    yield "log timestamp precision 3"
    yield f"router bgp {router.asn}"
    yield f" bgp router-id {router.router_id}"
    yield " bgp log-neighbor-changes"
    yield " no bgp ebgp-requires-policy"  # RFC 8212 would drop every route of a neighbour without route maps
    yield " no bgp default ipv4-unicast"
    yield " bgp graceful-restart"
    yield " bgp graceful-restart preserve-fw-state"
    for neighbor in router.neighbors:
        yield from _neighbor(neighbor)
    for family in ("ipv4", "ipv6"):
        yield f" address-family {family} unicast"
        for neighbor in router.neighbors:
            yield f"  neighbor {neighbor.address} activate"
            if neighbor.address not in TRANSIT_IPV4:
                # What a node says itself goes before what another router passes on: of two paths of one length each
                # router might take the other's, and packets go round between them.
                yield f"  neighbor {neighbor.address} weight 1"
        yield " exit-address-family"
    yield "exit"


def _neighbor(neighbor: Neighbor) -> Iterator[str]:
    name = f" neighbor {neighbor.address}"
    yield f"{name} remote-as {neighbor.asn}"
    yield f"{name} timers connect 5"
    if neighbor.multihop:
        yield f"{name} ebgp-multihop 255"
    if neighbor.password is not None:
        yield f"{name} password {_one_word(neighbor.password)}"


def _one_word(password: Password) -> str:
    """Return a password as FRR reads it: up to the first blank, from a line that ends where the password's does."""
    text = password.reveal()
    if text.split() != [text]:
        raise LabError("FRR cannot read a password with a blank or a line end: choose another for this lab")
    return text


@dataclass(slots=True)
class RouterProcess:
    """A running router: zebra, bgpd and an open vty to bgpd."""

    name: str
    namespace: Namespace
    directory: Path
    vty: Vty
    zebra: Process
    bgpd: Process

    @property
    def processes(self) -> Sequence[Process]:
        """Both daemons, in the order of their start."""
        return (self.zebra, self.bgpd)

    def stop(self) -> None:
        """End both daemons; bgpd tells its neighbours."""
        self.vty.close()
        for process in reversed(self.processes):
            process.stop()


def start_router(name: str, config: str, namespace: Namespace, directory: Path) -> RouterProcess:
    """Start zebra and bgpd with everything of theirs in ``directory``; they are ready when this returns.

    The daemons give up root for the user frr, which must be able to reach and write the directory. A Unix socket's path
    has at most 107 bytes, so the directory's name must be short.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        shutil.chown(directory, "frr", "frr")
    except LookupError:
        raise LabError("there is no user frr: 'make setup' as root installs FRR (Debian package frr)") from None
    (directory / "zebra.conf").write_text(f"hostname {name}\n")
    _write_secret(directory / "bgpd.conf", config)
    log = directory / "bgpd.log"
    read = log.stat().st_size if log.exists() else 0
    processes: list[Process] = []
    try:
        for program in ("zebra", "bgpd"):
            processes.append(_start_daemon(program, name, namespace, directory))  # noqa: PERF401 - the first must be known when the second fails
        _check_config(name, log.read_text(errors="replace")[read:])
    except LabError:
        for process in processes:
            process.kill()
        raise
    return RouterProcess(name, namespace, directory, Vty(directory / "bgpd.vty"), *processes)


def _start_daemon(program: str, name: str, namespace: Namespace, directory: Path) -> Process:
    socket = directory / f"{program}.vty"
    socket.unlink(missing_ok=True)
    process = namespace.start(
        f"{name} {program}",
        str(daemon(program)),
        *("--config_file", str(directory / f"{program}.conf")),
        *("--pid_file", str(directory / f"{program}.pid")),
        *("--socket", str(directory / "zserv.api")),
        *("--vty_socket", str(directory)),
        *("--vty_port", "0"),
        *("--log", f"file:{directory / program}.log", "--log-level", "informational"),
        log=directory / f"{program}.out",
    )
    wait_until(
        f"{program} of {name} to open its vty",
        lambda: socket.exists() or not process.alive,
        deadline=_START_DEADLINE,
    )
    if not process.alive:
        raise LabError(f"{program} of {name} ended at once: {process.output.strip()[-500:]}")
    return process


def _check_config(name: str, log: str) -> None:
    """Raise :class:`LabError` for a configuration line that bgpd left out: it starts all the same."""
    refused = [re.sub(" password .*", " password ***", line) for line in log.splitlines() if " on config line " in line]
    if refused:
        raise LabError(f"FRR does not take the configuration of {name}: {'; '.join(refused)}")


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only FRR reads: it may hold session passwords."""
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(0o640)
    shutil.chown(path, pwd.getpwnam("frr").pw_uid, grp.getgrnam("frr").gr_gid)
