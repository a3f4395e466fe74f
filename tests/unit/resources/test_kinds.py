import pytest

from flatbgp.resources import kinds
from flatbgp.resources.kind import Kind


def full_names(word: str) -> list[str]:
    return [kind.full_name for kind in kinds.find(word)]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("bgppeers", ["bgppeers.networking.gke.io"]),
        ("bgppeer", ["bgppeers.networking.gke.io"]),
        ("BGPPeer", ["bgppeers.networking.gke.io"]),
        ("BgpPeers", ["bgppeers.networking.gke.io"]),
        ("bgppeers.networking.gke.io", ["bgppeers.networking.gke.io"]),
        ("bgppeers.v1.networking.gke.io", ["bgppeers.networking.gke.io"]),
        ("flatipmodes", ["flatipmodes.baremetal.cluster.gke.io", "flatipmodes.networking.gke.io"]),
        ("flatipmodes.networking.gke.io", ["flatipmodes.networking.gke.io"]),
        ("FlatIPMode.baremetal.cluster.gke.io", ["flatipmodes.baremetal.cluster.gke.io"]),
        ("clustercidrconfig", ["clustercidrconfigs.baremetal.cluster.gke.io", "clustercidrconfigs.networking.gke.io"]),
        ("ccc", ["clustercidrconfigs.networking.gke.io"]),
        ("nodes", ["nodes"]),
        ("no", ["nodes"]),
        ("secret", ["secrets"]),
        ("leases", ["leases.coordination.k8s.io"]),
        ("leases.coordination.k8s.io", ["leases.coordination.k8s.io"]),
        ("bgppeers.baremetal.cluster.gke.io", []),
        ("nodes.v1", ["nodes"]),
        ("pods", []),
        ("", []),
        (".", []),
    ],
)
def test_kinds_are_found_as_kubectl_finds_them(word: str, found: list[str]) -> None:
    assert full_names(word) == found


def test_a_mistyped_word_has_a_suggestion() -> None:
    assert kinds.suggestion("bgppers") == "bgppeers"
    assert kinds.suggestion("sessions") == "bgpsessions"
    assert kinds.suggestion("zzzzzz") is None


@pytest.mark.parametrize("kind", kinds.ALL, ids=lambda kind: kind.full_name)
def test_every_kind_is_found_by_its_own_names(kind: kinds.AnyKind) -> None:
    assert kinds.of(kind.api_version, kind.name) is kind
    assert kinds.by_full_name(kind.full_name) is kind
    assert kind in kinds.find(kind.plural)
    assert isinstance(kind, Kind)


def test_scopes_and_fixed_names_are_those_of_the_design() -> None:
    assert {kind.full_name for kind in kinds.ALL if not kind.namespaced} == {
        "flatipmodes.networking.gke.io",
        "clustercidrconfigs.networking.gke.io",
        "nodes",
    }
    assert {kind.name for kind in kinds.ALL if kind.fixed_name == "default"} == {"FlatIPMode", "NetworkGatewayGroup"}
    assert {kind.name for kind in kinds.ALL if not kind.strict} == {"Cluster", "Node", "Secret", "Lease"}
