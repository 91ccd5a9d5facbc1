"""A housing society of three towers with 150 flats: the estate the demonstration harvests.

Tower A has 13 floors of 4 flats, B 8 of 6, C 10 of 5. Every flat has an electricity and a water meter, except two
legacy flats whose dials nobody can reach. Each tower has a bulk meter per commodity that sees the sum of the tower's
flats and common areas plus a small loss, and meters for lift, pump, lighting and common water.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from demeter.kernel import Commodity, local_day, month_span
from demeter.simulator.faults import Fault, FaultKind
from demeter.simulator.fleet import FleetConfig, LoadConfig, MeterConfig, MeterKind, Role, epoch_s
from demeter.simulator.noise import draw, secret
from demeter.simulator.security import SecurityConfig

TOWERS = {"A": (13, 4), "B": (8, 6), "C": (10, 5)}
"""Floors and flats per floor of each tower."""

LEGACY_FLATS = ("B-0803", "C-1001")
"""Flats without smart meters."""

LEAKING_FLAT, LEAK_LITRES_PER_HOUR = "B-0706", 60
OFFLINE_FLAT = "C-0302"
CASE_FLAT = "A-1204"
OUTAGE_FLAT, OUTAGE_DAY, OUTAGE_HOURS = "B-0404", 10, (14, 19)
"""A flat whose supply fails one afternoon of the named month: a gap in the middle of good data."""

_FIXED_TOTALS = {(CASE_FLAT, Commodity.ELECTRICITY): 312_000, (CASE_FLAT, Commodity.WATER): 14_200}
_LEAKING_TOTAL = 61_800
_COMMON = (
    ("lift", MeterKind.THREE_PHASE),
    ("pump", MeterKind.THREE_PHASE),
    ("lighting", MeterKind.SINGLE_PHASE),
    ("common-water", MeterKind.WATER),
)


def housing_society(
    seed: int,
    start_of_history: datetime,
    until: datetime,
    zone: str = "Asia/Kolkata",
    *,
    base_port: int = 0,
    entries: int = 6_400,
) -> FleetConfig:
    """Return the society's fleet, repeatable by seed.

    The cases stand in the last calendar month of ``zone`` that is complete at ``until`` (named in the result): A-1204
    uses 312 kWh and 14.2 kL, B-0706 uses 61.8 kL with a leak that still runs, C-0302's electricity meter never
    answers. ``base_port`` 0: every meter takes any free port; otherwise ports count up from it.
    """
    month = _last_complete_month(until, zone)
    meters: list[MeterConfig] = []
    for tower, (floors, per_floor) in TOWERS.items():
        flats = [f"{tower}-{floor:02}{flat:02}" for floor in range(1, floors + 1) for flat in range(1, per_floor + 1)]
        inner = [_flat(seed, zone, month, tower, unit, commodity) for unit in flats for commodity in Commodity]
        inner += [_common(seed, tower, purpose, kind) for purpose, kind in _COMMON]
        meters += inner
        meters += [_bulk(seed, tower, commodity, inner) for commodity in Commodity]
    placed = [_placed(meter, seed, number, base_port, entries) for number, meter in enumerate(meters)]
    return FleetConfig(zone, epoch_s(start_of_history), tuple(placed), seed=seed, named_month=month)


def _last_complete_month(until: datetime, zone: str) -> str:
    today = local_day(zone, until)
    year, month = (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)
    return f"{year:04}-{month:02}"


def _flat(seed: int, zone: str, month: str, tower: str, unit: str, commodity: Commodity) -> MeterConfig:
    name = f"{unit}/{commodity}"
    own = int.from_bytes(secret(seed, name, 4), "big")
    span = month_span(zone, int(month[:4]), int(month[5:]))
    faults: tuple[Fault, ...] = ()
    if commodity is Commodity.ELECTRICITY:
        kind, total = MeterKind.SINGLE_PHASE, draw(own, 100, 0, 140, 460) * 1000 + draw(own, 101, 0, 0, 999)
    else:
        kind, total = MeterKind.WATER, draw(own, 102, 0, 7_000, 21_000)
    total = _FIXED_TOTALS.get((unit, commodity), total)
    if unit == LEAKING_FLAT and commodity is Commodity.WATER:
        total = _LEAKING_TOTAL - LEAK_LITRES_PER_HOUR * span.seconds() // 3600
        faults = (Fault(FaultKind.LEAK, epoch_s(span.start), litres_per_hour=LEAK_LITRES_PER_HOUR),)
    if unit == OUTAGE_FLAT and commodity is Commodity.ELECTRICITY:
        since, until = (epoch_s(span.start) + (OUTAGE_DAY - 1) * 86_400 + hour * 3600 for hour in OUTAGE_HOURS)
        faults = (Fault(FaultKind.OUTAGE, since, until),)
    if unit == OFFLINE_FLAT and commodity is Commodity.ELECTRICITY:
        faults = (Fault(FaultKind.OFFLINE),)
    load = LoadConfig(f"household-{commodity}", own, month, total)
    return MeterConfig(name, "", kind, load, Role.UNIT, tower, unit, smart=unit not in LEGACY_FLATS, faults=faults)


def _common(seed: int, tower: str, purpose: str, kind: MeterKind) -> MeterConfig:
    name = f"{tower}/{purpose}"
    load = LoadConfig(purpose, int.from_bytes(secret(seed, name, 4), "big"))
    return MeterConfig(name, "", kind, load, Role.COMMON, tower, purpose=purpose)


def _bulk(seed: int, tower: str, commodity: Commodity, inner: list[MeterConfig]) -> MeterConfig:
    name = f"{tower}/bulk-{commodity}"
    parts = tuple(meter.name for meter in inner if meter.commodity is commodity)
    loss = draw(int.from_bytes(secret(seed, name, 4), "big"), 103, 0, 10, 19)
    kind = MeterKind.WATER if commodity is Commodity.WATER else MeterKind.THREE_PHASE
    load = LoadConfig("bulk", parts=parts, loss_permille=loss)
    return MeterConfig(name, "", kind, load, Role.BULK, tower, purpose="bulk")


def _placed(meter: MeterConfig, seed: int, number: int, base_port: int, entries: int) -> MeterConfig:
    """Give a meter its serial, keys, address and opening index."""
    serial = f"{seed % 1000:03}{number:05}"
    own = int.from_bytes(secret(seed, meter.name, 4), "big")
    size = 20 if meter.role is Role.BULK else 1
    opening = size * (draw(own, 104, 0, 60_000, 2_500_000) + 1_000 * draw(own, 105, 0, 0, 9_000))
    return replace(
        meter,
        serial=f"DM{serial}",
        system_title=(b"DMT" + int(serial).to_bytes(5, "big")).hex(),
        encryption_key=secret(seed, f"{meter.name}/encryption", 16).hex(),
        authentication_key=secret(seed, f"{meter.name}/authentication", 16).hex(),
        password=secret(seed, f"{meter.name}/password", 4).hex(),
        port=base_port + number if base_port else 0,
        entries=entries,
        opening=opening,
        security=SecurityConfig(master_key=secret(seed, f"{meter.name}/master", 16).hex()),
    )
