"""Kernel settings that decide whether a floating IP can live on an interface."""

from pathlib import Path

from flatbgp.resources.ip import Family

_ROOT = Path("/proc/sys/net")


def findings(interface: str, family: Family, root: Path = _ROOT) -> tuple[str, ...]:
    """Return what is set so that floating IPs of a family work badly on the interface; empty: all is well.

    Nothing is changed: these settings are the administrator's. A setting that this kernel does not have is fine.
    """
    if family is Family.IPV6:
        if _read(root / "ipv6/conf" / interface / "disable_ipv6") != 1:
            return ()
        return (f"net.ipv6.conf.{interface}.disable_ipv6 is 1: no IPv6 floating IP can be put there; set it to 0",)
    found: list[str] = []
    # The kernel takes the larger of the value for all interfaces and the interface's own.
    arp_ignore = max(_read(root / "ipv4/conf" / name / "arp_ignore") for name in ("all", interface))
    if arp_ignore >= 4:
        found.append(
            f"net.ipv4.conf.{interface}.arp_ignore (or .all) is {arp_ignore}: the host answers no ARP request, so "
            "nobody finds a floating IP there; set it to 0, 1 or 2"
        )
    if nonlocal_bind(family, root):
        found.append(
            "net.ipv4.ip_nonlocal_bind is 1: gobgpd can open a session from a floating IP that is not on this host; "
            "set it to 0"
        )
    return tuple(found)


def nonlocal_bind(family: Family, root: Path = _ROOT) -> bool:
    """Whether programs may send from addresses that this host does not have."""
    return _read(root / ("ipv4" if family is Family.IPV4 else "ipv6") / "ip_nonlocal_bind") == 1


def _read(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
