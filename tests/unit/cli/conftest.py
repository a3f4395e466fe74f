"""The program, run in this process and as a process of its own."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flatbgp.cli.main import cli
from flatbgp.store.protocol import Store
from flatbgp.store.url import open_store

Run = Callable[..., Result]
Program = Callable[..., subprocess.CompletedProcess[str]]
OnStore = Callable[[Callable[[Store], Awaitable[Any]]], Any]


@pytest.fixture
def examples() -> Path:
    return Path(__file__).parents[3] / "examples"


@pytest.fixture
def guide(examples) -> str:
    return str(examples / "single-stack-ipv4.yaml")


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'store.db'}"


@pytest.fixture
def run(store_url: str) -> Run:
    """Run a command in this process, on a store of the test's own; an exception that escapes fails the test."""

    def invoke(*arguments: str, stdin: str | bytes | None = None, store: str | None = store_url) -> Result:
        environment = {"FLATBGP_STORE": store, "FLATBGP_DEBUG": None}
        return CliRunner().invoke(cli, arguments, input=stdin, env=environment, catch_exceptions=False)

    return invoke


@pytest.fixture
def on_store(store_url: str) -> OnStore:
    """Do something on the test's store itself."""

    def execute(work: Callable[[Store], Awaitable[Any]]) -> Any:
        async def opened() -> Any:
            store = open_store(store_url)
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(opened())

    return execute


@pytest.fixture
def environment(store_url: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FLATBGP_")}
    return inherited | {"FLATBGP_STORE": store_url}


@pytest.fixture
def program(environment: dict[str, str]) -> Program:
    """Run the program as its own process."""

    def execute(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        settings: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.run(
            [sys.executable, "-m", "flatbgp.cli.main", *arguments],
            text=True,
            env=environment,
            timeout=60,
            check=False,
            **settings,
        )

    return execute
