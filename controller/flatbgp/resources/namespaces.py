"""Where objects are."""

from typing import Final

USER_NAMESPACE: Final = "kube-system"
"""Where namespaced objects are on the user cluster; Secrets only unless the roles are told otherwise."""
