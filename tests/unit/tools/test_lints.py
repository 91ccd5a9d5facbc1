"""Each lint catches a planted violation and lets the right way pass."""

import ast
from pathlib import Path

import pytest

from tools.lints import floats, naive_time, shape, unscoped
from tools.lints.source import Source


def source(text: str, path: str) -> Source:
    return Source(Path(path), text, ast.parse(text))


@pytest.mark.parametrize("text", ["datetime.now()", "datetime.now(UTC)", "date.today()", "datetime.fromtimestamp(1)"])
def test_reading_the_machines_clock_is_found(text: str) -> None:
    assert len(list(naive_time.check(source(text, "src/demeter/metering/leak.py")))) == 1
    assert list(naive_time.check(source(text, "src/demeter/kernel/clock.py"))) == []


def test_an_aware_timestamp_passes() -> None:
    assert list(naive_time.check(source("datetime.fromtimestamp(1, UTC)", "src/demeter/metering/leak.py"))) == []


@pytest.mark.parametrize("text", ["x = 0.5", "x = float(y)", "def f(x: float): ...", "a.astype(np.float64)"])
def test_floats_are_found_where_values_must_be_exact(text: str) -> None:
    assert list(floats.check(source(text, "src/demeter/metering/x.py")))
    assert list(floats.check(source(text, "src/demeter/simulator/x.py"))) == []
    assert list(floats.check(source(text + "  # float: a ratio", "src/demeter/metering/x.py"))) == []


def test_connections_and_sql_outside_their_place_are_found() -> None:
    opened = source("psycopg.connect(url)", "src/demeter/metering/service.py")
    written = source('work.raw.execute("SELECT id FROM estate.site")', "src/demeter/metering/service.py")
    stored = source('work.raw.execute("SELECT id FROM estate.site")', "src/demeter/metering/store.py")
    assert list(unscoped.check(opened))
    assert list(unscoped.check(written))
    assert list(unscoped.check(stored)) == []


def test_long_functions_and_files_are_found() -> None:
    long_function = "def f():\n" + "    x = 1\n" * 71
    assert list(shape.check(source(long_function, "src/demeter/kernel/x.py")))
    assert list(shape.check(source("x = 1\n" * 501, "src/demeter/kernel/x.py")))
    assert list(shape.check(source("def f():\n" + "    x = 1\n" * 60, "src/demeter/kernel/x.py"))) == []
