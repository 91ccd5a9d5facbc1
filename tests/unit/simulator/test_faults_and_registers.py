import numpy as np
import pytest

from demeter.kernel import Invalid
from demeter.simulator.faults import Fault, FaultBook, FaultKind, FaultyLoad, fault_record, parse_fault
from demeter.simulator.loads import BulkLoad, SteadyLoad, amounts
from demeter.simulator.registers import Register

T0 = 1_700_000_100 // 900 * 900
GRID = T0 + 900 * np.arange(97)


def test_a_leak_adds_its_litres_from_its_start_until_its_end():
    book = FaultBook((Fault(FaultKind.LEAK, T0 + 3600, T0 + 7200, litres_per_hour=60),))
    leaking = FaultyLoad(SteadyLoad(0, T0), book)
    assert amounts(leaking, GRID).tolist() == [0] * 4 + [15] * 4 + [0] * 88


def test_a_leak_switched_on_later_reaches_the_bulk_meter_too():
    book = FaultBook()
    bulk = BulkLoad([FaultyLoad(SteadyLoad(8, T0), book), SteadyLoad(4, T0)], 0, T0)
    assert amounts(bulk, GRID).sum() == 12 * 24
    book.add(Fault(FaultKind.LEAK, T0 + 43_200, litres_per_hour=60))
    assert amounts(bulk, GRID).sum() == 12 * 24 + 60 * 12


def test_nothing_flows_in_an_outage_and_what_flowed_before_stays():
    book = FaultBook((Fault(FaultKind.OUTAGE, T0 + 3600, T0 + 7200),))
    load = FaultyLoad(SteadyLoad(400, T0), book)
    assert amounts(load, GRID).tolist() == [100] * 4 + [0] * 4 + [100] * 88
    missing = book.unpowered(GRID[1:], 900)
    assert np.flatnonzero(missing).tolist() == [4, 5, 6, 7]


def test_a_register_rolls_over_at_the_instant_asked_for():
    book = FaultBook((Fault(FaultKind.ROLLOVER, T0 + 7200),))
    dial = Register(SteadyLoad(400, T0), 55, 100_000, book).index(GRID)
    assert dial[:10].tolist() == [99_200, 99_300, 99_400, 99_500, 99_600, 99_700, 99_800, 99_900, 0, 100]


def test_a_register_starts_over_from_zero_after_a_reset():
    book = FaultBook((Fault(FaultKind.RESET, T0 + 1800),))
    assert Register(SteadyLoad(400, T0), 5_000, 100_000, book).index(GRID)[:4].tolist() == [5_000, 5_100, 0, 100]


def test_clearing_ends_a_fault_and_keeps_its_past():
    book = FaultBook((Fault(FaultKind.LEAK, T0, litres_per_hour=60),))
    assert book.clear(FaultKind.LEAK, T0 + 3600) == 1
    assert book.active(FaultKind.LEAK, T0 + 3599) is not None
    assert book.active(FaultKind.LEAK, T0 + 3600) is None
    assert amounts(FaultyLoad(SteadyLoad(0, T0), book), GRID).sum() == 60


def test_a_fault_survives_its_record():
    fault = Fault(FaultKind.GARBAGE, T0, T0 + 60, one_in=3, seed=9)
    assert parse_fault(fault_record(fault)) == fault
    assert parse_fault({"fault": "leak", "litres_per_hour": 60, "since": "2026-10-01T00:00:00+05:30"}).since_s == (
        1_790_793_000
    )


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"fault": "earthquake"},
        {"fault": "leak", "gallons": 3},
        {"fault": "slow", "delay_ms": "long"},
        {"fault": "leak", "since": "2026-10-01T00:00:00"},
        {"fault": "offline", "mode": "sulking"},
    ],
)
def test_a_record_that_means_nothing_is_refused(record):
    with pytest.raises(Invalid):
        parse_fault(record)
