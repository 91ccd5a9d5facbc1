"""Rows of event logs as meter events, and when a log is worth reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from demeter.drivers.dlms.events import Counts, _may_be_new, events_of
from demeter.drivers.dlms.options import USUAL_PROFILE, known_profile
from demeter.drivers.dlms.tables import Table
from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CLOCK, CaptureObject, profile_columns
from demeter.sdk import Credentials, EventValue, LogMark, MeterEvent, MeterEventKind, Profile, key_sets

POWER = Obis.parse("0.0.99.98.2.255")
CODE = CaptureObject(1, Obis.parse("0.0.96.11.2.255"), 2)
NUMBER = CaptureObject(1, Obis.parse("0.0.96.15.2.255"), 2)
VOLTAGE = CaptureObject(3, Obis.parse("1.0.12.7.0.255"), 2)
KNOWN = known_profile(USUAL_PROFILE)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
INDIA = ZoneInfo("Asia/Kolkata")


def events(rows: list[tuple[datetime | None, int, int]], *more: CaptureObject) -> tuple[MeterEvent, ...]:
    captures = (CLOCK, CODE, *more)
    encoded = [
        data.structure(
            data.null() if at is None else data.octets(CosemDateTime.from_utc(at, INDIA).to_bytes()),
            data.u16(code),
            *(data.u32(number) for _ in more),
        )
        for at, code, number in rows
    ]
    table = Table(Profile.EVENTS, POWER, captures, {(VOLTAGE.obis, 2): (-1, 35)}, 0)
    columns = profile_columns(axdr.encode(data.array(*encoded)), captures, table.scalers, 0, INDIA)
    return events_of(table, columns, KNOWN)


def test_a_row_is_an_event_with_meaning_pair_and_exact_values() -> None:
    (event,) = events([(NOON, 101, 2301)], VOLTAGE)
    assert (event.at, event.code, event.kind, event.pair) == (NOON, 101, MeterEventKind.OCCURRENCE, 102)
    assert event.values == (EventValue("1.0.12.7.0.255", 2301, -1, "V"),)
    assert (event.log, event.group) == (str(POWER), "power")


def test_a_code_nobody_wrote_down_stays_an_event_of_its_log() -> None:
    (event,) = events([(NOON, 149, 0)])
    assert (event.kind, event.group, event.pair) == (MeterEventKind.CHANGE, "power", None)
    assert "149" in event.meaning


def test_the_meters_own_number_is_kept_and_is_no_measured_value() -> None:
    (event,) = events([(NOON, 101, 77)], NUMBER)
    assert (event.sequence, event.values) == (77, ())


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([101, 102])), max_size=12))
def test_every_row_of_a_log_has_a_place_of_its_own_whichever_way_it_is_sorted(rows: list[tuple[int, int]]) -> None:
    dated = [(NOON + timedelta(seconds=second), code, 0) for second, code in sorted(rows)]
    forward = events(dated)
    assert len({(event.at, event.code, event.nth) for event in forward}) == len(rows)
    places = {(event.at, event.code, event.nth) for event in events(dated[::-1])}
    assert places == {(event.at, event.code, event.nth) for event in forward}


def mark(entries: int, count: int | None, hours_ago: int = 1) -> LogMark:
    return LogMark(str(POWER), count, entries, NOON, NOON - timedelta(hours=hours_ago))


def counts(entries: int, count: int | None) -> Counts:
    (group,) = [group for group in KNOWN.event_groups.values() if group.log == POWER]
    return Counts(group, count, entries)


def test_a_log_is_read_only_where_something_may_be_new() -> None:
    assert _may_be_new(counts(3, 3), None, NOON)
    assert not _may_be_new(counts(3, 3), mark(3, 3), NOON)
    assert _may_be_new(counts(40, 51), mark(40, 50), NOON), "a full log that counts on"
    assert _may_be_new(counts(4, None), mark(3, None), NOON)
    assert not _may_be_new(counts(3, None), mark(3, None), NOON)
    assert _may_be_new(counts(40, None), mark(40, None), NOON), "a full log that does not count"
    assert _may_be_new(counts(3, 3), mark(3, 3, hours_ago=24), NOON), "surely, once a day"


KEY = st.binary(min_size=16, max_size=16)
NAMES = ("encryption_key", "authentication_key", "master_key")


@given(
    st.fixed_dictionaries(dict.fromkeys(NAMES, KEY)),
    st.dictionaries(st.sampled_from(NAMES), KEY, min_size=1),
    st.sets(st.sampled_from(NAMES[:2])),
)
def test_whichever_keys_a_meter_took_one_of_the_sets_opens_it(
    old: dict[str, bytes], new: dict[str, bytes], took: set[str]
) -> None:
    materials = {**new, **{f"former_{name}": key for name, key in old.items()}}
    sets = key_sets(Credentials({**old, "password": b"p"}, 3), materials)
    meter = {name: new[name] if name in took and name in new else old[name] for name in NAMES[:2]}
    assert any(all(each.secrets[name] == key for name, key in meter.items()) for each in sets)
    assert all(each.secrets["password"] == b"p" for each in sets)
    assert len({tuple(sorted(each.secrets.items())) for each in sets}) == len(sets)
