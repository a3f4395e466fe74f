"""Messages of the API as plain values (JSON's), without any secret, and back. Pure.

The form is protobuf's own JSON, with two differences: numbers of 64 bits are numbers, and an ``Any`` of a type that we
don't know is shown as its bytes. ``grpcurl`` and protobuf read it.
"""

import base64
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

HIDDEN = "***"
"""What stands in place of a secret."""

SECRET_FIELDS = frozenset({"auth_password"})


def readable(message: Message) -> dict[str, Any]:
    """Return a message as plain values; fields that have their default are left out."""
    return {field.json_name: _field(field, value) for field, value in message.ListFields()}


def decoded(kind: type[Message], body: bytes) -> dict[str, Any]:
    """Return the bytes of a message as plain values; what is no such message is shown as its bytes."""
    try:
        return readable(kind.FromString(body))
    except DecodeError:
        return {"undecodable": base64.b64encode(body).decode()}


def message_of(kind: type[Message], values: Mapping[str, Any]) -> Message:
    """Return the message that :func:`readable` shows as ``values``; :class:`ValueError` if there is none."""
    message = kind()
    try:
        ParseDict(dict(values), message)
    except ParseError as error:
        raise ValueError(f"this is no {kind.DESCRIPTOR.full_name}: {error}") from error
    return message


def may_hold_a_secret(kind: type[Message]) -> bool:
    """Whether a secret can be in a message of this type."""
    return _secret_inside(kind.DESCRIPTOR, ())


@cache
def _secret_inside(descriptor: Descriptor, above: tuple[str, ...]) -> bool:
    if descriptor.full_name in above:
        return False
    below = (*above, descriptor.full_name)
    return any(
        field.name in SECRET_FIELDS or (field.message_type is not None and _secret_inside(field.message_type, below))
        for field in descriptor.fields
    )


def _field(field: FieldDescriptor, value: Any) -> Any:
    if field.name in SECRET_FIELDS:
        return HIDDEN
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_value(field, each) for each in value]
    return _value(field, value)


def _value(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if isinstance(value, AnyMessage):
        return _any(value)
    if isinstance(value, Message):
        return readable(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    return value


def _any(packed: AnyMessage) -> dict[str, Any]:
    """Return what is in an ``Any``: a daemon also sends types that are not in our part of its API."""
    try:
        kind = GetMessageClass(Default().FindMessageTypeByName(packed.type_url.rpartition("/")[2]))
        return {"@type": packed.type_url, **readable(kind.FromString(packed.value))}
    except (KeyError, DecodeError):
        return {"@type": packed.type_url, "value": base64.b64encode(packed.value).decode()}
