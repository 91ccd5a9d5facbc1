"""The audit trail is checked in portions: it only grows, and a whole one may not fit into memory."""

import psycopg
import pytest

from demeter.runtime.database import Database, Role, Scope, audit, audit_broken_at

SCOPE = Scope.system(1, "test")


@pytest.mark.parametrize("entries", [0, 1, 6, 7])
def test_the_trail_is_read_in_portions_and_a_break_in_any_is_found(
    database: Database, monkeypatch: pytest.MonkeyPatch, entries: int
) -> None:
    fetched: list[int] = []

    class Counting(psycopg.Cursor):
        def execute(self, *given, **named):
            done = super().execute(*given, **named)
            fetched.append(self.rowcount)
            return done

    monkeypatch.setattr(audit, "FETCH", 3)
    with database.unit_of_work(SCOPE) as work:
        for number in range(entries):
            work.audit("test", f"entry:{number}")
    with database.unit_of_work(SCOPE) as work:
        work.raw.cursor_factory = Counting
        assert audit_broken_at(work) is None
        work.raw.cursor_factory = psycopg.Cursor
    assert max(fetched) <= 3
    with database.connect(Role.OWNER) as connection:
        ids = [row[0] for row in connection.execute("SELECT id FROM runtime.audit ORDER BY id")]
    for number in ids:
        with database.connect(Role.OWNER) as connection:
            connection.execute("UPDATE runtime.audit SET actor = 'another' WHERE id = %s", (number,))
        with database.unit_of_work(SCOPE) as work:
            assert audit_broken_at(work) == number
        with database.connect(Role.OWNER) as connection:
            connection.execute("UPDATE runtime.audit SET actor = 'test' WHERE id = %s", (number,))
