from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from demeter.kernel import FixedClock, day_span
from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.axdr import decode_all, encode
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import octets
from demeter.protocols.dlms.errors import DataAccessResult, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import (
    EntrySelection,
    RangeSelection,
    decode_capture_objects,
    decode_scaler_profile,
    profile_columns,
    profile_columns_scalar,
)
from demeter.protocols.dlms.server import Association
from demeter.simulator.faults import Fault, FaultKind
from demeter.simulator.fleet import FleetConfig, LoadConfig, MeterConfig, MeterKind, RowFormat
from demeter.simulator.loads import amounts
from demeter.simulator.meter import build_meters
from demeter.simulator.model.meter_model import MeterModel

IST = ZoneInfo("Asia/Kolkata")
NOW = datetime(2026, 11, 20, 13, 7, 3, tzinfo=UTC)
START_S = int((NOW - timedelta(days=66)).timestamp())
UTILITY = Association(48, Mechanism.HLS_GMAC, ciphered=True)
READER = Association(32, Mechanism.LLS, ciphered=False)
PUBLIC = Association(16, Mechanism.NONE, ciphered=False)
BLOCK, SCALERS, DAILY = "1.0.99.1.0.255", "1.0.94.91.4.255", "1.0.99.2.0.255"


def build(kind, load=None, **more):
    shape = "household-water" if kind is MeterKind.WATER else "household-electricity"
    config = MeterConfig(
        "m", "DM1", kind, load or LoadConfig(shape, 5), system_title=(b"DMT" + bytes(5)).hex(), entries=6400, **more
    )
    meter = build_meters(FleetConfig("Asia/Kolkata", START_S, (config,)), FixedClock(NOW))["m"]
    return meter, MeterModel(meter)


def read(model, obis, selection=None, scalers=None, zone=IST):
    captures = decode_capture_objects(model.get(UTILITY, 7, Obis.parse(obis), 3, None))
    payload = model.get(UTILITY, 7, Obis.parse(obis), 2, selection)
    found = {}
    if scalers:
        scaler_captures = decode_capture_objects(model.get(UTILITY, 7, Obis.parse(scalers), 3, None))
        found = decode_scaler_profile(model.get(UTILITY, 7, Obis.parse(scalers), 2, None), scaler_captures)
    return profile_columns(payload, captures, found, 900, zone), (payload, captures, found)


def column(columns, obis):
    return next(found for found in columns.columns if found.capture.obis == Obis.parse(obis))


def test_a_whole_load_profile_decodes_to_the_meters_amounts():
    meter, model = build(MeterKind.SINGLE_PHASE)
    rows = meter.block_rows()
    columns, _ = read(model, BLOCK, scalers=SCALERS)
    energy = column(columns, "1.0.1.29.0.255")
    assert len(columns) == len(rows) > 6300
    assert np.array_equal(columns.at_s, rows.stamps)
    assert np.array_equal(energy.values, amounts(meter.load, np.append(rows.stamps[0] - 900, rows.stamps)))
    assert (energy.scaler, energy.unit) == (0, 30)
    voltage = column(columns, "1.0.12.27.0.255")
    assert (voltage.scaler, voltage.unit) == (-2, 35)
    assert 22_000 < voltage.values.min() <= voltage.values.max() < 24_000
    assert not columns.clock_status.any()


def test_stamps_carry_the_deviation_of_india():
    _, model = build(MeterKind.SINGLE_PHASE)
    payload = model.get(UTILITY, 7, Obis.parse(BLOCK), 2, EntrySelection(1, 1).to_bytes())
    stamp = CosemDateTime.from_bytes(decode_all(payload).value[0].value[0].value)
    assert (stamp.deviation_min, stamp.status) == (-330, 0)


@pytest.mark.parametrize("kind", list(MeterKind))
def test_both_decoders_read_every_table_of_every_kind_alike(kind):
    _, model = build(kind)
    media = 8 if kind is MeterKind.WATER else 1
    for number, scaler in (("99.1.0", "94.91.4"), ("99.2.0", "94.91.5"), ("98.1.0", "94.91.6"), ("94.91.0", "94.91.3")):
        selection = EntrySelection(1, 40).to_bytes()
        columns, again = read(model, f"{media}.0.{number}.255", selection, f"{media}.0.{scaler}.255")
        walked = profile_columns_scalar(*again, 900, IST)
        assert len(columns) > 0
        assert np.array_equal(columns.at_s, walked.at_s)
        for one, other in zip(columns.columns, walked.columns, strict=True):
            assert np.array_equal(one.values, other.values)
            assert one.present.all()
            if one.capture.class_id == 3:
                assert one.scaler is not None


