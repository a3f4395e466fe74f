"""From the URL that names a store to the store."""

from pathlib import Path
from typing import Final

from flatbgp.store.protocol import Store, StoreError

_FORMS: Final = "write sqlite:PATH (one file on this machine) or kubernetes:"
_MEMORY: Final = ":memory:"


class BadStoreURL(StoreError):
    """The URL names no store; the text says what one looks like."""


def open_store(url: str) -> Store:
    """Return the store that ``url`` names. Nothing is opened yet: the first call does that, and raises if it cannot.

    ``sqlite:PATH`` is the embedded store, in a file that is made by the first write; ``sqlite::memory:`` one that ends
    with the process. ``kubernetes:`` is the cluster that kubectl would use here, or the one that this process is a pod
    of; ``kubernetes:?kubeconfig=PATH&context=NAME`` a given one. A relative path counts from the working directory at
    this moment.
    """
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise BadStoreURL(f"{url!r} is no store: {_FORMS}")
    match scheme:
        case "sqlite":
            from flatbgp.store.sqlite.store import SqliteStore  # noqa: PLC0415 - a store's libraries load with its use

            return SqliteStore(None if rest == _MEMORY else _path(rest))
        case "kubernetes":
            from flatbgp.store.kubernetes.access import location  # noqa: PLC0415 - the same
            from flatbgp.store.kubernetes.store import KubernetesStore  # noqa: PLC0415 - as above

            return KubernetesStore(location(rest))
        case _:
            raise BadStoreURL(f"{url!r}: there is no kind of store called {scheme!r}; {_FORMS}")


def is_supervised(url: str) -> bool:
    """Return whether processes that use the store are started again when they end: pods are, on one machine who knows.

    The same stores keep Events, which people read there; on the embedded store the log is all there is.
    """
    return url.startswith("kubernetes:")


def _path(text: str) -> Path:
    if text.startswith("//"):
        # sqlite:///var/lib/flatbgp/store.db, as others write it: an empty host, then the absolute path.
        text = text[2:]
        if not text.startswith("/"):
            raise BadStoreURL(f"'sqlite://{text}' names a host; write sqlite:PATH, as sqlite:/var/lib/flatbgp/store.db")
    if not text or "\0" in text or text.endswith("/"):
        raise BadStoreURL(f"{'sqlite:' + text!r} names no file; write sqlite:PATH, as sqlite:/var/lib/flatbgp/store.db")
    return Path(text).expanduser().absolute()
