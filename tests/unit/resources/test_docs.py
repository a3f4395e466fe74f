import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from flatbgp.resources import kinds
from flatbgp.resources.reasons import Reason
from flatbgp.resources.schema import shape_of

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "tools" / "generate_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["resources.md", "reasons.md"])
def test_the_reference_pages_are_up_to_date(generator: ModuleType, name: str) -> None:
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == generator.PAGES[name](), "run tools/generate_docs.py"


def test_the_page_of_resources_has_every_kind_and_field(generator: ModuleType) -> None:
    page = generator.resources_page()
    for kind in kinds.ALL:
        section = page.partition(f"## {kind.name} ({kind.group or 'core'})\n")[2].partition("\n## ")[0]
        for known in shape_of(kind.spec_type).properties:
            assert known.name in section


def test_every_reason_has_a_meaning_and_a_cure() -> None:
    for reason in Reason:
        assert reason.value[0].isupper()
        assert reason.value.isalnum(), "one word"
        assert reason.meaning.endswith(".")
        assert reason.cure.endswith(".")
