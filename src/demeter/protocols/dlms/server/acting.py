"""ACTION at the server's side: normal, with list, and blocks both ways."""

from __future__ import annotations

from typing import Final

from demeter.protocols.dlms import apdu, axdr
from demeter.protocols.dlms.acse import Conformance
from demeter.protocols.dlms.apdu import (
    BLOCK_OVERHEAD,
    NULL,
    ActionReply,
    ActionResult,
    DataBlock,
    MethodRef,
)
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError
from demeter.protocols.dlms.server.services import Objects, not_supported
from demeter.protocols.dlms.server.state import Download, State, Upload

BLOCKS: Final = Conformance.BLOCK_TRANSFER_WITH_ACTION


def act(state: State, objects: Objects, request: apdu.ActionRequest) -> apdu.Apdu:
    """Invoke one method."""
    return _reply(state, request.invoke, objects.invoke(state, request.method, request.parameter))


def act_list(state: State, objects: Objects, request: apdu.ActionListRequest) -> apdu.Apdu:
    """Invoke several methods, in order."""
    if Conformance.MULTIPLE_REFERENCES not in state.conformance:
        return not_supported()
    return _replies(state, request.invoke, _invoke_all(state, objects, request.methods, request.parameters))


def act_first_block(
    state: State, objects: Objects, limit: int, request: apdu.ActionFirstBlock | apdu.ActionListFirstBlock
) -> apdu.Apdu:
    """Begin a request in blocks."""
    many = isinstance(request, apdu.ActionListFirstBlock)
    needed = BLOCKS | (Conformance.MULTIPLE_REFERENCES if many else BLOCKS)
    if needed not in state.conformance:
        return not_supported()
    targets = request.methods if isinstance(request, apdu.ActionListFirstBlock) else (request.method,)
    state.upload = Upload(request.invoke, targets, many)
    return _take(state, objects, limit, request.invoke, request.block)


def act_block(state: State, objects: Objects, limit: int, request: apdu.ActionBlock) -> apdu.Apdu:
    """Take the next block of a request."""
    upload = state.upload
    if upload is None or upload.invoke & 0x0F != request.invoke & 0x0F or _methods(upload) is None:
        state.upload = None
        return apdu.ActionResponse(request.invoke, ActionResult.NO_LONG_ACTION_IN_PROGRESS)
    return _take(state, objects, limit, request.invoke, request.block)


def act_next(state: State, request: apdu.ActionNext) -> apdu.Apdu:
    """Send the next block of a response."""
    download = state.download
    if download is None or download.service is not BLOCKS:
        return apdu.ActionResponse(request.invoke, ActionResult.NO_LONG_ACTION_IN_PROGRESS)
    if request.block != download.number:
        state.download = None
        return apdu.ActionResponse(request.invoke, ActionResult.DATA_BLOCK_UNAVAILABLE)
    return _block(state, download, request.invoke)


def _take(state: State, objects: Objects, limit: int, invoke: int, block: DataBlock) -> apdu.Apdu:
    upload = state.upload
    assert upload is not None
    upload.parts.append(block.data)
    upload.size += len(block.data)
    if block.number != len(upload.parts) or upload.size > limit:
        state.upload = None
        unavailable = block.number != len(upload.parts)
        result = ActionResult.DATA_BLOCK_UNAVAILABLE if unavailable else ActionResult.LONG_ACTION_ABORTED
        return apdu.ActionResponse(invoke, result)
    if not block.last:
        return apdu.ActionBlockResponse(invoke, block.number)
    state.upload = None
    methods, whole = _methods(upload) or (), b"".join(upload.parts)
    try:
        parameters = apdu.decode_values(whole) if upload.many else (whole,)
        if not upload.many:
            axdr.decode_all(whole)
    except DlmsError:
        parameters = ()
    if len(parameters) != len(methods):
        return apdu.ActionResponse(invoke, ActionResult.TYPE_UNMATCHED)
    replies = _invoke_all(state, objects, methods, parameters)
    return _replies(state, invoke, replies) if upload.many else _reply(state, invoke, replies[0])


def _reply(state: State, invoke: int, reply: ActionReply) -> apdu.Apdu:
    response = apdu.ActionResponse(invoke, reply.result, reply.value)
    encoded = reply.encode()
    if state.fits(len(encoded) + 3, BLOCKS):
        return response
    # The method has been carried out: what is refused is only its value.
    short = apdu.ActionResponse(invoke, reply.result, DataAccessResult.OTHER_REASON)
    return _in_blocks(state, invoke, encoded) or short


def _replies(state: State, invoke: int, replies: tuple[ActionReply, ...]) -> apdu.Apdu:
    encoded = apdu.encode_replies(replies)
    if state.fits(len(encoded) + 3, BLOCKS):
        return apdu.ActionListResponse(invoke, replies)
    short = tuple(
        ActionReply(reply.result, None if reply.value is None else DataAccessResult.OTHER_REASON) for reply in replies
    )
    return _in_blocks(state, invoke, encoded) or apdu.ActionListResponse(invoke, short)


def _in_blocks(state: State, invoke: int, encoded: bytes) -> apdu.Apdu | None:
    if BLOCKS not in state.conformance:
        return None
    state.download = Download(encoded, BLOCKS)
    return _block(state, state.download, invoke)


def _block(state: State, download: Download, invoke: int) -> apdu.ActionResponseBlock:
    block = download.next(state.room - 3 - BLOCK_OVERHEAD)
    if block.last:
        state.download = None
    return apdu.ActionResponseBlock(invoke, block)


def _methods(upload: Upload) -> tuple[MethodRef, ...] | None:
    """The methods an upload is for; None where it is for attributes."""
    found = tuple(target for target in upload.targets if isinstance(target, MethodRef))
    return found if len(found) == len(upload.targets) else None


def _invoke_all(
    state: State, objects: Objects, methods: tuple[MethodRef, ...], parameters: tuple[bytes, ...]
) -> tuple[ActionReply, ...]:
    return tuple(
        objects.invoke(state, method, None if parameter == NULL else parameter)
        for method, parameter in zip(methods, parameters, strict=True)
    )
