"""flatbgp: flat-mode Kubernetes pod networking over BGP, a control plane around GoBGP."""

__version__ = "0.1.0"
