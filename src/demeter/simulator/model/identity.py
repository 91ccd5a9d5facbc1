"""Who a meter is and how it is approached: nameplate, clock, associations (IS 15959, reference clauses 4.2 and 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data, Tag, array, boolean, enum, i8, i16, null, octets, structure, u8, u16
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject
from demeter.protocols.dlms.security import SECURITY_SETUP
from demeter.simulator.fleet import MeterConfig, MeterKind
from demeter.simulator.meter import Meter
from demeter.simulator.model.objects import (
    ASSOCIATION,
    CLOCK,
    DATA,
    CosemObject,
    SimpleObject,
    data_object,
    text_object,
)
from demeter.simulator.model.profiles import ListProfile

MAKER = "DEMETER SIMULATOR"
FIRMWARE = "DMT-1.0.0"

_CATEGORY = {MeterKind.SINGLE_PHASE: "D1", MeterKind.THREE_PHASE: "D2", MeterKind.WATER: "W1"}
_TYPE = {MeterKind.SINGLE_PHASE: 6, MeterKind.THREE_PHASE: 1, MeterKind.WATER: 0}

_ATTRIBUTE_1_READ = structure(i8(1), enum(1), null())


def logical_device_name(config: MeterConfig) -> str:
    """Return the 16 characters of the logical device name: three of the maker, thirteen digits of the system title."""
    title = bytes.fromhex(config.system_title) or b"DMT" + bytes(5)
    return f"{title[:3].decode('ascii', 'replace')}{int.from_bytes(title[3:8], 'big'):013}"


def nameplate_objects(config: MeterConfig, zone: str) -> list[CosemObject]:
    """Return the objects that say who the meter is, and the profile that captures them."""
    single = [
        text_object("0.0.96.1.0.255", config.serial),
        text_object("0.0.96.1.1.255", MAKER),
        text_object("0.0.96.1.2.255", logical_device_name(config)),
        text_object("1.0.0.2.0.255", FIRMWARE),
        data_object("0.0.94.91.9.255", u8(_TYPE[config.kind])),
        text_object("0.0.94.91.11.255", _CATEGORY[config.kind]),
        data_object("0.0.96.1.4.255", u16(2025)),
    ]
    if config.kind is not MeterKind.WATER:
        single.append(text_object("0.0.94.91.12.255", "5-30A"))
    if config.kind is MeterKind.THREE_PHASE:
        single += [data_object("1.0.0.4.2.255", u16(1)), data_object("1.0.0.4.3.255", u16(1))]
    captures = tuple(CaptureObject(DATA, found.obis, 2) for found in single)
    row = (0, tuple(found.attributes[2]() for found in single))
    profile = ListProfile(Obis.parse("0.0.94.91.10.255"), captures, lambda: [row], 1, ZoneInfo(zone))
    name = text_object("0.0.42.0.0.255", logical_device_name(config))
    return [name, *single, profile]


def moment(at_s: int, zone: ZoneInfo) -> Data:
    """Return an instant as the octets a meter of ``zone`` sends."""
    return octets(CosemDateTime.from_utc(datetime.fromtimestamp(at_s, UTC), zone).to_bytes())


def clock_object(meter: Meter, when_set: Callable[[int], None]) -> SimpleObject:
    """Return the clock (class 8); ``when_set`` is told the UTC epoch seconds the clock was set to."""
    zone = ZoneInfo(meter.zone)
    standard = datetime(2026, 1, 1, tzinfo=UTC).astimezone(zone).utcoffset()
    behind_min = -int(standard.total_seconds()) // 60 if standard else 0
    never = octets(CosemDateTime().to_bytes())

    def set_time(value: Data) -> None:
        try:
            if value.tag not in (Tag.OCTET_STRING, Tag.DATE_TIME):
                raise Refused(DataAccessResult.TYPE_UNMATCHED, "a clock is set to a date-time")
            wanted = CosemDateTime.from_bytes(value.value).to_utc(zone)
        except DlmsError as unreadable:
            raise Refused(DataAccessResult.TYPE_UNMATCHED, str(unreadable)) from unreadable
        when_set(int(wanted.timestamp()))

    return SimpleObject(
        CLOCK,
        Obis.parse("0.0.1.0.0.255"),
        {
            2: lambda: moment(meter.now_s(), zone),
            3: lambda: i16(behind_min),
            4: lambda: u8(0),
            5: lambda: never,
            6: lambda: never,
            7: lambda: i8(0),
            8: lambda: boolean(False),
            9: lambda: enum(1),
        },
        {2: set_time},
    )


def association_object(
    instance: int, client_sap: int, server_sap: int, mechanism: int, objects: Callable[[], Iterable[CosemObject]]
) -> SimpleObject:
    """Return an Association LN (class 15, version 1) with its object list; ``instance`` 0 is the current one."""
    ciphered = 3 if mechanism >= 2 else 1
    return SimpleObject(
        ASSOCIATION,
        Obis(0, 0, 40, 0, instance, 255),
        {
            2: lambda: array(*(_listed(found, mechanism) for found in objects())),
            3: lambda: structure(i8(client_sap), u16(server_sap)),
            4: lambda: octets(bytes((0x60, 0x85, 0x74, 0x05, 0x08, 0x01, ciphered))),
            6: lambda: octets(bytes((0x60, 0x85, 0x74, 0x05, 0x08, 0x02, mechanism))),
            8: lambda: enum(2),
            9: lambda: octets(Obis(0, 0, 43, 0, instance, 255).to_bytes()),
        },
        version=1,
    )


def security_setup_object(config: MeterConfig) -> SimpleObject:
    """Return the utility's security setup (class 64) as the object list has it; the server answers for it."""
    return SimpleObject(
        SECURITY_SETUP,
        Obis(0, 0, 43, 0, 3, 255),
        dict.fromkeys((2, 3, 4, 5), null),
        version=1 if config.security.suite else 0,
    )


def _listed(found: CosemObject, mechanism: int) -> Data:
    """Return one element of an object list: class, version, logical name, access rights."""
    writable = found.writable if mechanism >= 2 else ()
    selectors = array(i8(1), i8(2)) if isinstance(found, ListProfile) or found.class_id == 7 else null()
    rights = [
        structure(i8(number), enum(3 if number in writable else 1), selectors if number == 2 else null())
        for number in found.readable
    ]
    return structure(
        u16(found.class_id),
        u8(found.version),
        octets(found.obis.to_bytes()),
        structure(array(_ATTRIBUTE_1_READ, *rights), array()),
    )
