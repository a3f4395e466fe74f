"""Write the chart's CustomResourceDefinitions and admission policy anew from the annotations of the kinds.

Run it after a change of a kind; a unit test compares the files with what it would write. The chart loads them from
charts/flatbgp/files: crds/user for every cluster, crds/admin for one that describes clusters, policies for both.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from flatbgp.resources.admission import NAME, binding, policy
from flatbgp.resources.crd import ADMIN_GROUP, DEFINED, MINIMUM_KUBERNETES, definition

FILES = Path(__file__).resolve().parent.parent / "charts" / "flatbgp" / "files"

_HEAD = f"# Made by tools/generate_crds.py; needs Kubernetes {MINIMUM_KUBERNETES} or newer.\n"


def files() -> Mapping[str, str]:
    """Return the content of each file by its path below the chart's files."""
    made = {
        f"crds/{'admin' if kind.group == ADMIN_GROUP else 'user'}/{kind.full_name}.yaml": _text(definition(kind))
        for kind in DEFINED
    }
    made[f"policies/{NAME}.yaml"] = _text(policy(), binding())
    return made


def _text(*documents: Mapping[str, Any]) -> str:
    return _HEAD + yaml.safe_dump_all(documents, sort_keys=False, width=110, allow_unicode=True)


def main() -> int:
    """Write the files, and remove those that are no longer made."""
    made = files()
    for old in sorted(FILES.glob("crds/*/*.yaml")) + sorted(FILES.glob("policies/*.yaml")):
        if str(old.relative_to(FILES)) not in made:
            old.unlink()
    for name, text in made.items():
        path = FILES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(FILES.parents[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
