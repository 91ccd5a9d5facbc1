"""A water meter carried as OBIS media 8: a volume register in litres (scaler -3 of m³), its profiles, its flow."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from demeter.protocols.dlms.data import Tag, u16, u32
from demeter.protocols.dlms.profile import CaptureObject
from demeter.simulator.billing import PERIODS_KEPT
from demeter.simulator.meter import Meter, Rows
from demeter.simulator.model.captured import profiles_and_registers
from demeter.simulator.model.objects import REGISTER, CosemObject, data_object, name
from demeter.simulator.model.profiles import CAPTURE, Column, TableProfile, stamp_column
from demeter.simulator.noise import IntArray

CUBIC_METRE, CUBIC_METRE_PER_HOUR = 13, 15
_LITRES = -3


def water_objects(meter: Meter) -> list[CosemObject]:
    """Return profiles, scaler profiles, registers and the period of one water meter."""
    zone = ZoneInfo(meter.zone)
    volume = Column(
        CaptureObject(REGISTER, name("8.0.1.0.0.255"), 2),
        Tag.UINT32 if meter.modulus <= 2**32 else Tag.UINT64,
        lambda rows: meter.register.index(rows.stamps),
        meter.scaler + _LITRES,
        CUBIC_METRE,
    )
    flow = Column(
        CaptureObject(REGISTER, name("8.0.2.0.0.255"), 2),
        Tag.UINT32,
        lambda rows: _flow(meter, rows),
        meter.scaler + _LITRES,
        CUBIC_METRE_PER_HOUR,
    )

    now = meter.now_row
    entries, form = meter.config.entries, meter.config.row_format
    days = entries * meter.period_s // 86_400 + 1
    cumulative = (stamp_column(), volume)

    present = TableProfile(name("8.0.94.91.0.255"), (*cumulative, flow), now, 0, 1, zone)
    block = TableProfile(name("8.0.99.1.0.255"), cumulative, meter.block_rows, meter.period_s, entries, zone, form)
    daily = TableProfile(name("8.0.99.2.0.255"), cumulative, meter.daily_rows, 86_400, days, zone, form)
    billing = TableProfile(
        name("8.0.98.1.0.255"),
        cumulative,
        meter.billing_rows,
        0,
        PERIODS_KEPT,
        zone,
        methods={CAPTURE: meter.end_billing_period},
    )
    profiles = [
        (present, "8.0.94.91.3.255", now),
        (block, "8.0.94.91.4.255", now),
        (daily, "8.0.94.91.5.255", now),
        (billing, "8.0.94.91.6.255", now),
    ]
    counts = data_object("0.0.0.1.0.255", lambda: u32(len(meter.billing_ends())))
    return [*profiles_and_registers(profiles, zone), data_object("1.0.0.8.4.255", u16(meter.period_s)), counts]


def _flow(meter: Meter, rows: Rows) -> IntArray:
    """Return the mean flow over the 15 minutes before each stamp, in litres an hour."""
    used = meter.load.total(rows.stamps) - meter.load.total(rows.stamps - 900)
    flow: IntArray = used * 4
    return flow
