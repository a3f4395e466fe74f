"""The committed stubs are what protos/ says, and both generations live in one process."""

import subprocess
import sys
from pathlib import Path

from google.protobuf.internal import api_implementation

from flatbgp_gobgp.v3 import gobgp_pb2 as v3
from flatbgp_gobgp.v4 import gobgp_pb2 as v4

ROOT = Path(__file__).resolve().parents[3]


def test_generating_again_gives_the_committed_files(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "tools/generate_protos.py", tmp_path], check=True)
    committed = ROOT / "generated"

    def contents(base: Path) -> dict[str, str]:
        return {
            str(file.relative_to(base)): file.read_text()
            for file in sorted((base / "flatbgp_gobgp").rglob("*"))
            if file.is_file() and "__pycache__" not in file.parts
        }

    assert contents(tmp_path) == contents(committed), "run `make generate` and commit what it writes"


def test_messages_carry_the_names_that_the_daemons_expect() -> None:
    assert v3.IPAddressPrefix.DESCRIPTOR.full_name == "apipb.IPAddressPrefix"
    assert v3.DESCRIPTOR.services_by_name["GobgpApi"].full_name == "apipb.GobgpApi"
    assert v4.DESCRIPTOR.services_by_name["GoBgpService"].full_name == "api.GoBgpService"


def test_protobuf_runs_compiled_code() -> None:
    assert api_implementation.Type() == "upb", "the pure Python runtime is 18 times slower"