@pytest.mark.parametrize("form", [RowFormat.DELTA, RowFormat.COMPACT])
@pytest.mark.parametrize("kind", list(MeterKind))
def test_every_form_of_rows_reads_like_the_plain_one(form, kind):
    _, plain = build(kind)
    _, other = build(kind, row_format=form)
    obis = "8.0.99.1.0.255" if kind is MeterKind.WATER else BLOCK
    expected, (long, _, _) = read(plain, obis)
    found, (short, _, _) = read(other, obis)
    assert len(short) < len(long)
    assert np.array_equal(found.at_s, expected.at_s)
    for one, same in zip(found.columns, expected.columns, strict=True):
        assert np.array_equal(one.values, same.values)


def test_a_meter_stamps_the_day_clocks_go_forward_with_92_rows_and_two_deviations():
    start = datetime(2026, 3, 28, tzinfo=UTC)
    config = MeterConfig("m", "DM1", MeterKind.WATER, LoadConfig("steady", per_hour=60), entries=6400)
    fleet = FleetConfig("Europe/Berlin", int(start.timestamp()), (config,))
    model = MeterModel(build_meters(fleet, FixedClock(start + timedelta(days=3)))["m"])
    span = day_span("Europe/Berlin", date(2026, 3, 29))
    berlin = ZoneInfo("Europe/Berlin")
    selection = RangeSelection.between(span.start + timedelta(seconds=1), span.end, berlin).to_bytes()
    columns, (payload, _, _) = read(model, "8.0.99.1.0.255", selection, zone=None)
    assert len(columns) == 92
    assert set(np.diff(columns.at_s)) == {900}
    moments = [CosemDateTime.from_bytes(row.value[0].value) for row in decode_all(payload).value]
    assert {(found.deviation_min, found.status) for found in moments} == {(-60, 0), (-120, 0x80)}


def test_the_scaler_profile_has_an_order_of_its_own():
    _, model = build(MeterKind.THREE_PHASE)
    captures = decode_capture_objects(model.get(UTILITY, 7, Obis.parse(BLOCK), 3, None))
    scaled = decode_capture_objects(model.get(UTILITY, 7, Obis.parse(SCALERS), 3, None))
    assert len(captures) == 16
    assert {capture.obis for capture in scaled} == {capture.obis for capture in captures[1:]}
    assert [capture.obis for capture in scaled] != [capture.obis for capture in captures[1:]]
    assert {capture.attribute for capture in scaled} == {3}


def test_a_range_is_answered_with_both_ends_and_only_the_columns_asked_for():
    meter, model = build(MeterKind.SINGLE_PHASE)
    rows = meter.block_rows()
    captures = decode_capture_objects(model.get(UTILITY, 7, Obis.parse(BLOCK), 3, None))
    since, until = (datetime.fromtimestamp(int(at_s), UTC) for at_s in (rows.stamps[10], rows.stamps[20]))
    wanted = (captures[0], captures[2])
    selection = RangeSelection.between(since, until, IST, wanted).to_bytes()
    payload = model.get(UTILITY, 7, Obis.parse(BLOCK), 2, selection)
    columns = profile_columns(payload, wanted, {}, 900, IST)
    assert columns.at_s.tolist() == rows.stamps[10:21].tolist()
    assert [found.capture for found in columns.columns] == [captures[2]]


def test_entries_are_counted_from_one_and_zero_means_the_end():
    meter, model = build(MeterKind.WATER)
    stamps = meter.block_rows().stamps
    columns, _ = read(model, "8.0.99.1.0.255", EntrySelection(len(stamps) - 2, 0).to_bytes())
    assert columns.at_s.tolist() == stamps[-3:].tolist()


def test_a_water_meter_counts_litres_as_thousandths_of_a_cubic_metre():
    meter, model = build(MeterKind.WATER)
    columns, _ = read(model, "8.0.99.1.0.255", scalers="8.0.94.91.4.255")
    volume = column(columns, "8.0.1.0.0.255")
    assert (volume.scaler, volume.unit) == (-3, 13)
    assert np.array_equal(volume.values, meter.register.index(columns.at_s))
    assert decode_all(model.get(UTILITY, 3, Obis.parse("8.0.1.0.0.255"), 2, None)).value == meter.register.index_at(
        meter.now_s()
    )


def test_daily_rows_carry_the_register_at_local_midnight():
    meter, model = build(MeterKind.SINGLE_PHASE)
    columns, _ = read(model, DAILY)
    energy = column(columns, "1.0.1.8.0.255")
    assert np.array_equal(energy.values, meter.register.index(columns.at_s))
    assert all(datetime.fromtimestamp(int(at_s), IST).hour == 0 for at_s in columns.at_s)


