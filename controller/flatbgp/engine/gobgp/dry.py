"""The calls that lead to what is wanted, without a daemon: what the adapter itself says to one that knows nothing."""

from collections.abc import Iterator

from flatbgp.engine.diff import AddNeighbor, Announce, Start, diff
from flatbgp.engine.gobgp.adapter import GobgpEngine
from flatbgp.engine.gobgp.channel import DryChannel, Note
from flatbgp.engine.gobgp.entries import Entry, entry_of
from flatbgp.engine.gobgp.methods import SERVICES
from flatbgp.engine.gobgp.replay import Call, changing_calls
from flatbgp.engine.model import Desired, EngineInfo, Observed

_NOWHERE = "unix:///nowhere"


async def dry_calls(desired: Desired, api: str) -> tuple[Call, ...]:
    """Return the changing calls that bring an idle daemon of an API generation to what is desired, in their order."""
    notes: list[Note] = []
    engine = GobgpEngine(_NOWHERE, DryChannel(SERVICES[api]))
    engine.trace(notes.append)
    try:
        for action in diff(desired, Observed(EngineInfo(api, started=False))):
            match action:
                case Start():
                    await engine.start(action.router_id, action.marker)
                case Announce():
                    await engine.announce(action.paths)
                case AddNeighbor():
                    await engine.add_neighbor(action.neighbor)
                case _:
                    raise AssertionError(f"an idle daemon has nothing to change or to lose: {action}")
    finally:
        await engine.close()
    return tuple(changing_calls(_entries(notes)))


def _entries(notes: list[Note]) -> Iterator[Entry]:
    return (entry_of(note) for note in notes)
