#!/usr/bin/env python3
"""Write generated/flatbgp_gobgp/ from protos/: messages, gRPC stubs and their types.

Usage: generate_protos.py [OUTPUT_DIRECTORY]    (default: generated/ beside protos/)
"""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "flatbgp_gobgp"
VERSIONS = ("v3", "v4")
INIT = {
    "": '"""Generated code: the GoBGP API of two generations. See protos/README.md."""\n',
    "v3": '"""Generated from protos/v3/gobgp.proto."""\n',
    "v4": '"""Generated from protos/v4/gobgp.proto."""\n',
}


def generate(output: Path) -> None:
    """Generate both versions into ``output``/flatbgp_gobgp.

    protos/ is presented to the compiler under the name of the Python package. So the modules import each other by
    their real place, and the names in protobuf's process-wide pool of files cannot clash with another program's.
    """
    output.mkdir(parents=True, exist_ok=True)
    scripts = Path(sys.executable).parent
    for version in VERSIONS:
        status = protoc.main(
            [
                "protoc",
                f"-I{PACKAGE}={ROOT / 'protos'}",
                f"-I{files('grpc_tools') / '_proto'}",
                f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
                f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
                f"--python_out={output}",
                f"--grpc_python_out={output}",
                f"--mypy_out=quiet:{output}",
                f"--mypy_grpc_out=quiet:{output}",
                f"{PACKAGE}/{version}/gobgp.proto",
            ]
        )
        if status != 0:
            raise SystemExit(f"protoc failed with status {status} for {version}")
    for folder, text in INIT.items():
        (output / PACKAGE / folder / "__init__.py").write_text(text)
    (output / PACKAGE / "py.typed").write_text("")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "generated")
