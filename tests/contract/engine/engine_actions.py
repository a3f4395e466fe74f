"""Doing what a diff says, to whatever engine: the plainest way."""

from collections.abc import Iterable

from flatbgp.engine.diff import Action, AddNeighbor, Announce, RemoveNeighbor, Start, UpdateNeighbor, Withdraw
from flatbgp.engine.protocol import Engine


async def perform(engine: Engine, actions: Iterable[Action]) -> None:
    """Do what a diff says."""
    for action in actions:
        match action:
            case Start():
                await engine.start(action.router_id, action.marker)
            case Announce():
                await engine.announce(action.paths)
            case Withdraw():
                await engine.withdraw(action.paths)
            case AddNeighbor():
                await engine.add_neighbor(action.neighbor)
            case UpdateNeighbor():
                await engine.update_neighbor(action.neighbor)
            case RemoveNeighbor():
                await engine.remove_neighbor(action.address, action.exit)
