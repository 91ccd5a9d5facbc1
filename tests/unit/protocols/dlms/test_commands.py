"""Command steps: what is sent for a purpose, and how what was read back is judged."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms.axdr import decode_all
from demeter.protocols.dlms.classes import (
    ActivityCalendar,
    AssociationLn1,
    AssociationLn3,
    Clock,
    ControlMode,
    DisconnectControl,
    ImageStatus,
    ImageTransfer,
    Limiter,
    PushSetup,
)
from demeter.protocols.dlms.classes.access import KeyId
from demeter.protocols.dlms.classes.civil import CosemDate, CosemTime
from demeter.protocols.dlms.classes.commands import clock, discovery, image, keys, push, supply, tariff
from demeter.protocols.dlms.classes.commands.supply import Relay
from demeter.protocols.dlms.classes.control import EmergencyProfile
from demeter.protocols.dlms.classes.timing import SpecialDay, Week
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data, Tag, array, bits, boolean, enum, i8, octets, structure, u8, u16, u32
from demeter.protocols.dlms.errors import Malformed, Unsupported
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject

IST = ZoneInfo("Asia/Kolkata")
NOW = datetime(2026, 11, 20, 13, 7, 3, tzinfo=UTC)


def relay(contact=None, control=None, mode=None):
    given_values = {2: contact and boolean(contact == "on"), 3: control, 4: mode}
    data = {n: (v if isinstance(v, Data) else enum(v)) for n, v in given_values.items() if v is not None}
    return DisconnectControl(supply.RELAY, data)


def test_disconnection_and_reconnection_are_methods_with_zero():
    found = supply.disconnect()
    assert (found.class_id, str(found.obis), found.method, found.payload) == (70, "0.0.96.3.10.255", 1, b"\x0f\x00")
    assert supply.reconnect().method == 2
    assert [each.attribute for each in supply.read_relay()] == [2, 3, 4]


@pytest.mark.parametrize(
    ("contact", "control", "state"),
    [
        ("on", 1, Relay.CONNECTED),
        ("off", 0, Relay.DISCONNECTED),
        ("off", 2, Relay.ARMED),
        ("on", 0, Relay.CONTRADICTORY),
        ("on", 2, Relay.CONTRADICTORY),
        ("off", 1, Relay.CONTRADICTORY),
        ("off", 9, Relay.UNKNOWN),
        (None, 1, Relay.UNKNOWN),
        ("on", None, Relay.UNKNOWN),
    ],
)
def test_the_relay_is_what_contact_and_control_agree_on(contact, control, state):
    assert supply.relay_state(relay(contact, control)) is state


def test_reconnection_connects_or_arms_by_the_control_mode():
    assert supply.after_reconnect(ControlMode.MODE_4) == {Relay.CONNECTED}
    assert Relay.ARMED in supply.after_reconnect(ControlMode.MODE_5)
    assert [step.method for step in supply.arm(ControlMode.MODE_3)] == [2]
    mode, again = supply.arm(ControlMode.MODE_2)
    assert (mode.attribute, mode.value, again.method) == (4, enum(1), 2)
    with pytest.raises(Unsupported, match="mode 0"):
        supply.arm(ControlMode.ALWAYS_CONNECTED)


def test_a_load_limit_keeps_the_meters_type_and_is_exact():
    threshold, duration = supply.limit_load(Decimal("2.5"), -1, u16(0), over_s=60)
    assert (threshold.attribute, threshold.value) == (4, u16(25))
    assert (duration.attribute, duration.value) == (6, u32(60))
    with pytest.raises(Malformed, match="finer than the scaler"):
        supply.limit_load(Decimal("2.55"), -1, u16(0))
    with pytest.raises(Malformed, match="outside 0 to 65535"):
        supply.limit_load(Decimal(7000), -1, u16(0))
    assert supply.limit_of(Limiter(supply.LIMITER, {3: u16(25)}), -1) == Decimal("2.5")
    assert supply.limit_of(Limiter(supply.LIMITER), -1) is None


def test_an_emergency_limit_has_threshold_group_and_profile():
    start = CosemDateTime.from_utc(NOW, IST)
    steps = supply.emergency_limit(Decimal(1000), 0, u32(0), EmergencyProfile(7, start, 3600))
    assert [step.attribute for step in steps] == [5, 9, 8]
    assert Limiter.emergency_profile.decode(steps[2].value).duration == 3600
    assert supply.no_emergency().attribute == 8


def test_a_clock_is_set_as_the_meters_zone_writes_it():
    found = clock.set_time(NOW, IST)
    assert (found.class_id, found.attribute) == (8, 2)
    assert CosemDateTime.from_bytes(found.value.value).to_utc() == NOW


def test_a_small_drift_is_shifted_and_a_large_one_set():
    assert clock.correct(40, NOW, IST).payload == bytes.fromhex("10ffd8")
    assert clock.correct(-901, NOW, IST).attribute == 2
    with pytest.raises(Malformed):
        clock.shift(901)
    ahead = Clock(clock.CLOCK, {2: octets(CosemDateTime.from_utc(NOW, IST).to_bytes())})
    assert clock.drift_s(ahead, NOW.replace(second=0)) == 3
    assert clock.drift_s(Clock(clock.CLOCK), NOW) is None


def test_a_preset_time_is_given_first_and_taken_over_later():
    first, second = clock.preset(NOW, NOW.replace(minute=0), NOW.replace(minute=30), IST)
    assert (first.method, second.method) == (5, 4)
    assert [CosemDateTime.from_bytes(part.value).to_utc().minute for part in first.parameter.value] == [7, 0, 30]
    with pytest.raises(Malformed):
        clock.preset(NOW, NOW.replace(minute=30), NOW.replace(minute=40), IST)
    adjusted = [clock.adjust_to_quarter(), clock.adjust_to_measuring_period(), clock.adjust_to_minute()]
    assert [each.method for each in adjusted] == [1, 2, 3]


def calendar(**changed):
    week = Week(b"W1", 1, 1, 1, 1, 1, 2, 2)
    days = (
        tariff.day_profile(1, {time(6): 2, time(0): 1, time(22): 1}),
        tariff.day_profile(2, {time(0): 1}),
    )
    found = {"name": b"2026", "seasons": (tariff.season("S1", 4, 1, "W1"),), "weeks": (week,), "days": days}
    return tariff.Calendar(**{**found, **changed})


def test_a_calendar_is_written_as_passive_and_read_back_as_the_same():
    wanted = calendar()
    steps = tariff.write_passive(wanted)
    assert [getattr(step, "attribute", None) for step in steps] == [6, 7, 8, 9, None]
    found = ActivityCalendar(tariff.CALENDAR, {step.attribute: decode_all(step.payload) for step in steps[:4]})
    assert tariff.passive_calendar(found) == wanted
    assert tariff.active_calendar(found) is None
    later = tariff.write_passive(wanted, CosemDateTime(2026, 4, 1, None, 0, 0, 0))
    assert later[-1].attribute == 10
    assert "S1" in found.describe()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seasons": ()}, "no season"),
        ({"weeks": ()}, "which there is not"),
        ({"days": (tariff.day_profile(1, {time(0): 1}),)}, r"day profiles \[2\]"),
        ({"days": (tariff.day_profile(1, {time(6): 1}), tariff.day_profile(2, {time(0): 1}))}, "begin at midnight"),
        ({"days": (tariff.day_profile(1, {time(0): 1}),) * 2}, "occurs twice"),
    ],
)
def test_a_calendar_that_contradicts_itself_is_not_written(changed, message):
    with pytest.raises(Malformed, match=message):
        tariff.write_passive(calendar(**changed))


def test_special_days_are_replaced_inserted_and_deleted():
    table = tariff.special_days({date(2026, 10, 2): 2, date(2026, 1, 26): 2})
    first = table.value.value[0]
    assert first == structure(u16(1), octets(bytes.fromhex("07ea011aff")), u8(2))
    assert tariff.insert_special_day(SpecialDay(3, CosemDate(month=8, day=15), 2)).method == 1
    assert tariff.delete_special_day(3).payload == bytes.fromhex("120003")


def test_the_billing_period_ends_by_a_script_or_by_its_schedule():
    reset = tariff.reset_billing()
    assert (reset.class_id, str(reset.obis), reset.payload) == (9, "0.0.10.0.1.255", bytes.fromhex("120001"))
    dates = tariff.billing_dates([(CosemDate(day=1), CosemTime(0, 0, 0, 0))])
    assert dates.payload == bytes.fromhex("0101020209040000000009 05ffffff01ff".replace(" ", ""))


def transfer(status, got=None, enabled=True, info=()):
    data = {2: u32(64), 5: boolean(enabled), 6: enum(status), 7: array(*info)}
    if got is not None:
        data[3] = bits(got)
    return ImageTransfer(image.IMAGE, data)


@given(st.binary(min_size=1, max_size=700), st.integers(1, 90))
def test_the_blocks_of_an_image_are_the_image(octets_of_image, size):
    sent = list(image.blocks(octets_of_image, size))
    assert len(sent) == image.block_count(len(octets_of_image), size)
    assert b"".join(step.parameter.value[1].value for step in sent) == octets_of_image
    assert [step.parameter.value[0].value for step in sent] == list(range(len(sent)))


@given(st.text("01", max_size=40), st.integers(0, 40))
def test_resuming_sends_exactly_what_the_meter_has_not(got, count):
    left = image.missing(bits(got).value, count)
    assert set(left) == {n for n in range(count) if n >= len(got) or got[n] == "0"}
    assert list(left) == sorted(left)


def test_a_transfer_goes_on_from_wherever_the_meter_is():
    assert image.next_step(transfer(0, enabled=False), 200).step == "enable"
    assert image.next_step(transfer(0), 200).step == "initiate"
    assert image.next_step(transfer(1), 200).resume == (0, 1, 2, 3)
    assert image.next_step(transfer(1, "1011"), 200).resume == (1,)
    assert image.next_step(transfer(1, "1111"), 200).step == "verify"
    assert image.next_step(transfer(ImageStatus.VERIFICATION_INITIATED), 200).step == "wait"
    assert image.next_step(transfer(4), 200).step == "failed"
    assert image.next_step(transfer(6), 200).step == "done"
    assert image.next_step(transfer(99), 200).step == "failed"
    with pytest.raises(Malformed):
        image.next_step(ImageTransfer(image.IMAGE), 200)


def test_another_image_that_waits_for_activation_is_not_activated():
    info = structure(u32(200), octets(b"FW2"), octets(b""))
    assert image.next_step(transfer(3, info=[info]), 200, b"FW2").step == "activate"
    assert image.next_step(transfer(3, info=[info]), 200, b"FW3").step == "initiate"
    assert image.next_step(transfer(3, info=[info]), 201, b"FW2").step == "initiate"


def test_blocks_the_image_has_not_are_refused():
    with pytest.raises(Malformed, match="blocks 0 to 1"):
        list(image.blocks(bytes(100), 64, only=[2]))
    with pytest.raises(Malformed):
        image.block_count(100, 0)
    assert [image.verify().method, image.activate().method, image.enable().attribute] == [3, 4, 5]
    assert image.initiate(b"FW2", 200).parameter == structure(octets(b"FW2"), u32(200))


def test_keys_travel_wrapped_and_in_order():
    master, unicast, authentication = bytes(16), bytes(range(16)), bytes(range(16, 32))
    found = keys.transfer_keys({KeyId.AUTHENTICATION: authentication, KeyId.GLOBAL_UNICAST_ENCRYPTION: unicast}, master)
    assert (found.class_id, found.method) == (64, 2)
    unwrapped = [(part.value[0].value, aes_key_unwrap(master, part.value[1].value)) for part in found.parameter.value]
    assert unwrapped == [(0, unicast), (2, authentication)]
    assert unicast not in found.payload
    with pytest.raises(Malformed, match="authentication has 3"):
        keys.transfer_keys({KeyId.AUTHENTICATION: b"abc"}, master)
    with pytest.raises(Malformed, match="no key"):
        keys.transfer_keys({}, master)


def test_a_push_setup_says_what_where_and_when():
    assert push.push_to("10.1.2.3:4059").payload == bytes.fromhex("02031600090d") + b"10.1.2.3:4059" + b"\x16\x00"
    captures = (CaptureObject(8, Obis.parse("0.0.1.0.0.255"), 2), CaptureObject(7, Obis.parse("1.0.99.1.0.255"), 2))
    wanted = push.push_objects(captures)
    assert push.pushed_attributes(PushSetup(push.PUSH, {2: wanted.value}).push_object_list) == captures
    assert push.push_now().method == 1
    assert [step.attribute for step in push.retries(3, 60, 30)] == [6, 7, 5]
    with pytest.raises(Malformed):
        push.push_to("zähler:4059")


def listed(class_id, obis, attributes, methods=()):
    rights = array(*(structure(i8(n), enum(mode), Data(Tag.NULL)) for n, mode in attributes))
    invocable = array(*(structure(i8(n), enum(mode)) for n, mode in methods))
    return structure(u16(class_id), u8(0), octets(Obis.parse(obis).to_bytes()), structure(rights, invocable))


def test_discovery_tells_what_can_be_read_written_and_invoked():
    objects = array(
        listed(70, "0.0.96.3.10.255", [(2, 1), (4, 3), (3, 0)], [(1, 1), (2, 0)]),
        listed(9999, "0.0.1.0.0.255", [(2, 6)]),
    )
    found = discovery.discover(AssociationLn1(discovery.ASSOCIATION, {2: objects}))
    unknown, switch = found.objects
    assert (unknown.typed, unknown.readable, unknown.writable) == (False, (2,), (2,))
    assert (switch.typed, switch.readable, switch.writable, switch.methods) == (True, (2, 4), (4,), (1,))
    assert [each.attribute for each in switch.reads()] == [2, 4]
    assert found.find(supply.RELAY) == switch
    assert found.of_class(70) == (switch,)
    assert found.to_json()[1]["class"] == "Disconnect control"


def test_discovery_reads_the_bits_of_newer_associations():
    objects = array(listed(70, "0.0.96.3.10.255", [(2, 0b0101), (4, 0b0011)], [(1, 0b0101)]))
    (switch,) = discovery.discover(AssociationLn3(discovery.ASSOCIATION, {2: objects})).objects
    assert (switch.readable, switch.writable, switch.methods) == ((2, 4), (4,), (1,))
