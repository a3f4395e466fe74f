"""The methods of both generations of the API, by the path that they have on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from flatbgp_gobgp.v3 import gobgp_pb2 as v3
from flatbgp_gobgp.v4 import gobgp_pb2 as v4

SERVICES: Mapping[str, str] = {"v3": "apipb.GobgpApi", "v4": "api.GoBgpService"}
"""The gRPC service of each generation."""

READING = frozenset(
    {"GetBgp", "WatchEvent", "ListPeer", "ListPath", "GetTable", "ListPolicy", "ListDefinedSet", "ListPolicyAssignment"}
)
"""The methods that change nothing."""

_FILES: Mapping[str, Any] = {"v3": v3.DESCRIPTOR, "v4": v4.DESCRIPTOR}


@dataclass(frozen=True, slots=True)
class Method:
    """A method: its name in both generations, and the types of its messages in this one."""

    api: str
    name: str
    path: str
    request: type[Message]
    answer: type[Message]

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.name in READING


def _method(api: str, descriptor: MethodDescriptor) -> Method:
    path = f"/{descriptor.containing_service.full_name}/{descriptor.name}"
    return Method(api, descriptor.name, path, _type(descriptor.input_type), _type(descriptor.output_type))


def _type(descriptor: Descriptor) -> type[Message]:
    return GetMessageClass(descriptor)


METHODS: Mapping[tuple[str, str], Method] = {
    (api, descriptor.name): _method(api, descriptor)
    for api, file in _FILES.items()
    for descriptor in file.services_by_name[SERVICES[api].rpartition(".")[2]].methods
}
"""By generation and name."""

BY_PATH: Mapping[str, Method] = {method.path: method for method in METHODS.values()}
"""By what stands on the wire."""
