"""What becomes of a read a person sends in."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from demeter.kernel import Commodity, Quality
from demeter.metering.index import Rules
from demeter.metering.self_read import KnownRead, Outcome, SelfRead, SelfReadDecoder, judge
from demeter.sdk import Credentials, FailureKind, Frame, ReadFailure

NOW = datetime(2026, 4, 1, 8, tzinfo=UTC)
RULES = Rules.of(Commodity.ELECTRICITY)


def known(*reads):
    return [KnownRead(NOW - timedelta(days=ago), Decimal(kwh) * 1000, Quality.SELF_READ) for ago, kwh in reads]


def judged(register, before, *, ago=0, circle=None):
    given = SelfRead(NOW - timedelta(days=ago), Decimal(register))
    return judge(given, before, NOW, RULES, None if circle is None else Decimal(circle))


USUAL = known((60, "4000"), (30, "4180"))


@pytest.mark.parametrize(
    ("register", "outcome"),
    [
        ("4360", Outcome.ACCEPTED),
        ("4360.125", Outcome.ACCEPTED),
        ("4180", Outcome.ACCEPTED_WITH_FLAG),
        ("4800", Outcome.ACCEPTED_WITH_FLAG),
        ("4179", Outcome.REJECTED),
        ("8000000", Outcome.REJECTED),
        ("-1", Outcome.REJECTED),
    ],
)
def test_a_read_is_judged_by_the_last_one_and_the_usual_use(register, outcome):
    assert judged(register, USUAL).outcome is outcome


def test_the_first_read_of_a_meter_is_accepted():
    assert judged("4360", []).outcome is Outcome.ACCEPTED


def test_a_register_near_its_end_may_start_again():
    before = known((30, "99990"))
    assert judged("75", before, circle=100_000_000).outcome is Outcome.ACCEPTED_WITH_FLAG
    assert judged("75", before).outcome is Outcome.REJECTED
    assert judged("75", known((30, "50000")), circle=100_000_000).outcome is Outcome.REJECTED


def test_dials_limit_what_can_be_shown():
    assert judged("100000", [], circle=100_000_000).reason == "the meter's dials cannot show it"


def test_nobody_reads_tomorrow():
    assert judged("4360", USUAL, ago=-1).outcome is Outcome.REJECTED


def test_a_read_between_two_others_must_fit_both():
    between = known((60, "4000"), (0, "4180"))
    assert judged("4090", between, ago=30).outcome is Outcome.ACCEPTED
    assert judged("4200", between, ago=30).outcome is Outcome.NEEDS_CHECK


def test_two_reads_of_one_instant_that_differ_need_a_check():
    assert judged("4181", USUAL, ago=30).outcome is Outcome.NEEDS_CHECK
    assert judged("4180", USUAL, ago=30).outcome is not Outcome.NEEDS_CHECK


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"[]", b'{"at":"x"}', b'{"at":"2026-01-01T00:00:00+00:00","unit":"kWh"}']
)
def test_anything_but_a_self_read_is_a_typed_error(payload):
    with pytest.raises(ReadFailure) as caught:
        SelfReadDecoder().decode(Frame("self-read", payload, NOW, {}), Credentials({}))
    assert caught.value.kind is FailureKind.GARBLED
