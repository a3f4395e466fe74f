"""Whether the gobgpd beside a speaker is one that flatbgp can drive."""

from collections.abc import Iterator
from dataclasses import dataclass

from flatbgp.planning.check.findings import Finding, ok, problem


@dataclass(frozen=True, slots=True)
class Daemon:
    """Who answers: ``api`` is "v3" or "v4"; ``ours`` says that a speaker of flatbgp started BGP in it.

    ``version`` is that of the program on this machine, where one is installed; the API does not tell it.
    """

    target: str
    api: str = ""
    started: bool = False
    ours: bool = False
    version: str = ""
    failure: str = ""


def judge_daemon(daemon: Daemon) -> Iterator[Finding]:
    """Yield how it is with the daemon."""
    if daemon.failure:
        yield problem("gobgpd", f"{daemon.failure}; start it (flatbgp gobgpd), or name another one with --gobgp")
    elif daemon.started and not daemon.ours:
        yield problem(
            "gobgpd",
            f"the one on {daemon.target} was started by somebody else, so a speaker leaves it alone; give it its own",
        )
    else:
        version = f", version {daemon.version} is installed" if daemon.version else ""
        state = "a speaker has started BGP in it" if daemon.started else "it waits for a speaker"
        yield ok("gobgpd", f"answers on {daemon.target} (API {daemon.api}{version}); {state}")
