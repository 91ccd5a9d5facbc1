"""Order, repeats and delay change nothing: the same set of readings ends in the same blocks and statements, byte for byte."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from demeter import estate, metering, readings
from demeter.estate import Exchange, MeterPlan
from demeter.ingest import IngestWriter
from demeter.kernel import Commodity, day_start, month_span, next_month
from demeter.metering import views
from demeter.metering.store import hand_off, use
from demeter.runtime.database import Role
from demeter.sdk import Credentials, Delivery
from tests.integration.metering import rig

DAILY = 86_400
MIDNIGHTS = type(rig.INDEX)(rig.INDEX.obis, rig.INDEX.kind, "Wh", 0, DAILY)
PLACES = [("Europe/Berlin", 3), ("Europe/Berlin", 10), ("Asia/Kolkata", 3), ("Australia/Lord_Howe", 4)]
KEPT = ("readings", "metering", "runtime.outbox")


class Month:
    """A month of a flat (water by register; electricity by intervals and midnight registers, exchanged once)."""

    def __init__(self, database, zone, month):
        self.first = date(2026, month, 1)
        self.span = month_span(zone, 2026, month)
        self.site = rig.build(database, zone, self.span.end + timedelta(hours=1))
        begin = self.span.start
        water = self.site.point("A-1204", Commodity.WATER)
        power = self.site.point("A-1204", Commodity.ELECTRICITY)
        self.exchange_at = day_start(zone, date(2026, month, 17)) + timedelta(hours=11, minutes=7)
        meters = [self.site.meter(water, "W1", begin), self.site.meter(power, "E1", begin)]
        with self.site.work() as work:
            plan = MeterPlan("E2", Commodity.ELECTRICITY, "dlms", self.exchange_at)
            meters.append(estate.create_meter(work, self.site.site_id, plan))
        self.water, self.old, self.new = meters
        self.power = power
        self.frames = self._frames(zone, month)

    def _frames(self, zone, month):
        start_s = int(self.span.start.timestamp())
        count = (int(self.span.end.timestamp()) - start_s) // 900
        rng = np.random.default_rng(month)
        litres, watt_hours = rng.integers(0, 9, count), rng.integers(50, 400, count)
        index = 9_000_000 + np.concatenate([[0], np.cumsum(watt_hours)])
        frames = []
        volume = rig.register(self.span.start, 77_000, litres)
        energy = rig.quarters(self.span.start, watt_hours)
        frames += [(self.water, {rig.VOLUME: volume[k : k + 97]}) for k in range(0, count, 96)]
        swap_s = int(self.exchange_at.timestamp())
        cut = (swap_s - start_s) // 900
        part = int(watt_hours[cut]) // 3
        with self.site.work() as work:
            exchange = Exchange(
                self.exchange_at, Decimal(int(index[cut]) + part), self.new, Decimal(500), "glass broken"
            )
            estate.exchange_meter(work, self.power, exchange)
        shift = 500 - int(index[cut]) - part
        frames += [(self.old, {rig.ENERGY: energy[k : min(k + 96, cut)]}) for k in range(0, cut, 96)]
        frames += [(self.new, {rig.ENERGY: energy[k : k + 96]}) for k in range(cut + 1, count, 96)]
        for number in range(1, 40):
            day = self.first + timedelta(days=number - 1)
            at_s = int(day_start(zone, day).timestamp())
            if day > next_month(self.first):
                break
            k = (at_s - start_s) // 900
            meter_id, value = (self.old, int(index[k])) if at_s < swap_s else (self.new, int(index[k]) + shift)
            frames.append((meter_id, {MIDNIGHTS: [(at_s, value)]}))
        self.litres, self.watt_hours = int(litres.sum()), int(watt_hours.sum())
        return frames

    def forget(self):
        """Empty what readings and metering keep, as if nothing had ever been read."""
        with self.site.database.connect(Role.OWNER) as connection:
            names = connection.execute(
                "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname IN ('readings', 'metering')"
            ).fetchall()
            tables = ", ".join(f"{schema}.{name}" for schema, name in names)
            connection.execute(f"TRUNCATE {tables}, runtime.outbox RESTART IDENTITY")
        self.site.clock.advance(self.span.end + timedelta(hours=1) - self.site.clock.now())

    def deliver(self, frames):
        decoder = rig.RowDecoder()
        with IngestWriter(self.site.database) as writer:
            waiting = []
            for meter_id, content in frames:
                made = rig.frame(content, self.site.clock.now())
                waiting.append(writer.submit(Delivery(meter_id, made, decoder.decode(made, Credentials({})))))
            assert all(future.result(60).accepted for future in waiting)
        metering.refresh(self.site.database)

    def end(self):
        """Return everything that must not depend on the way here: blocks, days, months, flags, statements."""
        self.site.clock.advance(timedelta(days=60))
        readings.fold_inbox(self.site.database)
        metering.refresh(self.site.database)
        with self.site.database.connect(Role.OWNER) as connection:
            blocks = connection.execute(
                "SELECT c.meter_id, c.obis, c.kind, c.interval_s, b.day, b.base, b.sum, b.min, b.max, b.n, b.min_slot,"
                " b.max_slot, b.first_slot, b.last_slot, b.wide, b.quality, b.vals FROM readings.block b"
                " JOIN readings.channel c ON (c.site_id, c.id) = (b.site_id, b.channel_id) ORDER BY 1, 2, 3, 4, 5"
            ).fetchall()
        site_id = self.site.site_id
        with self.site.work() as work:
            days = use.days(work, site_id, self.first, next_month(self.first) - timedelta(days=1))
            months = use.months(work, site_id, month=self.first)
            flags = [f for f in use.flags(work, site_id, month=self.first) if f.kind.value == "leak"]
            statements = list(hand_off.newest_statements(work, site_id, self.first))
        contents = [without_revision(statement.document) for statement in statements]
        return blocks, days, months, flags, contents


def without_revision(document):
    content = json.loads(document)
    for name in ("revision", "supersedes", "published_at"):
        del content[name]
    return json.dumps(content, sort_keys=True)


@pytest.fixture(params=PLACES, ids=lambda place: f"{place[0]} {place[1]}")
def month(request, database):
    return Month(database, *request.param)


def test_any_order_repetition_and_delay_end_in_the_same_bytes(month):
    month.deliver(month.frames)
    expected = month.end()
    by_commodity = {json.loads(content)["commodity"]: json.loads(content) for content in expected[-1]}
    assert by_commodity["water"]["amount"] == month.litres
    assert by_commodity["electricity"]["amount"] == month.watt_hours
    assert by_commodity["electricity"]["coverage_ppm"] == 1_000_000

    # a seed, not Hypothesis' own Random: one example draws thousands of numbers, and smaller ones are no simpler
    @settings(max_examples=8, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def shuffled(seed):
        random = Random(seed)
        month.forget()
        frames = list(month.frames) + random.sample(month.frames, 12)
        random.shuffle(frames)
        frames = [(meter_id, _shuffle_rows(content, random)) for meter_id, content in frames]
        cut = random.randrange(len(frames))
        month.deliver(frames[:cut])
        if random.random() < 0.5:
            readings.fold_inbox(month.site.database)
        # the rest comes a month later, after the statements went out
        month.site.clock.advance(timedelta(days=31))
        month.deliver(frames[cut:])
        month.deliver(random.sample(frames, 5))
        found = month.end()
        for one, other in zip(found, expected, strict=True):
            assert one == other

    shuffled()


def _shuffle_rows(content, random):
    mixed = {}
    for kind, rows in content.items():
        mixed[kind] = list(rows)
        random.shuffle(mixed[kind])
    return mixed


START = datetime(2026, 3, 10, tzinfo=UTC)
QUARTER_S = 900


def flat_day(database):
    site = rig.build(database, "UTC")
    point = site.point("A-1", Commodity.ELECTRICITY)
    meter_id = site.meter(point, "E1", START - timedelta(days=20))
    rows = rig.quarters(START, [250] * 96)
    return site, point, meter_id, rows


def on_the_day(site, point):
    metering.refresh(site.database)
    with site.work() as work:
        return next(d.consumption for d in views.days(work, point.id, date(2026, 3, 1)) if d.day == START.date())


@pytest.mark.parametrize("case", ["neighbours swapped", "3 h backlog", "6 h backlog", "20 duplicates"])
def test_named_cases_read_live_give_24_kwh(database, case):
    site, point, meter_id, rows = flat_day(database)
    if case == "neighbours swapped":
        rows[40], rows[41] = rows[41], rows[40]
    elif case == "20 duplicates":
        rows[50:50] = [rows[50]] * 20
    else:
        late = 4 * int(case[0])
        rows = rows[:40] + rows[40 + late :] + rows[40 : 40 + late]
    for k, row in enumerate(rows):
        site.deliver(meter_id, {rig.ENERGY: [row]}, received_at=START + timedelta(seconds=QUARTER_S * k))
    assert on_the_day(site, point) == Decimal("24.000")


def test_named_case_meter_exchanged_at_noon_gives_24_kwh(database):
    site, point, old, _rows = flat_day(database)
    index = rig.register(START, 880_000, [250] * 96)
    noon = START + timedelta(hours=12)
    with site.work() as work:
        new = estate.create_meter(work, site.site_id, MeterPlan("E2", Commodity.ELECTRICITY, "dlms", noon))
        estate.exchange_meter(work, point, Exchange(noon, Decimal(892_000), new, Decimal(5), "recalibration"))
    site.deliver(new, {rig.INDEX: [(at, value - 892_000 + 5) for at, value in index[49:]]})
    site.deliver(old, {rig.INDEX: index[:48]})
    assert on_the_day(site, point) == Decimal("24.000")
