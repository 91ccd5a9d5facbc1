"""One PDU of every kind, as Demeter encodes it, with what a foreign translator must see in it.

``kind``: the innermost element that names the APDU (XML of IEC 62056-5-3); ``leaves``: every element with a text, in
order, written ``name=text``. Written by hand from what Demeter means, not from what the translator says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from demeter.protocols.dlms import apdu as x
from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.acse import Conformance, InitiateRequest, InitiateResponse
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DataAccessResult
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import EntrySelection, RangeSelection

INVOKE = 0xC1
REGISTER = x.AttributeRef(3, Obis.parse("1.0.1.8.0.255"), 2)
PROFILE = Obis.parse("1.0.99.1.0.255")
RELAY = x.MethodRef(70, Obis.parse("0.0.96.3.10.255"), 1)
VALUE = axdr.encode(data.u32(123456))
MOMENT = CosemDateTime.from_utc(datetime(2026, 11, 20, 18, 30, tzinfo=UTC), ZoneInfo("Asia/Kolkata"))
ROW = axdr.encode(data.array(data.structure(data.octets(MOMENT.to_bytes()), data.u32(250), data.u16(2301))))
INVOKED = "invoke-id-and-priority=193"
LONG_INVOKED = "long-invoke-id-and-priority=1073741825"
MOMENT_SEEN = "07EA0B150600000000FEB600"
REGISTER_SEEN = "class-id=3 instance-id=0100010800FF attribute-id=2"
PROFILE_SEEN = "class-id=7 instance-id=0100630100FF attribute-id=2"
RELAY_SEEN = "class-id=70 instance-id=000060030AFF method-id=1"
VALUE_SEEN = "double-long-unsigned=123456"
ROWS_SEEN = f"octet-string={MOMENT_SEEN} double-long-unsigned=250 long-unsigned=2301"
AGREED = Conformance.GET | Conformance.SET | Conformance.ACTION | Conformance.SELECTIVE_ACCESS


@dataclass(frozen=True)
class Pdu:
    """A PDU and what must be seen in it. ``back``: whether gurux-dlms 1.0.203 can read the XML it wrote itself."""

    name: str
    octets: bytes
    kind: str
    leaves: str
    back: bool = True


def reading_requests() -> list[Pdu]:
    """Return what a client sends to read."""
    by_range = RangeSelection(MOMENT, MOMENT, ()).to_bytes()
    by_entry = EntrySelection(1, 96).to_bytes()
    return [
        Pdu(
            "get",
            x.GetRequest(INVOKE, REGISTER).encode(),
            "get-request-normal",
            f"{INVOKED} {REGISTER_SEEN}",
        ),
        Pdu(
            "get by range",
            x.GetRequest(INVOKE, x.AttributeRef(7, PROFILE, 2, by_range)).encode(),
            "get-request-normal",
            f"{INVOKED} {PROFILE_SEEN} access-selector=1 long-unsigned=8 octet-string=0000010000FF integer=2 long-unsigned=0 octet-string={MOMENT_SEEN} octet-string={MOMENT_SEEN} array=",
        ),
        Pdu(
            "get by entry",
            x.GetRequest(INVOKE, x.AttributeRef(7, PROFILE, 2, by_entry)).encode(),
            "get-request-normal",
            f"{INVOKED} {PROFILE_SEEN} access-selector=2 double-long-unsigned=1 double-long-unsigned=96 long-unsigned=1 long-unsigned=0",
        ),
        Pdu(
            "get next",
            x.GetNext(INVOKE, 7).encode(),
            "get-request-next",
            f"{INVOKED} block-number=7",
        ),
        Pdu(
            "get list",
            x.GetListRequest(INVOKE, (REGISTER, x.AttributeRef(1, Obis.parse("0.0.96.1.0.255"), 2))).encode(),
            "get-request-with-list",
            f"{INVOKED} {REGISTER_SEEN} class-id=1 instance-id=0000600100FF attribute-id=2",
            back=False,
        ),
    ]


def acting_requests() -> list[Pdu]:
    """Return what a client sends to write, to invoke, or both at once."""
    block = x.DataBlock(False, 1, b"\x09\x03ab")
    return [
        Pdu(
            "set",
            x.SetRequest(INVOKE, REGISTER, VALUE).encode(),
            "set-request-normal",
            f"{INVOKED} {REGISTER_SEEN} {VALUE_SEEN}",
        ),
        Pdu(
            "set, first block",
            x.SetFirstBlock(INVOKE, REGISTER, block).encode(),
            "set-request-first-data-block",
            f"{INVOKED} {REGISTER_SEEN} last-block=0 block-number=1 raw-data=09036162",
        ),
        Pdu(
            "set, next block",
            x.SetBlock(INVOKE, x.DataBlock(True, 2, b"c")).encode(),
            "set-request-with-datablock",
            f"{INVOKED} last-block=1 block-number=2 raw-data=63",
        ),
        Pdu(
            "set list",
            x.SetListRequest(INVOKE, (REGISTER,), (VALUE,)).encode(),
            "set-request-with-list",
            f"{INVOKED} {REGISTER_SEEN} {VALUE_SEEN}",
            back=False,
        ),
        Pdu(
            "action",
            x.ActionRequest(INVOKE, RELAY, axdr.encode(data.i8(0))).encode(),
            "action-request-normal",
            f"{INVOKED} {RELAY_SEEN} integer=0",
        ),
        Pdu(
            "action without parameter",
            x.ActionRequest(INVOKE, RELAY).encode(),
            "action-request-normal",
            f"{INVOKED} {RELAY_SEEN}",
        ),
        Pdu(
            "access",
            x.AccessRequest(
                0x40000001, (x.AccessTarget(x.AccessKind.GET, REGISTER),), (axdr.encode(data.null()),)
            ).encode(),
            "access-request",
            f"{LONG_INVOKED} date-time= {REGISTER_SEEN}",
        ),
    ]


def reading_responses() -> list[Pdu]:
    """Return what a meter sends when it is read."""
    refused = DataAccessResult.READ_WRITE_DENIED
    return [
        Pdu(
            "value",
            x.GetResponse(INVOKE, VALUE).encode(),
            "get-response-normal",
            f"{INVOKED} {VALUE_SEEN}",
        ),
        Pdu(
            "rows",
            x.GetResponse(INVOKE, ROW).encode(),
            "get-response-normal",
            f"{INVOKED} {ROWS_SEEN}",
        ),
        Pdu(
            "no value",
            x.GetResponse(INVOKE, refused).encode(),
            "get-response-normal",
            f"{INVOKED} data-access-result=read-write-denied",
        ),
        Pdu(
            "block",
            x.GetBlock(INVOKE, False, 1, b"\x09\x03ab").encode(),
            "get-response-with-data-block",
            f"{INVOKED} last-block=0 block-number=1 raw-data=09036162",
        ),
        Pdu(
            "list",
            x.GetListResponse(INVOKE, (VALUE, refused)).encode(),
            "get-response-with-list",
            f"{INVOKED} {VALUE_SEEN}",
            back=False,
        ),
    ]


def acting_responses() -> list[Pdu]:
    """Return what a meter sends when it is written to or acts, or cannot."""
    return [
        Pdu(
            "written",
            x.SetResponse(INVOKE, DataAccessResult.SUCCESS).encode(),
            "set-response-normal",
            f"{INVOKED} result=success",
        ),
        Pdu(
            "block taken",
            x.SetBlockResponse(INVOKE, 1).encode(),
            "set-response-data-block",
            f"{INVOKED} block-number=1",
        ),
        Pdu(
            "last block taken",
            x.SetLastResponse(INVOKE, DataAccessResult.SUCCESS, 2).encode(),
            "set-response-with-last-data-block",
            f"{INVOKED} result=success block-number=2",
            back=False,
        ),
        Pdu(
            "done",
            x.ActionResponse(INVOKE, x.ActionResult(0)).encode(),
            "action-response-normal",
            f"{INVOKED} result=success",
            back=False,
        ),
        Pdu(
            "done, with value",
            x.ActionResponse(INVOKE, x.ActionResult(0), VALUE).encode(),
            "action-response-normal",
            f"{INVOKED} result=success {VALUE_SEEN}",
        ),
        Pdu(
            "access answered",
            x.AccessResponse(
                0x40000001,
                (x.AccessResult(x.AccessKind.GET, DataAccessResult.SUCCESS),),
                (VALUE,),
            ).encode(),
            "access-response",
            f"{LONG_INVOKED} date-time= {VALUE_SEEN} result=Success",
            back=False,
        ),
        Pdu(
            "exception",
            x.ExceptionResponse(x.StateError(1), x.ServiceFault(2)).encode(),
            "exception-response",
            "state-error=service-not-allowed service-error=service-not-supported",
        ),
    ]


def others() -> list[Pdu]:
    """Return what opens associations, and what a meter sends unasked."""
    return [
        Pdu(
            "initiate",
            InitiateRequest(AGREED, 0x0400).encode(),
            "initiateRequest",
            "response-allowed=true proposed-dlms-version-number=6 proposed-conformance=get,set,selective-access,action client-max-receive-pdu-size=1024",
            back=False,
        ),
        Pdu(
            "initiated",
            InitiateResponse(AGREED, 0x0400).encode(),
            "initiateResponse",
            "negotiated-dlms-version-number=6 negotiated-conformance=get,set,selective-access,action server-max-receive-pdu-size=1024 vaa-name=7",
            back=False,
        ),
        Pdu(
            "push",
            x.DataNotification(0x40000001, ROW, MOMENT.to_bytes()).encode(),
            "data-notification",
            f"{LONG_INVOKED} date-time={MOMENT_SEEN} {ROWS_SEEN}",
            back=False,
        ),
        Pdu(
            "event",
            x.EventNotification(REGISTER, VALUE).encode(),
            "event-notification-request",
            f"{REGISTER_SEEN} {VALUE_SEEN}",
        ),
        Pdu(
            "general block",
            x.GeneralBlock(True, False, 1, 1, 0, x.GetRequest(INVOKE, REGISTER).encode()).encode(),
            "general-block-transfer",
            "block-control=129 block-number=1 block-number-ack=0 block-data=C001C100030100010800FF0200",
            back=False,
        ),
    ]


def every_pdu() -> list[Pdu]:
    """Return them all."""
    return reading_requests() + acting_requests() + reading_responses() + acting_responses() + others()
