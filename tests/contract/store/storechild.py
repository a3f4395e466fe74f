"""Processes that the tests of the embedded store start, to write beside them, to be killed, or to hold a lock.

Usage: python storechild.py WHAT PATH [ARGUMENT...]. Each says on its standard output what it has done, a line each.
"""

import asyncio
import os
import sqlite3
import sys
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from storedocs import NAMESPACE, manifest, node, peer

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.node import NODE
from flatbgp.store.protocol import AlreadyExists, Conflict, StoreError
from flatbgp.store.url import open_store


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - this is how it talks to the test


async def count_up(path: str, times: str) -> None:
    """Add one to a number in the store, so many times, by compare-and-swap."""
    store = open_store(f"sqlite:{path}")
    done = 0
    while done < int(times):
        found = await store.get(BGP_PEER, "router", NAMESPACE)
        try:
            if found is None:
                await store.create(BGP_PEER, peer(annotations={"count": "1"}))
            else:
                text = str(int(found.meta.annotations["count"]) + 1)
                patch = {"metadata": {"annotations": {"count": text}}}
                await store.patch(BGP_PEER, "router", NAMESPACE, patch, version=found.meta.resource_version)
        except (Conflict, AlreadyExists):
            continue
        done += 1
    await store.close()
    say("done")


async def write_on(path: str, name: str) -> None:
    """Apply two Nodes with one number in one transaction, again and again; say each number when it is written."""
    store = open_store(f"sqlite:{path}")
    for number in count(1):
        labels = {"number": str(number), "filler": "x" * 60}
        nodes = [manifest(NODE, node(f"{name}-{side}", labels=labels)) for side in ("a", "b")]
        await store.apply(nodes)
        if number % 7 == 0:
            await store.delete(NODE, f"{name}-a")
            await store.apply(nodes)
        say(number)


async def write_once(path: str, name: str) -> None:
    """Write one Node as this user."""
    store = open_store(f"sqlite:{path}")
    await store.apply([manifest(NODE, node(name))])
    say("written")
    await store.close()


async def write_as(path: str, user: str, group: str, name: str) -> None:
    """Become another user, then write one Node; keep the store open until standard input ends."""
    # All code is loaded by use first: the interpreter's own files may be closed to the other user.
    with TemporaryDirectory() as scratch:
        store = open_store(f"sqlite:{scratch}/first.db")
        await store.apply([manifest(NODE, node(name))])
        await store.close()
    os.setgroups([])
    os.setgid(int(group))
    os.setuid(int(user))
    store = open_store(f"sqlite:{path}")
    try:
        await store.apply([manifest(NODE, node(name))])
        say("written")
    except StoreError as error:
        say(type(error).__name__, str(error))
    await asyncio.to_thread(sys.stdin.read)
    await store.close()


async def hold_lock(path: str, kind: str) -> None:
    """Hold the write lock, or with EXCLUSIVE the only connection, until standard input ends."""
    connection = sqlite3.connect(Path(path), isolation_level=None)
    if kind == "EXCLUSIVE":
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute(f"BEGIN {kind}")
    say("locked")
    sys.stdin.read()
    connection.execute("ROLLBACK")
    connection.close()


if __name__ == "__main__":
    what = {each.__name__: each for each in (count_up, write_on, write_once, write_as, hold_lock)}
    asyncio.run(what[sys.argv[1]](*sys.argv[2:]))
