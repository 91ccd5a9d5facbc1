"""Which function serves which request."""

from __future__ import annotations

from typing import Final

from demeter.protocols.dlms import apdu
from demeter.protocols.dlms.server import acting, reading, writing
from demeter.protocols.dlms.server.services import Objects, access, not_supported
from demeter.protocols.dlms.server.state import State

_UPLOADING: Final = (apdu.SetBlock, apdu.ActionBlock)
_DOWNLOADING: Final = (apdu.GetNext, apdu.ActionNext)


def serve(state: State, objects: Objects, limit: int, request: apdu.Apdu) -> apdu.Apdu:
    """Answer a request; uploads are bounded by ``limit`` octets. A transfer is over when something else is asked."""
    if not isinstance(request, _DOWNLOADING):
        state.download = None
    if not isinstance(request, _UPLOADING):
        state.upload = None
    return (
        _whole(state, objects, request)
        or _block(state, objects, limit, request)
        or not_supported(apdu.StateError.SERVICE_UNKNOWN)
    )


def _whole(state: State, objects: Objects, request: apdu.Apdu) -> apdu.Apdu | None:
    """Answer a request that came in one piece; None for others."""
    answer: apdu.Apdu | None = None
    match request:
        case apdu.GetRequest():
            answer = reading.get(state, objects, request)
        case apdu.GetListRequest():
            answer = reading.get_list(state, objects, request)
        case apdu.SetRequest():
            answer = writing.put(state, objects, request)
        case apdu.SetListRequest():
            answer = writing.put_list(state, objects, request)
        case apdu.ActionRequest():
            answer = acting.act(state, objects, request)
        case apdu.ActionListRequest():
            answer = acting.act_list(state, objects, request)
        case apdu.AccessRequest():
            answer = access(state, objects, request)
    return answer


def _block(state: State, objects: Objects, limit: int, request: apdu.Apdu) -> apdu.Apdu | None:
    """Answer a request that is a block or asks for one; None for others."""
    answer: apdu.Apdu | None = None
    match request:
        case apdu.GetNext():
            answer = reading.get_next(state, request)
        case apdu.ActionNext():
            answer = acting.act_next(state, request)
        case apdu.SetFirstBlock() | apdu.SetListFirstBlock():
            answer = writing.put_first_block(state, objects, limit, request)
        case apdu.SetBlock():
            answer = writing.put_block(state, objects, limit, request)
        case apdu.ActionFirstBlock() | apdu.ActionListFirstBlock():
            answer = acting.act_first_block(state, objects, limit, request)
        case apdu.ActionBlock():
            answer = acting.act_block(state, objects, limit, request)
    return answer
