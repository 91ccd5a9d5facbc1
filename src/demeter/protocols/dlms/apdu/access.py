"""The unified ACCESS service (IEC 62056-5-3, Green Book 9.3.5, 9.4): get, set and action mixed in one request.

``invoke`` is the whole long-invoke-id-and-priority; ``at`` the octets of the sender's date-time, usually 12 or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from demeter.protocols.dlms.apdu.fields import (
    MAX_REFERENCES,
    NULL,
    ActionResult,
    AttributeRef,
    MethodRef,
    access_result,
    action_result,
    encode_list,
    finish,
    need,
    number32,
    prefixed,
    present,
    read_descriptor,
    read_list,
    read_method,
    read_octets,
    read_selected,
    read_value,
    u32,
)
from demeter.protocols.dlms.errors import DataAccessResult, Malformed

ACCESS_REQUEST: Final = 0xD9
ACCESS_RESPONSE: Final = 0xDA

LONG_INVOKE_ID: Final = 0x00FF_FFFF
SELF_DESCRIPTIVE: Final = 1 << 28
"""The response repeats what was asked for."""
BREAK_ON_ERROR: Final = 1 << 29
"""What follows the first refusal is not carried out."""
CONFIRMED: Final = 1 << 30
HIGH_PRIORITY: Final = 1 << 31


class AccessKind(IntEnum):
    """What is done to a target; the choices with selection (4, 5) are GET and SET of a part."""

    GET = 1
    SET = 2
    ACTION = 3


@dataclass(frozen=True, slots=True)
class AccessTarget:
    """Access-Request-Specification: an attribute to get or set, or a method to invoke."""

    kind: AccessKind
    target: AttributeRef | MethodRef

    def encode(self) -> bytes:
        """Encode as A-XDR.

        Raises:
            Malformed: a method to get or set, or an attribute to invoke.
        """
        target = self.target
        if isinstance(target, MethodRef) is not (self.kind is AccessKind.ACTION):
            raise Malformed(f"{self.kind.name} of {target}")
        if isinstance(target, MethodRef):
            return bytes((self.kind,)) + target.encode()
        if target.selection is None:
            return bytes((self.kind,)) + target.descriptor()
        return bytes((self.kind + 3,)) + target.descriptor() + target.selection


@dataclass(frozen=True, slots=True)
class AccessResult:
    """Access-Response-Specification: what became of one target."""

    kind: AccessKind
    result: DataAccessResult | ActionResult

    def encode(self) -> bytes:
        """Encode as A-XDR."""
        return bytes((self.kind, self.result))


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Access-Request: for each target one A-XDR value (null-data for GET and for methods without parameter)."""

    invoke: int
    targets: tuple[AccessTarget, ...]
    values: tuple[bytes, ...]
    at: bytes = b""

    def encode(self) -> bytes:
        """Encode the APDU."""
        head = bytes((ACCESS_REQUEST,)) + u32(self.invoke) + prefixed(self.at)
        return head + encode_list([target.encode() for target in self.targets]) + encode_list(self.values)


@dataclass(frozen=True, slots=True)
class AccessResponse:
    """Access-Response: for each target its result and one A-XDR value (null-data where there is none).

    ``targets`` repeats the request where that was asked for.
    """

    invoke: int
    results: tuple[AccessResult, ...]
    values: tuple[bytes, ...]
    at: bytes = b""
    targets: tuple[AccessTarget, ...] | None = None

    def encode(self) -> bytes:
        """Encode the APDU."""
        head = bytes((ACCESS_RESPONSE,)) + u32(self.invoke) + prefixed(self.at)
        echo = b"\x00"
        if self.targets is not None:
            echo = b"\x01" + encode_list([target.encode() for target in self.targets])
        return head + echo + encode_list(self.values) + encode_list([result.encode() for result in self.results])


def read_request(apdu: bytes) -> AccessRequest:
    """Read Access-Request.

    Raises:
        Malformed: there are more or fewer values than targets, or a GET carries a value.
    """
    invoke = number32(apdu, 1)
    moment, at = read_octets(apdu, 5)
    targets, at = read_list(apdu, at, _read_target, least=10, most=MAX_REFERENCES)
    values, end = read_list(apdu, at, read_value, least=1)
    if len(values) != len(targets):
        raise Malformed(f"{len(values)} values for {len(targets)} targets", offset=at)
    if any(target.kind is AccessKind.GET and value != NULL for target, value in zip(targets, values, strict=True)):
        raise Malformed("a GET carries a value", offset=at)
    finish(apdu, end)
    return AccessRequest(invoke, targets, values, moment)


def read_response(apdu: bytes) -> AccessResponse:
    """Read Access-Response.

    Raises:
        Malformed: there are more or fewer values than results.
    """
    invoke = number32(apdu, 1)
    moment, at = read_octets(apdu, 5)
    targets = None
    repeated = present(apdu, at)
    at += 1
    if repeated:
        targets, at = read_list(apdu, at, _read_target, least=10, most=MAX_REFERENCES)
    values, at = read_list(apdu, at, read_value, least=1)
    results, end = read_list(apdu, at, _read_result, least=2)
    if len(values) != len(results):
        raise Malformed(f"{len(values)} values for {len(results)} results", offset=at)
    finish(apdu, end)
    return AccessResponse(invoke, results, values, moment, targets)


def _read_target(apdu: bytes, offset: int) -> tuple[AccessTarget, int]:
    need(apdu, offset, 1)
    choice, at = apdu[offset], offset + 1
    if choice == AccessKind.ACTION:
        method, end = read_method(apdu, at)
        return AccessTarget(AccessKind.ACTION, method), end
    if choice in (AccessKind.GET, AccessKind.SET):
        return AccessTarget(AccessKind(choice), AttributeRef(*read_descriptor(apdu, at))), at + 9
    if choice in (AccessKind.GET + 3, AccessKind.SET + 3):
        attribute, end = read_selected(apdu, at, gap=0)
        return AccessTarget(AccessKind(choice - 3), attribute), end
    raise Malformed(f"access choice {choice}", offset=offset)


def _read_result(apdu: bytes, offset: int) -> tuple[AccessResult, int]:
    need(apdu, offset, 2)
    try:
        kind = AccessKind(apdu[offset])
    except ValueError:
        raise Malformed(f"access choice {apdu[offset]}", offset=offset) from None
    reader = action_result if kind is AccessKind.ACTION else access_result
    return AccessResult(kind, reader(apdu, offset + 1)), offset + 2
