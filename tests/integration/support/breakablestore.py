"""A cluster whose store can be unreachable for all or for some, locked, full, or exchanged for another one."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from flatbgp.lab.commands import run
from flatbgp.lab.lifecycle import Software, stores
from flatbgp.lab.processes import Process
from flatbgp.lab.stores import Stores
from support.cluster import Cluster
from support.sandbox import Sandbox

_STORE_BYTES = 24 << 20


class BreakableStore(Cluster):
    """A cluster whose user store has a disk of its own, so that it can be full."""

    def __init__(
        self,
        sandbox: Sandbox,
        manifests: str,
        *,
        gobgpd_binary: str,
        extra: Mapping[str, Sequence[str]],
        software: Software,
    ) -> None:
        super().__init__(sandbox, manifests, gobgpd_binary=gobgpd_binary, extra=extra)
        self.software = software
        self._cut_from_store: dict[str, Process] = {}
        self._disk = self.directory / "store"
        self._disk.mkdir()
        run(("mount", "-t", "tmpfs", "-o", f"size={_STORE_BYTES},mode=755", "tmpfs", str(self._disk)))
        sandbox.finally_call(lambda: run(("umount", "--lazy", str(self._disk))))
        self.stores = Stores(admin=stores(self.directory).admin, user=f"sqlite:{self.store_file}")

    @property
    def store_file(self) -> Path:
        """The user store's file."""
        return self._disk / "user.db"

    def close_store(self) -> None:
        """Make the store unreachable for everybody."""
        self.store_file.chmod(0)

    def open_store(self) -> None:
        """Undo :meth:`close_store`."""
        self.store_file.chmod(0o660)

    def cut_from_store(self, *nodes: str) -> None:
        """Make the store unreachable for the speakers of these nodes only: they see a file that lets nobody in.

        ``ip netns exec`` gave each its own view of the file system.
        """
        closed = self.directory / "closed.db"
        closed.write_bytes(b"closed")
        closed.chmod(0)
        for node in nodes:
            speaker = self.speaker(node)
            _in_view_of(speaker, "mount", "--bind", str(closed), str(self.store_file))
            self._cut_from_store[node] = speaker

    def rejoin_store(self, *nodes: str) -> None:
        """Undo :meth:`cut_from_store`."""
        for node in nodes:
            speaker = self._cut_from_store.pop(node)
            if speaker.alive:
                _in_view_of(speaker, "umount", str(self.store_file))

    @contextmanager
    def locked_store(self) -> Iterator[None]:
        """Hold the store's lock: whoever asks waits until its deadline."""
        with closing(sqlite3.connect(self.store_file, isolation_level=None)) as somebody:
            somebody.execute("BEGIN EXCLUSIVE")
            yield
            somebody.execute("ROLLBACK")

    @contextmanager
    def emptied_store(self) -> Iterator[None]:
        """Put an empty store in the place of the store while the block runs."""
        real = self.store_file.with_name("real.db")
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.store_file}{suffix}").rename(f"{real}{suffix}")
        self.flatbgp("apply", "-f", "-", "--store", f"sqlite:{self.store_file}", text=self._a_node())
        try:
            yield
        finally:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.store_file}{suffix}").unlink(missing_ok=True)
                Path(f"{real}{suffix}").rename(f"{self.store_file}{suffix}")

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Fill the store's disk to its last byte while the block runs."""
        filler = self._disk / "filler"
        with filler.open("wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(b"\0" * 4096)
            except OSError:
                pass
        try:
            yield
        finally:
            filler.unlink()

    def _a_node(self) -> str:
        return json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "stranger"}})

    def mend_store(self) -> None:
        """Make it reachable for everybody again."""
        self.open_store()
        self.rejoin_store(*tuple(self._cut_from_store))


def _in_view_of(process: Process, *command: str) -> None:
    """Run a command that changes what one process sees of the file system."""
    run(("nsenter", "--target", str(process.pid), "--mount", *command))
