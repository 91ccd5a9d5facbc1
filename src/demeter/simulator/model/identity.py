"""Who a meter is: its nameplate and logical device name (IS 15959, reference clause 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from demeter.protocols.dlms.data import Data, octets, u8, u16
from demeter.protocols.dlms.profile import CaptureObject
from demeter.simulator.fleet import MeterConfig, MeterKind
from demeter.simulator.model.clock import local_moment
from demeter.simulator.model.objects import DATA, CosemObject, data_object, name, text_object
from demeter.simulator.model.profiles import ListProfile

MAKER = "DEMETER SIMULATOR"

_CATEGORY = {MeterKind.SINGLE_PHASE: "D1", MeterKind.THREE_PHASE: "D2", MeterKind.WATER: "W1"}
_TYPE = {MeterKind.SINGLE_PHASE: 6, MeterKind.THREE_PHASE: 1, MeterKind.WATER: 0}


def logical_device_name(config: MeterConfig) -> str:
    """Return the 16 characters of the logical device name: three of the maker, thirteen digits of the system title."""
    title = bytes.fromhex(config.system_title) or b"DMT" + bytes(5)
    return f"{title[:3].decode('ascii', 'replace')}{int.from_bytes(title[3:8], 'big'):013}"


def nameplate_objects(config: MeterConfig, zone: str, firmware: Callable[[], str]) -> list[CosemObject]:
    """Return the objects that say who the meter is, and the profile that captures them; ``firmware``: its version."""
    single = [
        text_object("0.0.96.1.0.255", config.serial),
        text_object("0.0.96.1.1.255", MAKER),
        text_object("0.0.96.1.2.255", logical_device_name(config)),
        data_object("1.0.0.2.0.255", lambda: octets(firmware().encode("ascii"))),
        data_object("0.0.94.91.9.255", u8(_TYPE[config.kind])),
        text_object("0.0.94.91.11.255", _CATEGORY[config.kind]),
        data_object("0.0.96.1.4.255", u16(2025)),
    ]
    if config.kind is not MeterKind.WATER:
        single.append(text_object("0.0.94.91.12.255", "5-30A"))
    if config.kind is MeterKind.THREE_PHASE:
        single += [data_object("1.0.0.4.2.255", u16(1)), data_object("1.0.0.4.3.255", u16(1))]
    captures = tuple(CaptureObject(DATA, found.obis, 2) for found in single)

    def rows() -> list[tuple[int, tuple[Data, ...]]]:
        return [(0, tuple(found.attributes[2]() for found in single))]

    profile = ListProfile(name("0.0.94.91.10.255"), captures, rows, 1, ZoneInfo(zone))
    device = text_object("0.0.42.0.0.255", logical_device_name(config))
    return [device, *single, profile]


def moment(at_s: int, zone: ZoneInfo) -> Data:
    """Return an instant as the octets a meter of ``zone`` sends."""
    return octets(local_moment(at_s, zone).to_bytes())
