"""What a person is told to try in a lab."""

from pathlib import Path

import pytest

from flatbgp.lab.guide import what_to_try
from flatbgp.lab.lifecycle import Lab
from flatbgp.lab.manifests import read_manifests

_MANIFESTS = """\
apiVersion: networking.gke.io/v1
kind: NetworkGatewayGroup
metadata: {name: default, namespace: cluster-bm}
spec: {floatingIPs: [10.7.1.100, 10.7.2.100]}
---
apiVersion: networking.gke.io/v1
kind: BGPPeer
metadata: {name: tor, namespace: cluster-bm}
spec: {localASN: 65001, peerASN: 65002, peerIP: 10.7.1.254}
"""


def _node(name: str, address: str) -> str:
    return f"""---
apiVersion: v1
kind: Node
metadata: {{name: {name}}}
status: {{addresses: [{{type: InternalIP, address: {address}}}]}}
"""


@pytest.mark.parametrize(
    ("second", "drained"), [("10.7.2.12", None), ("10.7.1.12", "alpha")], ids=["each alone", "two in a rack"]
)
def test_only_a_node_that_another_can_replace_is_drained(second: str, drained: str | None, tmp_path: Path) -> None:
    text = _MANIFESTS + _node("alpha", "10.7.1.11") + _node("beta", second)
    lab = Lab(read_manifests(text.encode(), "lab.yaml"), "lab.yaml", tmp_path)
    told = [line.split()[1:3] for line in what_to_try(lab, {}).splitlines() if line.startswith("  flatbgp")]
    assert ["drain", drained] in told if drained else "drain" not in {words[0] for words in told}
    assert (["lab", "kill-gateway"] in told) is (drained is not None)
