"""Sets of values of the chart: each way to install it, and every value in some of them."""

from typing import Any, Final

ONE_CLUSTER: Final[dict[str, Any]] = {"admin": {"enabled": True, "clusterNamespace": "cluster-bm"}}
TWO_CLUSTERS: Final[dict[str, Any]] = {"admin": {"enabled": True, "kubeconfigSecret": {"name": "admin-cluster"}}}
ADMIN_CLUSTER: Final[dict[str, Any]] = {
    "controller": {"enabled": False},
    "speaker": {"enabled": False},
    "adminReader": {"enabled": True, "clusterNamespace": "cluster-bm"},
    "crds": {"admin": True},
}
EVERYTHING: Final[dict[str, Any]] = {
    "fullnameOverride": "net",
    "image": {"repository": "images.example.com:5000/net/flatbgp", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "pull"}],
    "apiServer": {"host": "10.0.0.1"},
    "secretNamespace": "passwords",
    "lease": {"duration": "2s", "renewInterval": "0.5s"},
    "log": {"level": "debug", "format": "text"},
    "gateways": {"nodeSelector": {"gateway": "yes"}, "affinity": {"nodeAffinity": {}}},
    "speaker": {"interface": "eth1", "maxUnavailable": "10%"},
    "controller": {"replicas": 3, "affinity": {"podAntiAffinity": {}}},
    "admin": {"enabled": True, "clusterNamespace": "cluster-bm", "kubeconfigSecret": {"name": "k", "key": "config"}},
    "metrics": {"enabled": True, "serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}},
}
LEAST: Final[dict[str, Any]] = {
    "crds": {"install": False},
    "rbac": {"aggregate": False},
    "podDisruptionBudget": {"enabled": False},
    "uninstall": {"hook": False},
}
MATRIX: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "one cluster": ONE_CLUSTER,
    "two clusters": TWO_CLUSTERS,
    "admin cluster": ADMIN_CLUSTER,
    "everything": EVERYTHING,
    "least": LEAST,
}
