"""The two clusters of the guide."""

from dataclasses import dataclass

from support.kubernetes import ApiServer


@dataclass(frozen=True, slots=True)
class Clusters:
    """The admin cluster, which people edit, and the user cluster, whose pods need routes."""

    admin: ApiServer
    user: ApiServer
