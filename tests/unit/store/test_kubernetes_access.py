"""Where the Kubernetes store looks for an API server, and what it says when there is none."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flatbgp.store.kubernetes.access import Location, load, location
from flatbgp.store.protocol import StoreError


def kubeconfig(path: Path, *contexts: str, user: dict[str, Any] | None = None) -> Path:
    """Write a file whose contexts each have a cluster of their own name; the first is the current one."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example:6443"}} for name in contexts],
        "users": [{"name": "me", "user": user or {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in contexts],
        "current-context": contexts[0],
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without anything, outside of any pod."""
    monkeypatch.setenv("HOME", str(tmp_path))
    of_pods = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
    of_proxies = [name + "_proxy" for name in ("http", "https", "all", "no")]
    for name in ("KUBECONFIG", *of_pods, *of_proxies, *map(str.upper, of_proxies)):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_url_names_a_file_and_a_context(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert location("") == Location()
    assert location("?context=a") == Location(context="a")
    assert location("?kubeconfig=~/x%20y&context=a@b") == Location(f"{home}/x y", "a@b")
    assert location("?kubeconfig=here") == Location(f"{home}/here")


async def test_the_usual_places_are_looked_at_in_the_usual_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match=r"no Kubernetes cluster is configured.*kubernetes:\?kubeconfig=PATH"):
        await load(Location())
    kubeconfig(home / ".kube" / "config", "from-home")
    assert "https://from-home.example:6443" in (await load(Location())).where
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    assert "https://from-home.example:6443" in (await load(Location())).where
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(home / "env", "from-env")))
    assert "https://from-env.example:6443" in (await load(Location())).where
    given = kubeconfig(home / "given", "one", "two")
    assert "https://one.example:6443" in (await load(Location(str(given)))).where
    access = await load(Location(str(given), "two"))
    assert access.where == f"https://two.example:6443 (context two of {given})"
    assert access.configuration.host == "https://two.example:6443"
    assert await access.authorization() == "Bearer t"


async def test_several_files_of_the_environment_are_one_configuration(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [kubeconfig(home / name, name) for name in ("a", "b")]
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, (files[0], home / "missing", files[1]))))
    assert "https://a.example:6443" in (await load(Location(context="a"))).where
    assert "https://b.example:6443" in (await load(Location(context="b"))).where


async def test_the_environments_proxy_is_used_unless_the_kubeconfig_names_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Location(str(kubeconfig(home / "config", "one")))
    assert (await load(place)).configuration.proxy is None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert (await load(place)).configuration.proxy == "http://proxy.example:3128"
    monkeypatch.setenv("NO_PROXY", "localhost,.example")
    assert (await load(place)).configuration.proxy is None
    config = json.loads((home / "config").read_text())
    config["clusters"][0]["cluster"]["proxy-url"] = "http://given.example:3128"
    (home / "config").write_text(json.dumps(config))
    assert (await load(place)).configuration.proxy == "http://given.example:3128"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is not there"),
        ("", "is no kubeconfig that can be read"),
        ("{", "is no kubeconfig that can be read"),
        ("[]", "is no kubeconfig that can be read"),
        ("contexts: []", "cannot be used"),
    ],
)
async def test_a_file_that_is_no_kubeconfig_is_named(home: Path, text: str | None, said: str) -> None:
    path = home / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StoreError, match=said) as error:
        await load(Location(str(path)))
    assert str(path) in str(error.value)


async def test_a_context_that_is_not_there_is_named(home: Path) -> None:
    path = kubeconfig(home / "config", "one")
    with pytest.raises(StoreError, match="two"):
        await load(Location(str(path), "two"))


async def test_a_pod_without_its_token_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(StoreError, match="this pod cannot be used: Service token file does not exist"):
        await load(Location())


def test_a_store_does_without_the_generated_api_and_leaves_the_library_whole() -> None:
    """The generated API and the libraries under it would cost each speaker 20 MB."""
    program = """
import sys
import flatbgp.store.kubernetes.store
assert not {"kubernetes", "kubernetes.client", "pydantic", "requests"} & set(sys.modules), sorted(sys.modules)
import kubernetes.aio
assert kubernetes.aio.client.ApiClient is not None
from kubernetes import client
assert client.CoreV1Api is not None
from kubernetes.aio.client import Configuration
from flatbgp.store.kubernetes import library
assert Configuration is library.Configuration
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
