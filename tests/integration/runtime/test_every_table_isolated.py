"""Isolation by walking the catalogue: a table, partition, view or function that is added later is tried as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from demeter import estate, identity
from demeter.estate import MeterPlan, PointPlan, PointRole
from demeter.kernel import Commodity
from demeter.runtime.database import Database, Role, Scope

SCHEMAS = ["identity", "estate", "readings", "ingest", "headend", "metering", "runtime"]
COUNTERS = "a counter belongs to a key, whoever's meter has it; functions lead to it by the key's fingerprint"
WITHOUT_ORGANIZATION = {
    "runtime.alembic_version": "the schema's revision; the application's role may not read it",
    "headend.own_title": COUNTERS,
    "headend.sent_counter": COUNTERS,
    "headend.seen_counter": COUNTERS,
}
DEFINERS = {
    "identity.find_login": "before a login there is no scope; one address, one account",
    "identity.find_session": "before a login there is no scope; one token, one session",
    "identity.only_organization": "the number of the one organization there is, if there is only one",
    "headend.own_title": "the installation's title is one for all",
    "headend.counted": COUNTERS,
    "headend.reserve_counters": COUNTERS,
    "headend.saw_counters": COUNTERS,
    "readings.ensure_partition": "makes an empty monthly partition of block or frame",
}
FIRST, SECOND = 101, 202
ALLOWED_WORDS = {
    "role": "unit",
    "kind": "register",
    "commodity": "water",
    "outcome": "accepted",
}
FITTING = {("metering", "flag", "kind"): "leak", ("headend", "meter_event", "kind"): "change"}
OF_TYPE = {
    "text": "x",
    "bool": True,
    "timestamptz": "2026-03-05T00:00:00Z",
    "date": "2026-03-01",
    "uuid": "00000000-0000-0000-0000-000000000001",
    "bytea": b"x",
    "jsonb": "{}",
    "numeric": 1,
    "int2": 1,
    "int4": 1,
    "int8": 1,
    "_text": [],
}


@dataclass(frozen=True)
class Table:
    """A relation that holds rows; ``partition``: one of a partitioned parent."""

    schema: str
    name: str
    kind: str
    partition: bool
    secured: bool
    policies: int
    readable: bool

    @property
    def full(self) -> str:
        return f"{self.schema}.{self.name}"


@pytest.fixture
def filled(database: Database) -> Database:
    """Two organizations with one row each in every table, partitions made after the migrations included."""
    with database.connect(Role.OWNER) as owner:
        for parent in ("block", "frame"):
            owner.execute("SELECT readings.ensure_partition(%s, '2026-03-01')", (parent,))
        owner.execute("SET session_replication_role = replica")  # rows of other tables are not there yet
        for table in tables(owner):
            if table.kind in "rp" and not table.partition and table.full not in WITHOUT_ORGANIZATION:
                for organization in (FIRST, SECOND):
                    insert(owner, table, organization)
    return database


def tables(connection: psycopg.Connection) -> list[Table]:
    rows = connection.execute(
        "SELECT n.nspname, c.relname, c.relkind, c.relispartition, c.relrowsecurity,"
        " (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid"
        "   AND 'demeter_app'::regrole = ANY(p.polroles)),"
        " has_any_column_privilege('demeter_app', c.oid, 'SELECT, INSERT, UPDATE')"
        "   OR has_table_privilege('demeter_app', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1, 2",
        (SCHEMAS,),
    )
    return [Table(*row) for row in rows]


def insert(connection: psycopg.Connection, table: Table, organization: int) -> None:
    """Insert a row of an organization; organization and site have the same number."""
    columns = connection.execute(
        "SELECT column_name, udt_name, identity_generation FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = %s"
        " AND (is_nullable = 'NO' AND column_default IS NULL OR column_name IN ('organization_id', 'unit_id'))",
        (table.schema, table.name),
    ).fetchall()
    values = {name: _value(table, name, kind, organization) for name, kind, _ in columns}
    statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
        sql.Identifier(table.schema, table.name),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(sql.Placeholder() * len(values)),
    )
    connection.execute(statement, list(values.values()))


def _value(table: Table, column: str, kind: str, organization: int) -> object:
    if (table.schema, table.name, column) in FITTING:
        return FITTING[table.schema, table.name, column]
    if column in {"id", "organization_id", "site_id", "service_point_id", "meter_id"} and kind in {"int4", "int8"}:
        return organization
    if kind == "text":
        return ALLOWED_WORDS.get(column, f"x{organization}")
    if kind == "bytea":
        return b"%d" % organization
    return OF_TYPE[kind]


def ours(database: Database) -> list[Table]:
    with database.connect(Role.OWNER) as owner:
        return [t for t in tables(owner) if t.full not in WITHOUT_ORGANIZATION]


def rows_seen(connection: psycopg.Connection, table: Table) -> int:
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table.schema, table.name))
    return connection.execute(query).fetchone()[0]


def test_every_table_is_secured_by_row_or_out_of_the_applications_reach(filled: Database) -> None:
    found = ours(filled)
    assert len(found) > 35
    open_tables = [t.full for t in found if t.readable and not (t.secured and t.policies)]
    assert open_tables == []
    # a policy beside a switched-off row security would be silently without effect
    assert [t.full for t in found if not t.partition and not t.secured] == []
    assert {t.full for t in found if t.partition and t.readable} == set()


def test_the_excused_tables_are_out_of_the_applications_reach(database: Database) -> None:
    with database.connect(Role.OWNER) as owner:
        excused = [t for t in tables(owner) if t.full in WITHOUT_ORGANIZATION]
    assert {t.full for t in excused} == set(WITHOUT_ORGANIZATION)
    assert not any(t.readable for t in excused)


def test_one_organization_sees_its_own_row_of_every_table_and_no_other(filled: Database) -> None:
    for organization in (FIRST, SECOND):
        with filled.unit_of_work(Scope.system(organization, "test")) as work:
            seen = {t.full: rows_seen(work.raw, t) for t in ours(filled) if t.readable}
        assert set(seen.values()) == {1}, seen


def test_without_a_scope_or_in_one_that_does_not_exist_nothing_is_seen(filled: Database) -> None:
    with filled.connect(Role.APP) as connection:
        unscoped = {t.full: rows_seen(connection, t) for t in ours(filled) if t.readable}
    with filled.unit_of_work(Scope.system(0, "test")) as work:
        nobody = {t.full: rows_seen(work.raw, t) for t in ours(filled) if t.readable}
    assert set(unscoped.values()) == set(nobody.values()) == {0}


def test_partitions_made_later_cannot_be_read_past_their_parent(filled: Database) -> None:
    later = [t for t in ours(filled) if t.partition]
    assert len(later) >= 2
    for table in later:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), filled.connect(Role.APP) as connection:
            rows_seen(connection, table)


def test_no_row_of_another_organization_can_be_changed_taken_or_removed(filled: Database) -> None:
    for table in ours(filled):
        column = "id" if table.full == "identity.organization" else _owner_column(filled, table)
        changed = "name" if table.full == "identity.organization" else column
        place = sql.Identifier(table.schema, table.name)
        theirs = sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(FIRST))
        for statement in (
            sql.SQL("UPDATE {} SET {} = {} WHERE {}").format(place, sql.Identifier(changed), SECOND, theirs),
            sql.SQL("DELETE FROM {} WHERE {}").format(place, theirs),
        ):
            for text in refusing(filled, statement):
                raise AssertionError(f"{table.full}: {text}")


def refusing(database: Database, statement: sql.Composed) -> Iterator[str]:
    """Yield what was wrongly done to the first organization's rows by the second."""
    with suppress(psycopg.errors.InsufficientPrivilege), database.unit_of_work(Scope.system(SECOND, "test")) as work:
        touched = work.raw.execute(statement).rowcount
        if touched:
            yield f"{touched} rows by {statement.as_string()}"


