"""Further parsers of what a line may carry: HDLC, mode E, gateway prefixes, profiles by both decoders.

As in :mod:`tests.fuzz.dlms_parsers` a target takes octets, and returns or raises a ``DlmsError``.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.gateway import GatewayFrame, decode_gateway
from demeter.protocols.dlms.hdlc import (
    Address,
    ClientLink,
    Connected,
    Control,
    Frame,
    Kind,
    ServerStation,
    decode_frame,
    server_address,
)
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import (
    CLOCK,
    CaptureObject,
    ProfileColumns,
    decode_capture_objects,
    encode_capture_objects,
    profile_columns,
    profile_columns_scalar,
)
from demeter.protocols.iec62056_21 import Identification, ModeEReader, with_parity
from demeter.protocols.iec62056_21.messages import acknowledgement, decode_acknowledgement, decode_identification

KOLKATA = ZoneInfo("Asia/Kolkata")
STAMP = bytes.fromhex("07e9050c01101e00ff014a00")
CAPTURES = (CLOCK, CaptureObject(3, Obis(1, 0, 1, 29, 0, 255), 2), CaptureObject(3, Obis(1, 0, 12, 27, 0, 255), 2))
SCALERS = {(capture.obis, 2): (0, 30) for capture in CAPTURES[1:]}
TABLES = [
    axdr.encode(data.array(*(data.structure(data.octets(STAMP), data.u32(n), data.i16(-n)) for n in range(4)))),
    axdr.encode(
        data.array(
            data.structure(data.octets(STAMP), data.u32(7), data.i16(1)),
            *(data.structure(data.null(), data.null(), data.i16(n)) for n in range(3)),
        )
    ),
]
METER, CLIENT = server_address(1, 17), 48
IDENTIFICATION = Identification("DMT", 9600, "\\2SIM1").to_bytes()
SNRM = Frame(METER, Address(CLIENT), Control(Kind.SET_NORMAL_RESPONSE_MODE)).to_bytes()


def _connected() -> tuple[ClientLink, bytes]:
    """A link that waits for the answer to a request, and that answer's octets."""
    link, station = ClientLink(METER, CLIENT), ServerStation(METER.means)
    link.connect()
    station.receive(link.output())
    events = link.receive(station.output())
    assert isinstance(events[0], Connected)
    link.send(b"\xc0\x01\xc1\x00" + bytes(9))
    (request,) = station.receive(link.output())
    station.answer(request, b"\xc4\x01\xc1\x00\x06\x00\x00\x01\x00")
    return link, station.output()


ANSWER = _connected()[1]
REQUEST = Frame(METER, Address(CLIENT), Control(Kind.INFORMATION), b"\xe6\xe6\x00\xc0\x01\xc1\x00").to_bytes()


def hdlc_reader(octets: bytes) -> None:
    """A reader whose line carries these octets goes on or gives the link up, and keeps no more than a message."""
    link = _connected()[0]
    link.receive(octets)
    link.expired()
    link.output()
    assert link.pending <= 70_000


def hdlc_meter(octets: bytes) -> None:
    """A meter whose line carries these octets."""
    station = ServerStation(METER.means)
    station.receive(SNRM)
    for request in station.receive(octets):
        station.answer(request, b"\xd8\x01\x02")
    station.expired()
    station.output()


def mode_e(octets: bytes) -> None:
    """A reader that has just said ``/?!``."""
    reader = ModeEReader()
    reader.start()
    reader.receive(octets)
    reader.expired()


def date_time(octets: bytes) -> None:
    """A date-time, and the instant it means."""
    CosemDateTime.from_bytes(octets).to_utc(KOLKATA)


def profile(octets: bytes) -> None:
    """Both decoders say the same, in columns or in errors."""
    fast, slow = _outcome(octets, profile_columns), _outcome(octets, profile_columns_scalar)
    assert type(fast) is type(slow), f"{fast!r} is not {slow!r}"
    if isinstance(fast, DlmsError):
        raise fast
    assert isinstance(fast, ProfileColumns)
    assert isinstance(slow, ProfileColumns)
    np.testing.assert_array_equal(fast.at_s, slow.at_s)
    np.testing.assert_array_equal(fast.clock_status, slow.clock_status)
    for one, other in zip(fast.columns, slow.columns, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.present, other.present)


def _outcome(octets: bytes, decode: object) -> object:
    try:
        return decode(octets, CAPTURES, SCALERS, 900, KOLKATA)  # type: ignore[operator]
    except DlmsError as error:
        return error


LINE_PARSERS = {
    "hdlc frame": (decode_frame, [SNRM, REQUEST, ANSWER]),
    "hdlc reader": (hdlc_reader, [ANSWER]),
    "hdlc meter": (hdlc_meter, [REQUEST, SNRM + REQUEST]),
    "gateway": (decode_gateway, [GatewayFrame(0, b"DM000001", b"\xc0\x01").to_bytes()]),
    "identification": (decode_identification, [IDENTIFICATION]),
    "acknowledgement": (decode_acknowledgement, [acknowledgement(9600)]),
    "mode e": (mode_e, [with_parity(IDENTIFICATION), b"\x00\xff" + with_parity(IDENTIFICATION)]),
    "date-time": (date_time, [STAMP]),
    "capture objects": (decode_capture_objects, [encode_capture_objects(CAPTURES)]),
    "profile": (profile, TABLES),
}
