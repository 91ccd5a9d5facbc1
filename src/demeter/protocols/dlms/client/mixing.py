"""ACCESS at the client's side: reads, writes and calls in one request, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from demeter.protocols.dlms import apdu
from demeter.protocols.dlms.acse import Conformance
from demeter.protocols.dlms.apdu import NULL, AccessKind, AccessTarget, AttributeRef, MethodRef
from demeter.protocols.dlms.association import Exchange
from demeter.protocols.dlms.client.line import Line, refusal
from demeter.protocols.dlms.errors import Malformed, Refused, Unsupported


@dataclass(frozen=True, slots=True)
class Access:
    """One part of an ACCESS request; make it with :meth:`get`, :meth:`set` or :meth:`action`."""

    target: AccessTarget
    value: bytes = NULL

    @classmethod
    def get(cls, reference: AttributeRef) -> Access:
        """Read an attribute, or the part of it the reference selects."""
        return cls(AccessTarget(AccessKind.GET, reference))

    @classmethod
    def set(cls, reference: AttributeRef, value: bytes) -> Access:
        """Write an attribute; ``value`` is A-XDR."""
        return cls(AccessTarget(AccessKind.SET, reference), value)

    @classmethod
    def action(cls, method: MethodRef, parameter: bytes | None = None) -> Access:
        """Invoke a method; ``parameter`` is A-XDR."""
        return cls(AccessTarget(AccessKind.ACTION, method), parameter or NULL)


def access(
    line: Line, parts: Sequence[Access], at: bytes, *, break_on_error: bool
) -> Exchange[list[bytes | Refused | None]]:
    """Carry out all parts in one request.

    Raises:
        Unsupported: the meter did not agree to ACCESS, or the request is longer than it receives.
    """
    if not line.agreed(Conformance.ACCESS):
        raise Unsupported("the meter did not agree to the ACCESS service")
    invoke = line.next_long_invoke() | (apdu.BREAK_ON_ERROR if break_on_error else 0)
    targets, values = tuple(part.target for part in parts), tuple(part.value for part in parts)
    request = apdu.AccessRequest(invoke, targets, values, at).encode()
    if not line.fits(request, Conformance.ACCESS) and not line.agreed(Conformance.GENERAL_BLOCK_TRANSFER):
        raise Unsupported(f"a request of {len(request)} octets is longer than the meter receives")
    answer = yield from line.call(request, invoke)
    if not isinstance(answer, apdu.AccessResponse):
        raise Malformed("an ACCESS was answered by another service")
    if [result.kind for result in answer.results] != [target.kind for target in targets]:
        raise Malformed("the results are not those of the request")
    return [
        _outcome(target, result, value)
        for target, result, value in zip(targets, answer.results, answer.values, strict=True)
    ]


def _outcome(target: AccessTarget, result: apdu.AccessResult, value: bytes) -> bytes | Refused | None:
    if result.result.value:
        return refusal(result.result, target.target)
    return None if value == NULL and target.kind is not AccessKind.GET else value
