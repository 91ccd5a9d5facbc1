import gzip

import numpy as np
import pytest

from demeter.kernel import Invalid, Unavailable
from demeter.simulator.replay import RecordedLoad, read_recording

ROWS = """start,value
2012-01-03 00:00:00,0.142
2012-01-03 00:30:00,0.0910001
2012-01-03 00:30:00,0.0910001
2012-01-03 02:00:00,1
"""
FIRST_END_S = 1_325_550_600


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "house.csv.gz"
    path.write_bytes(gzip.compress(ROWS.encode()))
    return read_recording(path)


def test_values_are_exact_integers_at_the_scaler_of_the_finest_row(recording):
    assert recording.scaler == -4, "0.0000001 kWh is 10^-4 Wh"
    assert recording.values.tolist() == [1_420_000, 910_001, 910_001, 10_000_000]


def test_gaps_stay_gaps_and_repeated_rows_stay_repeated(recording):
    assert (recording.end_s - FIRST_END_S).tolist() == [0, 1800, 1800, 7200]


def test_the_register_counts_a_repeated_interval_once(recording):
    total = RecordedLoad(recording).total(np.array([FIRST_END_S - 1, FIRST_END_S, FIRST_END_S + 1800, 2**33]))
    assert total.tolist() == [0, 1_420_000, 2_330_001, 12_330_001]


def test_a_row_that_is_no_number_is_named_by_its_line(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("start,value\n2012-01-03 00:00:00,much\n")
    with pytest.raises(Invalid, match="line 2"):
        read_recording(path)


def test_a_missing_file_is_unavailable(tmp_path):
    with pytest.raises(Unavailable):
        read_recording(tmp_path / "none.csv")
