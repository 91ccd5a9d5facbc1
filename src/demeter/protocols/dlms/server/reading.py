"""GET at the server's side: normal, with list, and the blocks of both."""

from __future__ import annotations

from typing import Final

from demeter.protocols.dlms import apdu
from demeter.protocols.dlms.acse import Conformance
from demeter.protocols.dlms.errors import DataAccessResult
from demeter.protocols.dlms.server.services import Objects, not_supported
from demeter.protocols.dlms.server.state import Download, State

BLOCKS: Final = Conformance.BLOCK_TRANSFER_WITH_GET

_BLOCK_HEADER: Final = 12
"""Octets of a datablock response before its data, at most."""


def get(state: State, objects: Objects, request: apdu.GetRequest) -> apdu.Apdu:
    """Read one attribute."""
    value = objects.read(state, request.attribute)
    if isinstance(value, bytes) and not state.fits(len(value) + 4, BLOCKS):
        return _in_blocks(state, request.invoke, value)
    return apdu.GetResponse(request.invoke, value)


def get_list(state: State, objects: Objects, request: apdu.GetListRequest) -> apdu.Apdu:
    """Read several attributes."""
    if Conformance.MULTIPLE_REFERENCES not in state.conformance:
        return not_supported()
    results = tuple(objects.read(state, attribute) for attribute in request.attributes)
    encoded = apdu.encode_results(results)
    if state.fits(len(encoded) + 3, BLOCKS):
        return apdu.GetListResponse(request.invoke, results)
    return _in_blocks(state, request.invoke, encoded)


def get_next(state: State, request: apdu.GetNext) -> apdu.Apdu:
    """Send the next block of a value."""
    download = state.download
    if download is None or download.service is not BLOCKS:
        return apdu.GetResponse(request.invoke, DataAccessResult.NO_LONG_GET_IN_PROGRESS)
    if request.block != download.number:
        state.download = None
        invalid = DataAccessResult.DATA_BLOCK_NUMBER_INVALID
        return apdu.GetBlock(request.invoke, last=True, number=request.block, result=invalid)
    return _block(state, download, request.invoke)


def _in_blocks(state: State, invoke: int, value: bytes) -> apdu.Apdu:
    if BLOCKS not in state.conformance:
        return apdu.GetResponse(invoke, DataAccessResult.OTHER_REASON)
    state.download = Download(value, BLOCKS)
    return _block(state, state.download, invoke)


def _block(state: State, download: Download, invoke: int) -> apdu.GetBlock:
    block = download.next(state.room - _BLOCK_HEADER)
    if block.last:
        state.download = None
    return apdu.GetBlock(invoke, block.last, block.number, block.data)
