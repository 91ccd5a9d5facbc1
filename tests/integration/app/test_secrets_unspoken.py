"""Keys and passwords in no log, error, table, answer or `repr`, whatever goes well or wrong while they are used."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from demeter import estate, identity, metering
from demeter.app.proof import keys_of_meters
from demeter.drivers.dlms import ProfileDecoder
from demeter.identity.api import Credentials as SignIn
from demeter.identity.model import Login
from demeter.ingest import IngestWriter
from demeter.kernel import Commodity
from demeter.metering.api.access import FrameAccess
from demeter.protocols.dlms.acse import AssociationRequest, Context, Mechanism
from demeter.protocols.dlms.client import ClientSettings
from demeter.runtime.config import Settings
from demeter.runtime.database import Database, Role
from demeter.sdk import Credentials
from demeter.simulator import housing_society
from tests.integration.api.make import WRITE, serve, sign_in
from tests.integration.drivers.peer import KEYS, electricity_meter, listening
from tests.integration.headend.rig import FAST, Rig, eventually, make_rig, running

WRONG = {"encryption_key": bytes(range(100, 116)), "authentication_key": KEYS["authentication_key"]}
WRONG_PASSWORD = {"password": b"not-the-password-of-it"}
ACCOUNT = "poppy seed and barley corn"
MASTER = b"k" * 32


def spellings(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    yield secret.hex(" ").encode()
    yield base64.b64encode(secret).rstrip(b"=")
    yield repr(secret)[2:-1].encode()
    yield str(list(secret))[1:-1].encode()


SECRETS = [*KEYS.values(), *WRONG.values(), *WRONG_PASSWORD.values(), ACCOUNT.encode(), MASTER]


def spoken(text: bytes) -> list[bytes]:
    lower = text.lower()
    return [spelling for secret in SECRETS for spelling in spellings(secret) if spelling.lower() in lower]


def everything_stored(database: Database) -> bytes:
    """All rows of all tables as text, octets as hex."""
    parts = []
    with database.connect(Role.OWNER) as owner:
        tables = owner.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for (table,) in tables:
            for (row,) in owner.execute(f"SELECT t::text FROM {table} t"):
                parts.append(row.encode())
    return b"\n".join(parts)


async def collect(rig: Rig) -> None:
    """Read one meter well, one with a wrong key and one with a wrong password."""
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    meters = [electricity_meter(until, 96), electricity_meter(until, 8), electricity_meter(until, 8)]
    for number, peer in enumerate(meters):
        peer.serial = f"PEER-{number}"
    async with listening(meters[0]) as well, listening(meters[1]) as wrong_key, listening(meters[2]) as wrong_password:
        ids = [
            rig.add_meter("PEER-0", well),
            rig.add_meter("PEER-1", wrong_key, keys=WRONG),
            rig.add_meter("PEER-2", wrong_password, keys=WRONG_PASSWORD, mechanism="lls", cipher="none"),
        ]
        place_at_unit(rig, ids[0])
        async with running(rig.collector(FAST)) as collector:
            await eventually(lambda: outcomes(rig, ids[0]) >= {"ok"})
            await eventually(lambda: outcomes(rig, ids[1]) and outcomes(rig, ids[2]))
            del collector
    assert "ok" not in outcomes(rig, ids[1]) | outcomes(rig, ids[2])


def place_at_unit(rig: Rig, meter_id: int) -> None:
    with rig.database.unit_of_work(rig.scope) as work:
        building = estate.create_building(work, rig.site_id, "Tower A")
        unit = estate.create_unit(work, rig.site_id, building, "A-1")
        plan = estate.PointPlan(building, estate.PointRole.UNIT, Commodity.ELECTRICITY, "A-1", unit)
        point = estate.service_point(work, estate.create_service_point(work, rig.site_id, plan))
        estate.install(work, point, meter_id, work.now() - timedelta(days=2))
        identity.create_user(work, "a@one.example", "A", "organization_administrator", ACCOUNT)


def outcomes(rig: Rig, meter_id: int) -> set[str]:
    with rig.database.connect(Role.OWNER) as owner:
        rows = owner.execute("SELECT outcome FROM headend.session_log WHERE meter_id = %s", (meter_id,))
        return {row[0] for row in rows}


def ask_over_http(rig: Rig) -> bytes:
    """Sign in wrongly and rightly, ask for everything, prove a number with the keys; return all answers."""

    def opening(work):
        return FrameAccess({ProfileDecoder.codec: ProfileDecoder()}, keys_of_meters(rig.secrets, work))

    told = []
    with (
        serve(rig.database, frame_access=opening) as serving,
        httpx.Client(base_url=serving.address, timeout=20) as web,
    ):
        told += [sign_in(web, "a@one.example", ACCOUNT + "!"), sign_in(web, "a@one.example", ACCOUNT)]
        told.append(web.post("/api/session", json={"email": ACCOUNT}, headers=WRITE))
        for path in (
            "sites/1/meters",
            "sites/1/units",
            "sites/1/usage",
            "service-points/1",
            "service-points/1/explain",
        ):
            told.append(web.get(f"/api/{path}"))
            assert told[-1].status_code == 200, told[-1].text
        told.append(web.get("/metrics"))
        assert told[-2].json()["frames"], "the proof opened frames"
    return b"\n".join(answer.content + repr(answer.headers).encode() for answer in told)


def test_no_secret_is_spoken_while_all_of_them_are_used(
    database: Database, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    rig = make_rig(database)
    with IngestWriter(database) as writer:
        rig.store = writer.accept
        asyncio.run(collect(rig))
    metering.refresh(database)
    answers = ask_over_http(rig)
    with database.unit_of_work(rig.scope) as work:
        export = metering.usage_json(metering.usage(work, rig.site_id, work.now().date().replace(day=1))).encode()
    out, err = capfd.readouterr()
    told = {
        "logs": caplog.text.encode(),
        "output": (out + err).encode(),
        "tables": everything_stored(database),
        "answers": answers,
        "export": export,
    }
    assert len(told["tables"]) > 10_000
    assert {where: found for where, content in told.items() if (found := spoken(content))} == {}


def test_what_holds_a_secret_does_not_show_it() -> None:
    fleet = housing_society(5, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    keys = [getattr(fleet.meters[0], name) for name in ("encryption_key", "authentication_key", "password")]
    settings = Settings(database_url=f"postgresql://u:{ACCOUNT}@h/d")
    holders = (
        Credentials(KEYS),
        ClientSettings(16, 1, password=KEYS["password"], encryption_key=KEYS["encryption_key"]),
        AssociationRequest(Context.PLAIN, b"", Mechanism.LLS, KEYS["password"]),
        SignIn(email="a@one.example", password=ACCOUNT),
        Login(1, 1, ACCOUNT),
        settings,
    )
    for holder in holders:
        assert spoken(f"{holder!r} {holder}".encode()) == [], type(holder)
    assert all(keys[:2])
    assert not [key for key in keys if key and key in repr(fleet)]
    assert spoken(str(settings.shown()).encode()) == []
