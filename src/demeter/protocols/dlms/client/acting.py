"""ACTION at the client's side: one method or many, blocks both ways."""

from __future__ import annotations

from collections.abc import Sequence

from demeter.protocols.dlms import apdu, axdr
from demeter.protocols.dlms.acse import Conformance
from demeter.protocols.dlms.apdu import NULL, ActionReply, ActionResult, MethodRef, encode_list
from demeter.protocols.dlms.association import Exchange
from demeter.protocols.dlms.client.blocks import Pieces, send_in_blocks
from demeter.protocols.dlms.client.line import Line, refusal
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError, Malformed, Refused, Unsupported

BLOCKS = Conformance.BLOCK_TRANSFER_WITH_ACTION
Call = tuple[MethodRef, bytes | None]


def invoke_one(line: Line, method: MethodRef, parameter: bytes | None) -> Exchange[ActionReply]:
    """Invoke one method; returns the meter's reply.

    Raises:
        Unsupported: it does not fit the meter's APDU size and no block transfer is agreed on.
    """
    invoke = line.next_invoke()
    request = apdu.ActionRequest(invoke, method, parameter).encode()
    if line.fits(request, BLOCKS):
        answer = yield from line.call(request, invoke)
    elif line.agreed(BLOCKS):
        answer = yield from send_in_blocks(
            line,
            invoke,
            parameter or NULL,
            lambda block: apdu.ActionFirstBlock(invoke, method, block).encode(),
            lambda block: apdu.ActionBlock(invoke, block).encode(),
        )
    else:
        raise Unsupported(f"a request of {len(request)} octets is longer than the meter receives")
    whole = yield from _whole(line, answer, invoke)
    if isinstance(whole, bytes):
        return _reply(whole)
    if isinstance(whole, apdu.ActionResponse):
        return ActionReply(whole.result, whole.value)
    raise Malformed("an ACTION was answered by another service")


def invoke_many(line: Line, calls: Sequence[Call]) -> Exchange[list[bytes | Refused | None]]:
    """Invoke several methods; refusals stand in the list."""
    results: list[bytes | Refused | None] = []
    for group in _groups(line, calls):
        if len(group) == 1:
            replies: Sequence[ActionReply] = [(yield from invoke_one(line, *group[0]))]
        else:
            replies = yield from _group(line, group)
        results += [value_of(reply, method) for reply, (method, _) in zip(replies, group, strict=True)]
    return results


def value_of(reply: ActionReply, method: MethodRef) -> bytes | Refused | None:
    """What a method returned, or that it was refused."""
    if reply.result is not ActionResult.SUCCESS:
        return refusal(reply.result, method)
    return refusal(reply.value, method) if isinstance(reply.value, DataAccessResult) else reply.value


def _group(line: Line, group: Sequence[Call]) -> Exchange[Sequence[ActionReply]]:
    invoke = line.next_invoke()
    methods = tuple(method for method, _ in group)
    parameters = tuple(parameter or NULL for _, parameter in group)
    request = apdu.ActionListRequest(invoke, methods, parameters).encode()
    if line.fits(request, BLOCKS):
        answer = yield from line.call(request, invoke)
    else:
        answer = yield from send_in_blocks(
            line,
            invoke,
            encode_list(parameters),
            lambda block: apdu.ActionListFirstBlock(invoke, methods, block).encode(),
            lambda block: apdu.ActionBlock(invoke, block).encode(),
        )
    whole = yield from _whole(line, answer, invoke)
    if isinstance(whole, apdu.ActionResponse):
        if whole.result is ActionResult.SUCCESS:
            raise Malformed("a list was answered by a single result")
        return [ActionReply(whole.result)] * len(group)
    replies = apdu.decode_replies(whole) if isinstance(whole, bytes) else whole.replies
    if len(replies) != len(group):
        raise Malformed(f"{len(replies)} results for {len(group)} methods")
    return replies


def _whole(
    line: Line, answer: apdu.Response, invoke: int
) -> Exchange[bytes | apdu.ActionResponse | apdu.ActionListResponse]:
    """The answer, or the octets of all its blocks."""
    pieces = Pieces()
    while isinstance(answer, apdu.ActionResponseBlock):
        block = answer.block
        pieces.take(block.number, block.data, last=block.last)
        if block.last:
            return pieces.whole()
        answer = yield from line.call(apdu.ActionNext(invoke, pieces.number).encode(), invoke)
    if not isinstance(answer, apdu.ActionResponse | apdu.ActionListResponse):
        raise Malformed("an ACTION was answered by another service")
    return answer


def _reply(whole: bytes) -> ActionReply:
    """A reply put together from blocks: with its result, or (as some meters send it) the returned value alone."""
    try:
        return apdu.decode_reply(whole)
    except DlmsError:
        if axdr.decode(whole)[1] != len(whole):
            raise
        return ActionReply(ActionResult.SUCCESS, whole)


def _groups(line: Line, calls: Sequence[Call]) -> list[list[Call]]:
    """The calls in groups whose methods (with blocks) or whole requests (without) fit one APDU."""
    if not line.agreed(Conformance.MULTIPLE_REFERENCES):
        return [[call] for call in calls]
    blocks = line.agreed(BLOCKS) or line.agreed(Conformance.GENERAL_BLOCK_TRANSFER)
    room = line.room - 9 - apdu.BLOCK_OVERHEAD
    groups: list[list[Call]] = []
    used = room
    for method, parameter in calls:
        size = 9 + (0 if blocks else len(parameter or NULL))
        if used + size > room or len(groups[-1]) >= apdu.MAX_REFERENCES:
            groups.append([])
            used = 0
        groups[-1].append((method, parameter))
        used += size
    return groups
