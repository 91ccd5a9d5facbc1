"""The owner of the database changes what a month's number rests on: the proof names it, and does not break."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import numpy as np
import pytest

from demeter import metering, readings
from demeter.kernel import Commodity, Quality, month_span
from demeter.runtime.database import Role
from demeter.sdk import Credentials, FailureKind, Frame, ReadFailure, Series
from tests.integration.metering import rig

MARCH = date(2026, 3, 1)
SECOND = "(SELECT id FROM readings.frame ORDER BY id OFFSET 1 LIMIT 1)"
EDIT = "frame_id IS NULL"
TAMPERED = {
    "a block": "UPDATE readings.block SET vals[40] = vals[40] + 5 WHERE day = '2026-03-12'",
    "a block's base": "UPDATE readings.block SET base = base + 5 WHERE day = '2026-03-12'",
    "a block taken away": "DELETE FROM readings.block WHERE day = '2026-03-12'",
    "a payload": f"UPDATE readings.frame SET payload = set_byte(payload, 30, 255 - get_byte(payload, 30)) WHERE id = {SECOND}",
    "a payload that does not unpack": f"UPDATE readings.frame SET compressed = NOT compressed WHERE id = {SECOND}",
    "a codec": f"UPDATE readings.frame SET codec = 'other' WHERE id = {SECOND}",
    "a context": "UPDATE readings.frame_context SET body = '{'",
    "what a frame says it covers": f"UPDATE readings.frame SET covers_start = NULL, covers_end = NULL WHERE id = {SECOND}",
    "how many rows a frame says it has": f"UPDATE readings.frame SET rows = 0 WHERE id = {SECOND}",
    "the first frame taken away": "DELETE FROM readings.frame WHERE id = (SELECT min(id) FROM readings.frame)",
    "an edit's value": f"UPDATE readings.log SET new_value = new_value + 1 WHERE {EDIT}",
    "an edit's instant": f"UPDATE readings.log SET at = at - interval '15 min' WHERE {EDIT}",
    "an edit that would be a frame's": f"UPDATE readings.log SET frame_id = 1 WHERE {EDIT}",
    "an edit taken away": f"DELETE FROM readings.log WHERE {EDIT}",
    "an edit's author": f"UPDATE readings.log SET who = 'somebody else' WHERE {EDIT}",
    "an edit's reason": f"UPDATE readings.log SET why = 'another reason' WHERE {EDIT}",
    "a day": "UPDATE metering.day_use SET amount = amount - 1 WHERE day = '2026-03-09'",
    "a day taken away": "DELETE FROM metering.day_use WHERE day = '2026-03-09'",
    "a day's quality": "UPDATE metering.day_use SET known = known - 1 WHERE day = '2026-03-09'",
    "the month": "UPDATE metering.month_use SET amount = amount - 1",
    "the month taken away": "DELETE FROM metering.month_use",
    "the month's register": "UPDATE metering.month_use SET closing = jsonb_set(closing, '{register}', '\"1\"')",
    "a statement's document": "UPDATE metering.statement SET document = replace(document, 'Lakeview', 'Lakewiev')",
    "a statement's number": """UPDATE metering.statement SET document = replace(document, '"amount":', '"amount":9')""",
    "a statement's hash": "UPDATE metering.statement SET content_hash = 'x'",
    "the audit of an edit": "UPDATE runtime.audit SET detail = replace(detail, 'misread', 'broken')",
    "the audit of an edit taken away": "DELETE FROM runtime.audit WHERE action = 'reading.edit'",
    "the author in log and audit": (
        "WITH a AS (UPDATE runtime.audit SET actor = 'somebody else') UPDATE readings.log SET who = 'somebody else'"
    ),
}
TABLES = (
    "readings.block",
    "readings.frame",
    "readings.frame_context",
    "readings.log",
    "metering.day_use",
    "metering.month_use",
    "metering.statement",
    "runtime.audit",
)


class StrictDecoder(rig.RowDecoder):
    """Refuses what it cannot decode, as decoders must."""

    def decode(self, frame: Frame, credentials: Credentials) -> tuple[Series, ...]:
        try:
            return super().decode(frame, credentials)
        except ValueError as error:
            raise ReadFailure(FailureKind.GARBLED, str(error)) from error


@pytest.fixture
def site(database):
    return rig.build(database)


@pytest.fixture
def point(site):
    span = month_span(site.zone, 2026, 3)
    point = site.point("A-1204", Commodity.WATER)
    meter_id = site.meter(point, "W1", span.start)
    rows = rig.register(span.start, 700_000, np.tile(np.r_[np.zeros(20, dtype=int), np.full(76, 6)], 31))
    site.deliver(meter_id, *({rig.VOLUME: rows[n * 96 : n * 96 + 97]} for n in range(31)))
    with site.work() as work:
        (channel,) = readings.channels(work, site.site_id)
        readings.edit(work, channel, rows[500][0], rows[500][1] + 3, Quality.EDITED, "the dial was misread")
    metering.refresh(site.database)
    return point


def proof(site, point):
    with site.work() as work:
        return metering.explain(work, point.id, MARCH, {rig.CODEC: StrictDecoder()}, lambda *_: Credentials({}))


@contextmanager
def restored(database) -> Iterator[None]:
    """Put everything back when the context ends: quicker than a month of readings for each case."""
    with database.connect(Role.OWNER, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        for number, table in enumerate(TABLES):
            owner.execute(f"CREATE TABLE kept_{number} AS TABLE {table}")
        yield
        for number, table in enumerate(TABLES):
            owner.execute(f"DELETE FROM {table}")
            owner.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept_{number}")
            owner.execute(f"DROP TABLE kept_{number}")


def test_whatever_is_changed_behind_the_number_the_proof_says_so(site, point):
    assert proof(site, point).matches
    unnoticed = []
    for what, statement in TAMPERED.items():
        with restored(site.database):
            with site.database.connect(Role.OWNER) as owner:
                assert owner.execute(statement).rowcount > 0, what
            if proof(site, point).matches:
                unnoticed.append(what)
    assert unnoticed == []
    assert proof(site, point).matches
