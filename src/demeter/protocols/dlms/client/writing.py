"""SET at the client's side: one attribute or many, in one piece or in blocks."""

from __future__ import annotations

from collections.abc import Sequence

from demeter.protocols.dlms import apdu
from demeter.protocols.dlms.acse import Conformance
from demeter.protocols.dlms.apdu import AttributeRef, encode_list
from demeter.protocols.dlms.association import Exchange
from demeter.protocols.dlms.client.blocks import send_in_blocks
from demeter.protocols.dlms.client.line import Line, refusal
from demeter.protocols.dlms.errors import DataAccessResult, Malformed, Refused, Unsupported

BLOCKS = Conformance.BLOCK_TRANSFER_WITH_SET
Write = tuple[AttributeRef, bytes]


def write_one(line: Line, reference: AttributeRef, value: bytes) -> Exchange[DataAccessResult]:
    """Write one attribute; returns the meter's result.

    Raises:
        Unsupported: it does not fit the meter's APDU size and no block transfer is agreed on.
    """
    invoke = line.next_invoke()
    request = apdu.SetRequest(invoke, reference, value).encode()
    if line.fits(request, BLOCKS):
        answer = yield from line.call(request, invoke)
    elif line.agreed(BLOCKS):
        answer = yield from send_in_blocks(
            line,
            invoke,
            value,
            lambda block: apdu.SetFirstBlock(invoke, reference, block).encode(),
            lambda block: apdu.SetBlock(invoke, block).encode(),
        )
    else:
        raise Unsupported(f"a request of {len(request)} octets is longer than the meter receives")
    if not isinstance(answer, apdu.SetResponse | apdu.SetLastResponse):
        raise Malformed("a SET was answered by another service")
    return answer.result


def write_many(line: Line, writes: Sequence[Write]) -> Exchange[list[Refused | None]]:
    """Write several attributes; refusals stand in the list."""
    results: list[Refused | None] = []
    for group in _groups(line, writes):
        if len(group) == 1:
            outcomes: Sequence[DataAccessResult] = [(yield from write_one(line, *group[0]))]
        else:
            outcomes = yield from _group(line, group)
        for (reference, _), outcome in zip(group, outcomes, strict=True):
            results.append(None if outcome is DataAccessResult.SUCCESS else refusal(outcome, reference))
    return results


def _group(line: Line, group: Sequence[Write]) -> Exchange[Sequence[DataAccessResult]]:
    invoke = line.next_invoke()
    references, values = tuple(reference for reference, _ in group), tuple(value for _, value in group)
    request = apdu.SetListRequest(invoke, references, values).encode()
    if line.fits(request, BLOCKS):
        answer = yield from line.call(request, invoke)
    else:
        answer = yield from send_in_blocks(
            line,
            invoke,
            encode_list(values),
            lambda block: apdu.SetListFirstBlock(invoke, references, block).encode(),
            lambda block: apdu.SetBlock(invoke, block).encode(),
        )
    if isinstance(answer, apdu.SetResponse | apdu.SetLastResponse):
        if answer.result is DataAccessResult.SUCCESS:
            raise Malformed("a list was answered by a single result")
        return [answer.result] * len(group)
    if not isinstance(answer, apdu.SetListResponse | apdu.SetListLastResponse):
        raise Malformed("a SET was answered by another service")
    if len(answer.results) != len(group):
        raise Malformed(f"{len(answer.results)} results for {len(group)} attributes")
    return answer.results


def _groups(line: Line, writes: Sequence[Write]) -> list[list[Write]]:
    """The writes in groups whose references (with blocks) or whole requests (without) fit one APDU."""
    if not line.agreed(Conformance.MULTIPLE_REFERENCES):
        return [[write] for write in writes]
    blocks = line.agreed(BLOCKS) or line.agreed(Conformance.GENERAL_BLOCK_TRANSFER)
    room = line.room - 9 - apdu.BLOCK_OVERHEAD
    groups: list[list[Write]] = []
    used = room
    for reference, value in writes:
        size = len(reference.encode()) + (0 if blocks else len(value))
        if used + size > room or len(groups[-1]) >= apdu.MAX_REFERENCES:
            groups.append([])
            used = 0
        groups[-1].append((reference, value))
        used += size
    return groups
