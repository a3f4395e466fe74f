"""Which store a URL names, and what is said of one that names none."""

from pathlib import Path

import pytest
from storedocs import node

from flatbgp.resources.node import NODE
from flatbgp.store.protocol import StoreError
from flatbgp.store.url import open_store


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "sqlite:PATH"),
        ("store.db", "sqlite:PATH"),
        ("postgres://host/db", "no kind of store called 'postgres'"),
        ("sqlite:", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:/tmp/", "names no file"),
        ("sqlite://host/file", "names a host"),
        ("sqlite:a\0b", "names no file"),
        ("kubernetes:/etc/kubeconfig", "names no store"),
        ("kubernetes:?file=x", "names no store"),
        ("kubernetes:?kubeconfig=", "names no store"),
        ("kubernetes:?context=a&context=b", "names no store"),
        ("kubernetes:?x", "names no store"),
    ],
)
def test_a_url_that_names_no_store_says_what_one_looks_like(url: str, said: str) -> None:
    with pytest.raises(StoreError, match="sqlite:") as error:
        open_store(url)
    assert said in str(error.value)
    assert "\0" not in str(error.value)


@pytest.mark.parametrize("form", ["sqlite:{}", "sqlite://{}"])
async def test_both_spellings_of_an_absolute_path_name_one_file(tmp_path: Path, form: str) -> None:
    path = tmp_path / "store.db"
    store = open_store(form.format(path))
    await store.create(NODE, node())
    await store.close()
    assert list(tmp_path.iterdir()) == [path]


async def test_a_relative_path_counts_from_the_directory_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:store.db")
    monkeypatch.chdir("/")
    await store.create(NODE, node())
    await store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


async def test_each_store_in_memory_is_its_own() -> None:
    one, two = open_store("sqlite::memory:"), open_store("sqlite::memory:")
    await one.create(NODE, node())
    assert (await two.list(NODE)).items == ()
    assert await one.identity() != await two.identity()
    await one.close()
    await two.close()
