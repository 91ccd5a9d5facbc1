"""GET at the client's side: one attribute or many, in one piece or in blocks."""

from __future__ import annotations

from collections.abc import Sequence

from demeter.protocols.dlms import apdu
from demeter.protocols.dlms.acse import Conformance
from demeter.protocols.dlms.apdu import AttributeRef, GetBlock, GetListResponse, GetResponse, Outcome
from demeter.protocols.dlms.association import Exchange
from demeter.protocols.dlms.client.blocks import Pieces
from demeter.protocols.dlms.client.line import Line, refusal
from demeter.protocols.dlms.errors import DataAccessResult, Malformed, Refused


def read_one(line: Line, reference: AttributeRef) -> Exchange[Outcome]:
    """Read one attribute."""
    invoke = line.next_invoke()
    answer = yield from line.call(apdu.GetRequest(invoke, reference).encode(), invoke)
    return (yield from _value(line, answer, invoke))


def read_many(line: Line, references: Sequence[AttributeRef]) -> Exchange[list[bytes | Refused]]:
    """Read several attributes; refusals stand in the list."""
    results: list[bytes | Refused] = []
    for group in _groups(line, references):
        outcomes = yield from _group(line, group)
        for reference, outcome in zip(group, outcomes, strict=True):
            results.append(refusal(outcome, reference) if isinstance(outcome, DataAccessResult) else outcome)
    return results


def _value(line: Line, answer: apdu.Response, invoke: int) -> Exchange[Outcome]:
    if isinstance(answer, GetResponse):
        return answer.result
    if isinstance(answer, GetBlock):
        return (yield from _blocks(line, answer, invoke))
    raise Malformed("a GET was answered by another service")


def _blocks(line: Line, block: GetBlock, invoke: int) -> Exchange[Outcome]:
    """Ask for block after block; returns the octets of all, or why the transfer stopped."""
    pieces = Pieces()
    while True:
        if isinstance(block.result, DataAccessResult):
            return block.result
        pieces.take(block.number, block.result, last=block.last)
        if block.last:
            return pieces.whole()
        answer = yield from line.call(apdu.GetNext(invoke, pieces.number).encode(), invoke)
        if isinstance(answer, GetResponse) and isinstance(answer.result, DataAccessResult):
            return answer.result
        if not isinstance(answer, GetBlock):
            raise Malformed("a block was answered by something else")
        block = answer


def _group(line: Line, group: Sequence[AttributeRef]) -> Exchange[Sequence[Outcome]]:
    if len(group) == 1:
        return [(yield from read_one(line, group[0]))]
    invoke = line.next_invoke()
    answer = yield from line.call(apdu.GetListRequest(invoke, tuple(group)).encode(), invoke)
    outcomes: Sequence[Outcome]
    if isinstance(answer, GetListResponse):
        outcomes = answer.results
    elif isinstance(answer, GetResponse) and isinstance(answer.result, bytes):
        raise Malformed("a list was answered by a single value")
    else:
        whole = yield from _value(line, answer, invoke)
        outcomes = [whole] * len(group) if isinstance(whole, DataAccessResult) else apdu.decode_results(whole)
    if len(outcomes) != len(group):
        raise Malformed(f"{len(outcomes)} results for {len(group)} attributes")
    return outcomes


def _groups(line: Line, references: Sequence[AttributeRef]) -> list[list[AttributeRef]]:
    """The references in groups of which each fits one request."""
    if not line.agreed(Conformance.MULTIPLE_REFERENCES):
        return [[reference] for reference in references]
    room = line.room - 6
    groups: list[list[AttributeRef]] = []
    used = room
    for reference in references:
        size = len(reference.encode())
        if used + size > room or len(groups[-1]) >= apdu.MAX_REFERENCES:
            groups.append([])
            used = 0
        groups[-1].append(reference)
        used += size
    return groups
