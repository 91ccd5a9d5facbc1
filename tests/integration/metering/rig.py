"""A small site whose meters hand over frames that really decode: rows as JSON, so the proof can read them again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from demeter import estate
from demeter.estate import MeterPlan, PointPlan, PointRole, ServicePoint
from demeter.ingest import IngestWriter
from demeter.kernel import Commodity, FixedClock, Quality
from demeter.runtime.database import Database, Role, Scope, UnitOfWork
from demeter.sdk import Credentials, Delivery, Frame, ReadingKind, ReadingType, Series

CODEC = "test/rows"
ENERGY = ReadingType("1.0.1.29.0.255", ReadingKind.INTERVAL, "Wh", 0, 900)
INDEX = ReadingType("1.0.1.8.0.255", ReadingKind.REGISTER, "Wh", 0, 900)
VOLUME = ReadingType("8.0.1.0.0.255", ReadingKind.REGISTER, "m3", -3, 900)
Rows = Sequence[tuple[int, int]]


class RowDecoder:
    """Decodes the rig's frames."""

    codec = CODEC

    def decode(self, frame: Frame, credentials: Credentials) -> tuple[Series, ...]:
        return tuple(_series(one) for one in json.loads(frame.payload))


def _series(one: Mapping[str, object]) -> Series:
    rows = np.array(one["rows"], dtype=np.int64).reshape(-1, 2)
    kind = ReadingType(**{**one["type"], "kind": ReadingKind(one["type"]["kind"])})
    return Series(kind, rows[:, 0], rows[:, 1], np.full(len(rows), Quality.MEASURED, dtype=np.uint8))


def frame(parts: Mapping[ReadingType, Rows], received_at: datetime) -> Frame:
    """Return a frame that carries these rows."""
    content = [
        {
            "type": {
                "obis": t.obis,
                "kind": t.kind.value,
                "unit": t.unit,
                "scaler": t.scaler,
                "interval_s": t.interval_s,
            },
            "rows": [[int(at), int(value)] for at, value in rows],
        }
        for t, rows in parts.items()
    ]
    return Frame(CODEC, json.dumps(content).encode(), received_at, {"rig": 1})


@dataclass
class Site:
    """One organization, one site with one tower, and what the tests add to it."""

    database: Database
    clock: FixedClock
    site_id: int
    building_id: int
    zone: str

    @property
    def scope(self) -> Scope:
        return Scope.system(1, "test")

    def work(self):
        return self.database.unit_of_work(self.scope)

    def point(
        self, label: str, commodity: Commodity, role: PointRole = PointRole.UNIT, area: int = 5000
    ) -> ServicePoint:
        with self.work() as work:
            unit = None
            if role is PointRole.UNIT:
                found = [u.id for u in estate.units(work, self.site_id) if u.label == label]
                unit = (
                    found[0]
                    if found
                    else estate.create_unit(work, self.site_id, self.building_id, label, area_dm2=area)
                )
            plan = PointPlan(self.building_id, role, commodity, label, unit)
            return estate.service_point(work, estate.create_service_point(work, self.site_id, plan))

    def meter(
        self,
        point: ServicePoint,
        serial: str,
        starts_at: datetime,
        *,
        protocol: str = "dlms",
        dials: int = 0,
        opening: str | None = None,
    ) -> int:
        with self.work() as work:
            plan = MeterPlan(serial, point.commodity, protocol, starts_at, dials=dials)
            meter_id = estate.create_meter(work, self.site_id, plan)
            read = None if opening is None else Decimal(opening)
            estate.install(work, point, meter_id, starts_at, opening_read=read)
            return meter_id

    def deliver(self, meter_id: int, *batches: Mapping[ReadingType, Rows], received_at: datetime | None = None) -> None:
        """Hand each batch over as a frame of its own, decoded on the way in."""
        decoder = RowDecoder()
        with IngestWriter(self.database) as writer:
            for batch in batches:
                made = frame(batch, received_at or self.clock.now())
                receipt = writer.submit(Delivery(meter_id, made, decoder.decode(made, Credentials({})))).result(30)
                assert not receipt.refusals, receipt


def build(database: Database, zone: str = "Asia/Kolkata", now: datetime | None = None) -> Site:
    """Return an empty site in ``zone``, with the clock standing at ``now``."""
    clock = FixedClock(now or datetime(2026, 4, 2, tzinfo=UTC))
    database.clock = clock
    with database.connect(Role.OWNER) as connection:
        connection.execute("INSERT INTO identity.organization (name) VALUES ('Lakeview')")
        connection.execute("INSERT INTO estate.customer (organization_id, name) VALUES (1, 'Society')")
    with database.unit_of_work(Scope.system(1, "test")) as work:
        site_id = _site(work, zone)
        building_id = estate.create_building(work, site_id, "Tower A")
    return Site(database, clock, site_id, building_id, zone)


def _site(work: UnitOfWork, zone: str) -> int:
    row = work.raw.execute(
        "INSERT INTO estate.site (organization_id, customer_id, name, zone, currency, locale)"
        " VALUES (1, 1, 'Lakeview', %s, 'INR', 'en') RETURNING id",
        (zone,),
    ).fetchone()
    return row[0]


def quarters(start: datetime, amounts: Sequence[int]) -> list[tuple[int, int]]:
    """Return interval rows (end, amount) of quarter-hours from ``start``."""
    first = int(start.timestamp())
    return [(first + 900 * (k + 1), int(amount)) for k, amount in enumerate(amounts)]


def register(start: datetime, opening: int, amounts: Sequence[int]) -> list[tuple[int, int]]:
    """Return register rows at every quarter-hour bound from ``start`` on, both ends included."""
    first, index = int(start.timestamp()), np.concatenate([[opening], opening + np.cumsum(amounts)])
    return [(first + 900 * k, int(value)) for k, value in enumerate(index)]


def hours(count: int) -> timedelta:
    """Return a time difference."""
    return timedelta(hours=count)
