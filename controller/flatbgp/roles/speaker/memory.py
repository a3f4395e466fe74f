"""What must survive a restart of the speaker: which store it served, and the last good plan.

Both lie below the state directory, in a folder named after the store's URL and the node, so that the state of another
store or node is never used. Passwords are never written: a session that has one waits for its Secret.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path as FilePath
from typing import Any

from flatbgp.engine.model import Desired, ExportAttributes, GracefulRestart, Neighbor, Path

_DIGEST = 16  # hexadecimal digits of the folder's name


@dataclass(frozen=True, slots=True)
class Memory:
    """The files of one speaker. Unreadable or foreign content is the same as none; writing raises :class:`OSError`."""

    folder: FilePath

    @staticmethod
    def of(state_dir: FilePath, store: str, node: str) -> "Memory":
        """Return the memory of a node's speaker for a store."""
        digest = hashlib.sha256(f"{store}\0{node}".encode()).hexdigest()[:_DIGEST]
        return Memory(state_dir / f"speaker-{digest}")

    @property
    def identity_file(self) -> FilePath:
        """The file that holds the identity of the store; removing it accepts another store."""
        return self.folder / "store-identity"

    def identity(self) -> str | None:
        """Return the identity of the store that this node served last."""
        try:
            return self.identity_file.read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def learn(self, identity: str) -> None:
        """Remember which store this node serves."""
        self._write(self.identity_file, identity + "\n")

    def remember(self, desired: Desired) -> None:
        """Keep a plan for a restart in which the lists cannot be read."""
        document = {
            "routerID": str(desired.router_id),
            "neighbors": [
                _neighbor_document(neighbor) for neighbor in desired.neighbors.values() if neighbor.password is None
            ],
            "paths": [[str(path.prefix), str(path.next_hop)] for path in desired.paths.values()],
        }
        self._write(self._plan_file, json.dumps(document))

    def forget(self) -> None:
        """Drop the plan: nothing is left of it."""
        self._plan_file.unlink(missing_ok=True)

    def recall(self, marker: str) -> Desired | None:
        """Return the plan that was kept, if there is one."""
        try:
            document = json.loads(self._plan_file.read_text(encoding="utf-8"))
            neighbors = [_neighbor(entry) for entry in document["neighbors"]]
            paths = [Path(ip_network(prefix), ip_address(next_hop)) for prefix, next_hop in document["paths"]]
            return Desired(
                router_id=IPv4Address(document["routerID"]),
                marker=marker,
                neighbors={neighbor.address: neighbor for neighbor in neighbors},
                paths={path.prefix: path for path in paths},
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None  # none yet, cut off by a crash, or of another version: the store will tell all of it again

    @property
    def _plan_file(self) -> FilePath:
        return self.folder / "last-plan.json"

    def _write(self, file: FilePath, text: str) -> None:
        """Write a file so that a crash leaves either the old or the new one."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = file.with_suffix(".new")
        with draft.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)


def _neighbor_document(neighbor: Neighbor) -> Mapping[str, Any]:
    document = asdict(replace(neighbor, password=None))
    del document["password"]
    return {**document, "address": str(neighbor.address), "local_address": str(neighbor.local_address)}


def _neighbor(entry: Mapping[str, Any]) -> Neighbor:
    restart, export = entry["graceful_restart"], entry["export"]
    return Neighbor(
        **{
            **entry,
            "address": ip_address(entry["address"]),
            "local_address": ip_address(entry["local_address"]),
            "graceful_restart": GracefulRestart(**restart) if restart is not None else None,
            "export": ExportAttributes(
                communities=tuple(export["communities"]),
                large_communities=tuple((first, second, third) for first, second, third in export["large_communities"]),
                med=export["med"],
                local_pref=export["local_pref"],
            ),
        }
    )