def _owner_column(database: Database, table: Table) -> str:
    with database.connect(Role.OWNER) as owner:
        names = {
            row[0]
            for row in owner.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
                (table.schema, table.name),
            )
        }
    return "organization_id" if "organization_id" in names else "site_id"


def test_no_row_can_be_written_for_another_organization(filled: Database) -> None:
    with filled.connect(Role.OWNER, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        for table in ours(filled):
            if table.kind not in "rp" or table.partition:
                continue
            place = sql.Identifier(table.schema, table.name)
            owner.execute(sql.SQL("DELETE FROM {}").format(place))  # so that no key stands in the way
            if table.full in {"estate.site", "identity.organization"}:
                insert(owner, table, FIRST)
                insert(owner, table, SECOND)
        for table in ours(filled):
            if table.kind not in "rp" or table.partition or table.full in {"estate.site", "identity.organization"}:
                continue
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                filled.unit_of_work(Scope.system(SECOND, "test")) as work,
            ):
                insert(work.raw, table, FIRST)


def test_nothing_can_be_hung_under_another_organizations_site_building_unit_or_meter(database: Database) -> None:
    with database.connect(Role.OWNER) as owner:
        for number in (1, 2):
            owner.execute("INSERT INTO identity.organization (name) VALUES (%s)", (f"Organization {number}",))
    first, second = (built(database, number) for number in (1, 2))
    attempts = (
        lambda work: estate.create_building(work, first.site_id, "Tower X"),
        lambda work: estate.create_unit(work, first.site_id, first.building_id, "X-1"),
        lambda work: estate.create_unit(work, second.site_id, first.building_id, "X-1"),
        lambda work: estate.create_service_point(
            work, second.site_id, PointPlan(second.building_id, PointRole.UNIT, Commodity.WATER, "X", first.unit_id)
        ),
        lambda work: estate.create_meter(work, first.site_id, MeterPlan("X", Commodity.WATER, "dlms", work.now())),
        lambda work: estate.install(work, second.point, first.meter_id, work.now()),
        lambda work: work.raw.execute(
            "INSERT INTO identity.session (token_hash, organization_id, user_id, created_at, expires_at)"
            " VALUES ('x', 2, %s, now(), now() + interval '1 hour')",
            (first.user_id,),
        ),
    )
    for attempt in attempts:
        with (
            pytest.raises(psycopg.errors.ForeignKeyViolation),
            database.unit_of_work(Scope.system(2, "test")) as work,
        ):
            attempt(work)


