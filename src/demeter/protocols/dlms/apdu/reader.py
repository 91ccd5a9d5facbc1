"""Reading plain xDLMS APDUs: one function for all of them.

The data of a normal GET response, of blocks and of a data-notification is not walked here (that would cost more than
deciphering it); all other values are checked to be exactly one A-XDR value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from demeter.protocols.dlms.apdu import access, action, fault, general_block, get, notification
from demeter.protocols.dlms.apdu import set as setting
from demeter.protocols.dlms.errors import Truncated, Unsupported

Request = (
    get.GetRequest
    | get.GetNext
    | get.GetListRequest
    | setting.SetRequest
    | setting.SetFirstBlock
    | setting.SetBlock
    | setting.SetListRequest
    | setting.SetListFirstBlock
    | action.ActionRequest
    | action.ActionNext
    | action.ActionListRequest
    | action.ActionFirstBlock
    | action.ActionListFirstBlock
    | action.ActionBlock
    | access.AccessRequest
)
"""APDUs a client asks with."""

Response = (
    get.GetResponse
    | get.GetBlock
    | get.GetListResponse
    | setting.SetResponse
    | setting.SetBlockResponse
    | setting.SetLastResponse
    | setting.SetListLastResponse
    | setting.SetListResponse
    | action.ActionResponse
    | action.ActionResponseBlock
    | action.ActionListResponse
    | action.ActionBlockResponse
    | access.AccessResponse
)
"""APDUs a server answers with."""

Service = Request | Response
"""APDUs that carry an invoke id."""

Fault = fault.ExceptionResponse | fault.ConfirmedServiceError
Apdu = Service | Fault | notification.Notification | notification.DataNotificationConfirm | general_block.GeneralBlock

_CHOICES: Final[dict[int, Callable[[bytes], Apdu]]] = {
    0xC001: get.read_request,
    0xC002: get.read_next,
    0xC003: get.read_list_request,
    0xC101: setting.read_request,
    0xC102: setting.read_first_block,
    0xC103: setting.read_next_block,
    0xC104: setting.read_list_request,
    0xC105: setting.read_list_first_block,
    0xC301: action.read_request,
    0xC302: action.read_next,
    0xC303: action.read_list_request,
    0xC304: action.read_first_block,
    0xC305: action.read_list_first_block,
    0xC306: action.read_next_block,
    0xC401: get.read_response,
    0xC402: get.read_block_response,
    0xC403: get.read_list_response,
    0xC501: setting.read_response,
    0xC502: setting.read_block_response,
    0xC503: setting.read_last_response,
    0xC504: setting.read_list_last_response,
    0xC505: setting.read_list_response,
    0xC701: action.read_response,
    0xC702: action.read_response_block,
    0xC703: action.read_list_response,
    0xC704: action.read_block_response,
}
"""Tag and choice of the services that have choices."""

_SINGLE: Final[dict[int, Callable[[bytes], Apdu]]] = {
    0x0E: fault.read_service_error,
    0x0F: notification.read_data,
    0x10: notification.read_confirm,
    0xC2: notification.read_event,
    0xD8: fault.read_exception,
    0xD9: access.read_request,
    0xDA: access.read_response,
    0xE0: general_block.read_general_block,
}
"""Tag of those that have none."""

_WITH_CHOICE: Final = frozenset(key >> 8 for key in _CHOICES)


def decode(apdu: bytes) -> Apdu:
    """Decode a plain xDLMS APDU.

    Raises:
        Truncated: it ends early.
        Malformed: it contradicts the encoding, or octets follow it.
        Unsupported: a service or choice that is not spoken here (short names, ciphering: that is opened first).
    """
    if len(apdu) > 2:
        reader = _CHOICES.get((apdu[0] << 8) | apdu[1])
        if reader is not None:
            return reader(apdu)
    if not apdu:
        raise Truncated("an APDU is missing", offset=0)
    reader = _SINGLE.get(apdu[0])
    if reader is not None:
        return reader(apdu)
    if apdu[0] not in _WITH_CHOICE:
        raise Unsupported(f"APDU tag 0x{apdu[0]:02x}", offset=0)
    if len(apdu) < 3:
        raise Truncated("an APDU ends before its invoke id", offset=len(apdu))
    raise Unsupported(f"APDU tag 0x{apdu[0]:02x} with choice {apdu[1]}", offset=1)
