"""Which columns become readings, of what type, and how failures are named."""

from __future__ import annotations

import numpy as np
import pytest

from demeter.drivers.dlms.failures import failure_of
from demeter.drivers.dlms.tables import Table, places, series_of, unscaled
from demeter.drivers.dlms.units import unit_word
from demeter.kernel import Commodity
from demeter.protocols.dlms.errors import (
    AssociationRejected,
    DataAccessResult,
    DlmsError,
    Malformed,
    Refused,
    Replayed,
    ServiceError,
    TagCheckFailed,
    Truncated,
    Unsupported,
)
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CLOCK, CaptureObject, ProfileColumn, ProfileColumns
from demeter.protocols.dlms.vector import ColumnKind
from demeter.sdk import FailureKind, Profile, Series


def register(obis: str, class_id: int = 3, attribute: int = 2) -> CaptureObject:
    return CaptureObject(class_id, Obis.parse(obis), attribute)


def columns(*captures: CaptureObject, unit: int | None = 30, present: bool = True) -> ProfileColumns:
    n = 3
    made = tuple(
        ProfileColumn(
            capture, 0, unit, ColumnKind.INTEGER, np.arange(n, dtype=np.int64), np.array([present, True, True])
        )
        for capture in captures
    )
    at_s = np.array([900, 1800, 2700], dtype=np.int64)
    return ProfileColumns(at_s, np.zeros(n, np.uint8), np.array([1, 0, 1], np.uint8), made)


def read(profile: Profile, *captures: CaptureObject, unit: int | None = 30) -> list[Series]:
    table = Table(profile, Obis.parse("1.0.99.1.0.255"), (CLOCK, *captures), {}, 900)
    return list(series_of(table, columns(*captures, unit=unit)))


@pytest.mark.parametrize(
    ("profile", "obis", "kind", "interval_s"),
    [
        (Profile.BLOCK, "1.0.1.29.0.255", "interval", 900),
        (Profile.BLOCK, "1.0.12.27.0.255", "interval", 900),
        (Profile.BLOCK, "1.0.1.8.0.255", "register", 900),
        (Profile.BLOCK, "8.0.1.0.0.255", "register", 900),
        (Profile.DAILY, "1.0.1.8.0.255", "register", 86_400),
        (Profile.INSTANTANEOUS, "1.0.1.8.0.255", "register", 0),
    ],
)
def test_reading_types(profile: Profile, obis: str, kind: str, interval_s: int) -> None:
    [series] = read(profile, register(obis))
    assert (series.reading_type.obis, series.reading_type.kind, series.reading_type.interval_s) == (
        obis,
        kind,
        interval_s,
    )


def test_columns_that_are_no_amount_are_left_out() -> None:
    assert not read(Profile.INSTANTANEOUS, register("1.0.32.7.0.255"), register("0.0.96.7.0.255", class_id=1))
    assert not read(Profile.DAILY, register("1.0.1.29.0.255"))
    assert not read(Profile.BLOCK, register("1.0.1.29.0.255"), unit=None)
    assert not read(Profile.BILLING, register("1.0.1.6.0.255", class_id=4, attribute=5))


def test_rows_without_time_or_value_are_not_there() -> None:
    capture = register("1.0.1.29.0.255")
    table = Table(Profile.BLOCK, Obis.parse("1.0.99.1.0.255"), (CLOCK, capture), {}, 900)
    [series] = series_of(table, columns(capture, present=False))
    assert (list(series.at_s), list(series.values)) == ([2700], [2])


def test_registers_whose_scaler_is_unknown_are_named() -> None:
    known, unknown = register("1.0.1.29.0.255"), register("1.0.9.29.0.255")
    captures = (CLOCK, known, unknown, register("0.0.96.10.1.255", class_id=1))
    assert unscaled(captures, {(known.obis, 2): (0, 30)}) == [unknown]


def test_water_meters_keep_their_tables_under_medium_8() -> None:
    assert [str(name) for name in places(Profile.BLOCK, Commodity.WATER) or ()] == ["8.0.99.1.0.255", "8.0.94.91.4.255"]
    assert places(Profile.EVENTS, Commodity.WATER) is None


def test_units() -> None:
    assert unit_word(30, 3) == ("Wh", 3)
    assert unit_word(13, -3) == ("L", 0)
    assert unit_word(99, 0) == ("cosem-99", 0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Truncated("x", offset=7), FailureKind.TRUNCATED),
        (Malformed("x"), FailureKind.GARBLED),
        (Unsupported("x"), FailureKind.NOT_SUPPORTED),
        (TagCheckFailed("x"), FailureKind.WRONG_KEY),
        (Replayed("x"), FailureKind.REPLAYED),
        (Refused(DataAccessResult.READ_WRITE_DENIED), FailureKind.REFUSED),
        (Refused(DataAccessResult.OBJECT_UNDEFINED), FailureKind.NOT_SUPPORTED),
        (AssociationRejected("x", diagnostic=13), FailureKind.WRONG_KEY),
        (AssociationRejected("x", diagnostic=2), FailureKind.REFUSED),
        (ServiceError("x", service=1), FailureKind.REFUSED),
    ],
)
def test_every_protocol_error_has_a_reason_a_person_understands(error: DlmsError, kind: FailureKind) -> None:
    found = failure_of(error, "reading")
    assert found.kind is kind
    assert found.offset == error.offset
