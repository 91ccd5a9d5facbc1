"""SET at the server's side: normal, with list, and the blocks of both."""

from __future__ import annotations

from typing import Final

from demeter.protocols.dlms import apdu, axdr
from demeter.protocols.dlms.acse import Conformance
from demeter.protocols.dlms.apdu import AttributeRef, DataBlock
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError
from demeter.protocols.dlms.server.services import Objects, not_supported
from demeter.protocols.dlms.server.state import State, Upload

BLOCKS: Final = Conformance.BLOCK_TRANSFER_WITH_SET


def put(state: State, objects: Objects, request: apdu.SetRequest) -> apdu.Apdu:
    """Write one attribute."""
    return apdu.SetResponse(request.invoke, objects.write(state, request.attribute, request.value))


def put_list(state: State, objects: Objects, request: apdu.SetListRequest) -> apdu.Apdu:
    """Write several attributes, in order."""
    if Conformance.MULTIPLE_REFERENCES not in state.conformance:
        return not_supported()
    return apdu.SetListResponse(request.invoke, _write_all(state, objects, request.attributes, request.values))


def put_first_block(
    state: State, objects: Objects, limit: int, request: apdu.SetFirstBlock | apdu.SetListFirstBlock
) -> apdu.Apdu:
    """Begin a transfer in blocks."""
    many = isinstance(request, apdu.SetListFirstBlock)
    needed = BLOCKS | (Conformance.MULTIPLE_REFERENCES if many else BLOCKS)
    if needed not in state.conformance:
        return not_supported()
    targets = request.attributes if isinstance(request, apdu.SetListFirstBlock) else (request.attribute,)
    state.upload = Upload(request.invoke, targets, many)
    return _take(state, objects, limit, request.invoke, request.block)


def put_block(state: State, objects: Objects, limit: int, request: apdu.SetBlock) -> apdu.Apdu:
    """Take the next block of a transfer."""
    upload = state.upload
    if upload is None or upload.invoke & 0x0F != request.invoke & 0x0F or _attributes(upload) is None:
        state.upload = None
        result = DataAccessResult.NO_LONG_SET_IN_PROGRESS
        return apdu.SetLastResponse(request.invoke, result, request.block.number)
    return _take(state, objects, limit, request.invoke, request.block)


def _take(state: State, objects: Objects, limit: int, invoke: int, block: DataBlock) -> apdu.Apdu:
    upload = state.upload
    assert upload is not None
    upload.parts.append(block.data)
    upload.size += len(block.data)
    wrong = None
    if block.number != len(upload.parts):
        wrong = DataAccessResult.DATA_BLOCK_NUMBER_INVALID
    elif upload.size > limit:
        wrong = DataAccessResult.LONG_SET_ABORTED
    if wrong is not None:
        state.upload = None
        return apdu.SetLastResponse(invoke, wrong, block.number)
    if not block.last:
        return apdu.SetBlockResponse(invoke, block.number)
    state.upload = None
    attributes, whole = _attributes(upload) or (), b"".join(upload.parts)
    try:
        values = apdu.decode_values(whole) if upload.many else (whole,)
        if not upload.many:
            axdr.decode_all(whole)
    except DlmsError:
        values = ()
    if len(values) != len(attributes):
        return apdu.SetLastResponse(invoke, DataAccessResult.TYPE_UNMATCHED, block.number)
    results = _write_all(state, objects, attributes, values)
    if upload.many:
        return apdu.SetListLastResponse(invoke, results, block.number)
    return apdu.SetLastResponse(invoke, results[0], block.number)


def _attributes(upload: Upload) -> tuple[AttributeRef, ...] | None:
    """The attributes an upload is for; None where it is for methods."""
    found = tuple(target for target in upload.targets if isinstance(target, AttributeRef))
    return found if len(found) == len(upload.targets) else None


def _write_all(
    state: State, objects: Objects, attributes: tuple[AttributeRef, ...], values: tuple[bytes, ...]
) -> tuple[DataAccessResult, ...]:
    return tuple(objects.write(state, attribute, value) for attribute, value in zip(attributes, values, strict=True))
