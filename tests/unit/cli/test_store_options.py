"""Which store a command works on, from --store, --kubeconfig, --context, the environment, and the program's name."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from flatbgp.cli.params import PLUGIN, PROGRAM, optional_store_option, store_option
from flatbgp.store.kubernetes.access import Location, location
from flatbgp.store.url import open_store


@click.group()
def group() -> None:
    """Commands that say which store they were given."""


@group.command()
@store_option
def needs(store: str) -> None:
    """Say the store."""
    click.echo(store)


@group.command()
@optional_store_option("What it is for.")
def may(store: str | None) -> None:
    """Say the store, if there is one."""
    click.echo(store)


def call(*arguments: str, environment: str | None = None, name: str = PROGRAM) -> Result:
    return CliRunner().invoke(group, arguments, env={"FLATBGP_STORE": environment}, prog_name=name)


@pytest.mark.parametrize("command", ["needs", "may"])
@pytest.mark.parametrize(
    ("arguments", "environment", "store"),
    [
        (["--store", "sqlite:a"], None, "sqlite:a"),
        (["--store", "sqlite:a"], "sqlite:b", "sqlite:a"),
        ([], "sqlite:b", "sqlite:b"),
        (["--kubeconfig", "/a/b"], None, "kubernetes:?kubeconfig=/a/b"),
        (["--context", "c"], None, "kubernetes:?context=c"),
        (["--context", "c", "--kubeconfig", "/a/b"], None, "kubernetes:?kubeconfig=/a/b&context=c"),
        (["--context", "c"], "sqlite:b", "kubernetes:?context=c"),
        (["--store", "kubernetes:", "--context", "c"], None, "kubernetes:?context=c"),
        (["--context", "c", "--store", "kubernetes:"], None, "kubernetes:?context=c"),
    ],
)
def test_what_is_named_is_used(command: str, arguments: list[str], environment: str | None, store: str) -> None:
    assert call(command, *arguments, environment=environment).output == f"{store}\n"


def test_odd_names_arrive_as_they_are() -> None:
    url = call("needs", "--kubeconfig", "/a b/&c=d", "--context", "e@f/g:h").output.strip()
    assert location(url.partition(":")[2]) == Location("/a b/&c=d", "e@f/g:h")
    open_store(url)


@pytest.mark.parametrize("command", ["needs", "may"])
@pytest.mark.parametrize("store", ["sqlite:a", "kubernetes:?context=d"])
def test_two_stores_are_one_too_many(command: str, store: str) -> None:
    done = call(command, "--store", store, "--context", "c")
    assert done.exit_code == 2
    assert "give one" in done.output


def test_a_plugin_of_kubectl_asks_kubectls_cluster_unless_told_otherwise() -> None:
    assert call("needs", name=PLUGIN).output == "kubernetes:\n"
    assert call("needs", name=PLUGIN, environment="sqlite:b").output == "sqlite:b\n"
    assert call("may", name=PLUGIN).output == "\n"
    assert call("needs").exit_code == 2


@pytest.mark.parametrize(("link", "name"), [("kubectl-flatbgp", "kubectl flatbgp"), ("flatbgp", "flatbgp")])
def test_it_is_called_as_it_is_linked(tmp_path: Path, link: str, name: str) -> None:
    program = tmp_path / link
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom flatbgp.cli.main import main\nsys.exit(main())\n")
    program.chmod(0o755)
    done = subprocess.run([program, "get", "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith(f"Usage: {name} get ")