def test_billing_rows_carry_the_months_register_and_its_highest_demand_with_its_time():
    meter, model = build(MeterKind.SINGLE_PHASE, LoadConfig("steady", per_hour=1000))
    columns, _ = read(model, "1.0.98.1.0.255")
    energy, date = column(columns, "1.0.1.8.0.255"), column(columns, "0.0.0.1.2.255")
    highest = [found for found in columns.columns if found.capture.obis == Obis.parse("1.0.1.6.0.255")]
    assert [datetime.fromtimestamp(int(at_s), IST).day for at_s in date.values] == [1, 1]
    assert np.array_equal(energy.values, meter.register.index(date.values))
    assert highest[0].values.tolist() == [1000, 1000], "a steady 1,000 W"
    assert (highest[1].values <= date.values).all()


def test_the_clock_runs_ahead_until_it_is_set_and_setting_it_is_noted():
    _, model = build(MeterKind.SINGLE_PHASE, faults=(Fault(FaultKind.DRIFT, seconds=95),))
    clock = Obis.parse("0.0.1.0.0.255")

    def shown():
        return CosemDateTime.from_bytes(decode_all(model.get(PUBLIC, 8, clock, 2, None)).value).to_utc()

    assert shown() == NOW + timedelta(seconds=95)
    model.set(UTILITY, 8, clock, 2, encode(octets(CosemDateTime.from_utc(NOW, IST).to_bytes())))
    assert shown() == NOW
    events = decode_all(model.get(READER, 7, Obis.parse("0.0.99.98.3.255"), 2, None))
    assert [row.value[1].value for row in events.value] == [151]


def test_a_supply_failure_is_logged_with_its_restoration():
    start = int(NOW.timestamp())
    _, model = build(MeterKind.SINGLE_PHASE, faults=(Fault(FaultKind.OUTAGE, start - 7200, start - 3600),))
    events = decode_all(model.get(READER, 7, Obis.parse("0.0.99.98.2.255"), 2, None))
    assert [row.value[1].value for row in events.value] == [101, 102]


@pytest.mark.parametrize("kind", list(MeterKind))
def test_every_object_of_the_list_is_there_with_every_attribute_it_promises(kind):
    _, model = build(kind)
    listed = decode_all(model.get(UTILITY, 15, Obis.parse("0.0.40.0.0.255"), 2, None)).value
    assert len(listed) > 40
    for element in listed:
        class_id, _, name, rights = (part.value for part in element.value)
        for right in rights[0].value:
            value = model.get(UTILITY, class_id, Obis.from_bytes(name), right.value[0].value, None)
            decode_all(value)


def test_the_public_client_sees_few_objects():
    _, model = build(MeterKind.SINGLE_PHASE)
    listed = decode_all(model.get(PUBLIC, 15, Obis.parse("0.0.40.0.0.255"), 2, None)).value
    names = {str(Obis.from_bytes(element.value[2].value)) for element in listed}
    assert names == {
        "0.0.1.0.0.255",
        "0.0.40.0.1.255",
        "0.0.42.0.0.255",
        "0.0.43.1.2.255",
        "0.0.43.1.3.255",
        "0.0.96.1.0.255",
    }


def test_the_logical_device_name_has_sixteen_characters_and_starts_with_the_maker():
    _, model = build(MeterKind.WATER)
    name = decode_all(model.get(PUBLIC, 1, Obis.parse("0.0.42.0.0.255"), 2, None)).value
    assert len(name) == 16
    assert name.startswith(b"DMT")


@pytest.mark.parametrize(
    ("class_id", "obis", "attribute", "selection", "result"),
    [
        (3, "1.0.77.8.0.255", 2, None, DataAccessResult.OBJECT_UNDEFINED),
        (3, BLOCK, 2, None, DataAccessResult.OBJECT_CLASS_INCONSISTENT),
        (7, BLOCK, 12, None, DataAccessResult.OBJECT_UNDEFINED),
        (8, "0.0.1.0.0.255", 2, b"\x01\x00", DataAccessResult.SCOPE_OF_ACCESS_VIOLATED),
        (7, BLOCK, 2, b"\x09\x00", DataAccessResult.TYPE_UNMATCHED),
    ],
)
def test_what_is_not_there_is_refused_with_the_right_result(class_id, obis, attribute, selection, result):
    _, model = build(MeterKind.SINGLE_PHASE)
    with pytest.raises(Refused) as refusal:
        model.get(UTILITY, class_id, Obis.parse(obis), attribute, selection)
    assert refusal.value.result is result


def test_a_refusing_meter_refuses_until_the_fault_is_cleared():
    meter, model = build(MeterKind.SINGLE_PHASE, faults=(Fault(FaultKind.REFUSE),))
    with pytest.raises(Refused, match="busy"):
        model.get(UTILITY, 7, Obis.parse(BLOCK), 3, None)
    meter.book.clear(FaultKind.REFUSE, meter.true_now_s())
    assert model.get(UTILITY, 7, Obis.parse(BLOCK), 3, None)