@dataclass(frozen=True)
class Built:
    """What one organization has."""

    site_id: int
    building_id: int
    unit_id: int
    point: estate.ServicePoint
    meter_id: int
    user_id: int


def built(database: Database, organization: int) -> Built:
    with database.unit_of_work(Scope.system(organization, "test")) as work:
        site = estate.create_site(work, "Gardens", "Asia/Kolkata")
        building = estate.create_building(work, site, "Tower A")
        unit = estate.create_unit(work, site, building, "A-1")
        plan = PointPlan(building, PointRole.UNIT, Commodity.WATER, "A-1", unit)
        point = estate.service_point(work, estate.create_service_point(work, site, plan))
        meter = estate.create_meter(work, site, MeterPlan("W1", Commodity.WATER, "dlms", work.now()))
        user = identity.create_user(work, f"a@{organization}.example", "A", "auditor", "barley and poppies")
    return Built(site, building, unit, point, meter, user)


def test_functions_that_act_as_their_owner_are_known_and_have_a_fixed_path(database: Database) -> None:
    with database.connect(Role.OWNER) as owner:
        found = owner.execute(
            "SELECT n.nspname || '.' || p.proname, p.proconfig, has_function_privilege('public', p.oid, 'EXECUTE')"
            " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
    assert {name for name, _, _ in found} == set(DEFINERS)
    for name, settings, everybody in found:
        assert settings == ["search_path=pg_catalog"], name
        assert not everybody, name


def test_the_application_reaches_no_other_schema(database: Database) -> None:
    with database.connect(Role.OWNER) as owner:
        reachable = owner.execute(
            "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT n.nspname = ANY(%s)"
            " AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
            " AND has_table_privilege('demeter_app', c.oid, 'SELECT, INSERT, UPDATE, DELETE')",
            (SCHEMAS,),
        ).fetchall()
        created = owner.execute(
            "SELECT nspname FROM pg_namespace WHERE has_schema_privilege('demeter_app', oid, 'CREATE')"
            " AND nspname NOT LIKE 'pg_temp%%'"
        ).fetchall()
    assert reachable == []
    assert created == []


def test_the_ingest_role_writes_readings_and_nothing_else(database: Database) -> None:
    with database.connect(Role.OWNER) as owner:
        writable = owner.execute(
            "SELECT DISTINCT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
            " AND has_table_privilege('demeter_ingest', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
        ).fetchall()
    assert {row[0] for row in writable} == {"readings", "ingest"}
