"""How to reach an API server, and as whom: from a ``kubernetes:`` URL, the usual kubeconfig rules, or a pod's own."""

import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import yaml

from flatbgp.store.kubernetes.library import ConfigException, Configuration, load_incluster_config, load_kube_config
from flatbgp.store.protocol import StoreError
from flatbgp.store.url import BadStoreURL

FORM: Final = "kubernetes: or kubernetes:?kubeconfig=PATH&context=NAME"

_KUBECONFIG: Final = "KUBECONFIG"
_POD_HOST: Final = "KUBERNETES_SERVICE_HOST"


@dataclass(frozen=True, slots=True)
class Location:
    """What the URL says; what it leaves out follows the usual rules."""

    kubeconfig: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """An API server, and as whom it is asked. ``where`` names both in words."""

    configuration: Configuration
    where: str

    async def authorization(self) -> str | None:
        """Return the value of the Authorization header; a pod's token is read anew every minute."""
        try:
            return await self.configuration.get_api_key_with_prefix("BearerToken")
        except ConfigException as error:
            raise StoreError(f"{self.where}: its token cannot be read: {error}") from error


def location(rest: str) -> Location:
    """Return what stands behind ``kubernetes:`` in a URL. A relative path counts from the working directory now."""
    head, _, query = rest.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        pairs = [("", "")]
    known = dict(pairs)
    if head or len(known) < len(pairs) or not known.keys() <= {"kubeconfig", "context"} or "" in known.values():
        raise BadStoreURL(f"'kubernetes:{rest}' names no store: write {FORM}; sqlite:PATH is a file on this machine")
    path = known.get("kubeconfig", "")
    return Location(str(Path(path).expanduser().absolute()) if path else "", known.get("context", ""))


async def load(place: Location) -> Access:
    """Find the API server and the credentials.

    In this order: the kubeconfig that the URL names; the files of $KUBECONFIG; ~/.kube/config; the ServiceAccount of
    the pod that this process runs in. Raises :class:`StoreError` that says where it looked.
    """
    configuration = Configuration()
    # Authorities made by kubeadm and its like have no Authority Key Identifier. Python insists on one from 3.13 on
    # (VERIFY_X509_STRICT); no other Kubernetes client does.
    configuration.disable_strict_ssl_verification = True
    files = place.kubeconfig or os.environ.get(_KUBECONFIG, "") or _default_file()
    try:
        if not files and not place.context and os.environ.get(_POD_HOST):
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # the library's
            configuration.proxy = _proxy(configuration.host)
            return Access(configuration, f"{configuration.host} (as the pod's ServiceAccount)")
        if not _some_file(files):
            raise StoreError(_nothing_found(place, files))
        loader = await load_kube_config(  # type: ignore[no-untyped-call]  # the library's
            files, place.context or None, configuration, persist_config=False
        )
        context = loader.current_context["name"]
    except ConfigException as error:
        raise StoreError(f"{files or 'the configuration of this pod'} cannot be used: {error}") from error
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        # The library takes a kubeconfig's shape for granted.
        raise StoreError(f"{files} is no kubeconfig that can be read: {type(error).__name__}: {error}") from error
    configuration.proxy = configuration.proxy or _proxy(configuration.host)
    return Access(configuration, f"{configuration.host} (context {context} of {files})")


def _proxy(host: str) -> str | None:
    """Return the proxy that the environment names for a server, as curl and kubectl read it.

    Found out once: aiohttp would look for it in a thread at each request, which costs a third of a write (measured).
    """
    url = urlsplit(host)
    if url.hostname is None or urllib.request.proxy_bypass_environment(url.hostname):  # type: ignore[attr-defined]
        return None
    return urllib.request.getproxies_environment().get(url.scheme)


def _default_file() -> str:
    path = Path.home() / ".kube" / "config"
    return str(path) if path.is_file() else ""


def _some_file(files: str) -> bool:
    return any(Path(file).expanduser().is_file() for file in files.split(os.pathsep))


def _nothing_found(place: Location, files: str) -> str:
    if place.kubeconfig or files:
        return f"the kubeconfig {files} is not there"
    return (
        "no Kubernetes cluster is configured: there is no $KUBECONFIG, no ~/.kube/config, and this is no pod;"
        f" name a kubeconfig: {FORM}"
    )
