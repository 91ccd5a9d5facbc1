"""Quarantine: released once the meter is entered, bounded, and seen only by those it concerns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from demeter import identity, readings
from demeter.app.cli import push as push_commands  # noqa: F401 - registers its commands
from demeter.app.cli import root
from demeter.app.wiring import Wiring
from demeter.drivers.dlms import DlmsPushes, PushDecoder
from demeter.headend import PushLimits, drop, found, held, quarantined, release
from demeter.headend.push.model import Refused
from demeter.headend.push.quarantine import Quarantine
from demeter.ingest import IngestWriter
from demeter.kernel import NotFound, SystemClock
from demeter.protocols.dlms.wrapper import wrap
from demeter.runtime.database import Database, Scope, audit_entries
from demeter.sdk import PushReceiver
from tests.integration.api.make import PASSWORD, serve, sign_in
from tests.integration.headend.pushing import BEGUN, TITLE, a_meter, body, listening, notification, pushed
from tests.integration.headend.rig import Rig, eventually, make_rig

RECEIVERS: dict[str, PushReceiver] = {"dlms": DlmsPushes()}


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def let_go(rig: Rig, *ids: int) -> list[tuple[int, str]]:
    writer = IngestWriter(rig.database, {"dlms/push": PushDecoder()})
    results = release(rig.database, rig.secrets, RECEIVERS, writer.write_now, ids, "cli:test")
    return [(result.readings, result.reason.partition(":")[0]) for result in results]


def hold(database: Database, *messages: tuple[str, bytes, int | None], limits: PushLimits | None = None) -> None:
    """Put messages (source, payload, organization) into quarantine."""
    quarantine = Quarantine(database, limits or PushLimits(), SystemClock())
    for source, payload, organization in messages:
        quarantine.put(Refused("dlms", source, "", "", "unknown sender", "nobody", payload, organization))
    asyncio.run(quarantine.flush())


def test_what_an_unknown_meter_sent_is_stored_once_its_record_is_there(rig: Rig) -> None:
    async def story() -> None:
        async with listening(rig) as push:
            await push.send(pushed(1, 1), pushed(2, 2, BEGUN + timedelta(minutes=1)), pushed(3, 3, title=b"STRANGER"))
            await eventually(lambda: len(held(rig.database)) == 3)
            ids = [entry.id for entry in sorted(held(rig.database), key=lambda e: e.id)]
            assert await asyncio.to_thread(let_go, rig, *ids) == [(0, "unknown sender")] * 3
            meter = a_meter(rig)
            assert await asyncio.to_thread(let_go, rig, *ids) == [(1, ""), (1, ""), (0, "unknown sender")]
            assert push.values() == [1, 2]
            assert [frame.payload for frame in push.journal(meter)] == [
                pushed(1, 1),
                pushed(2, 2, BEGUN + timedelta(minutes=1)),
            ]
            assert [entry.title for entry in held(rig.database)] == [b"STRANGER".hex()]
            await asyncio.sleep(0.8)  # until the listener has looked again who there is
            await push.send(pushed(2, 2, BEGUN + timedelta(minutes=1)))
            await eventually(lambda: (TITLE.hex(), "replayed counter", 1) in push.quarantine())
        with rig.database.unit_of_work(rig.scope) as work:
            noted = audit_entries(work, "headend.push.release", f"meter:{meter}")
        assert [entry.actor for entry in noted] == ["cli:test"] * 2

    asyncio.run(story())


def test_what_is_wrong_stays_until_it_is_right_and_twice_is_once(rig: Rig) -> None:
    async def story() -> None:
        meter = a_meter(rig)
        async with listening(rig) as push:
            await push.send(pushed(7, 1, key=b"N" * 16), wrap(notification(body(8, serial="DM000001")), 1, 16))
            await eventually(lambda: len(held(rig.database)) == 2)
            wrong_key, unprotected = sorted(held(rig.database), key=lambda e: e.reason, reverse=True)
            assert {wrong_key.meter_id, unprotected.meter_id} == {meter}
            both = wrong_key.id, unprotected.id
            refused = await asyncio.to_thread(let_go, rig, *both)
            assert sorted(reason for _, reason in refused) == [
                "less protected than the meter's record demands",
                "wrong key",
            ]
            with rig.database.unit_of_work(rig.scope) as work:
                rig.secrets.seal(work, f"meter:{meter}", "encryption_key", b"N" * 16)
            assert await asyncio.to_thread(let_go, rig, wrong_key.id) == [(1, "")]
            assert push.values() == [7]
            assert drop(rig.database, [unprotected.id]) == 1
            assert held(rig.database) == []
            with pytest.raises(NotFound):
                found(rig.database, [unprotected.id])

    asyncio.run(story())


def test_a_message_released_twice_is_stored_once(rig: Rig) -> None:
    a_meter(rig)
    for _ in range(2):
        hold(rig.database, ("10.0.0.1", pushed(7, 1), None))
        (entry,) = held(rig.database)
        assert let_go(rig, entry.id) == [(1, "")]
    with rig.database.unit_of_work(rig.scope) as work:
        (meter,) = {channel.meter_id for channel in readings.channels(work, rig.site_id)}
        assert len(list(readings.journal_frames(work, meter))) == 1


def test_quarantine_is_bounded_by_source_and_in_all_and_the_oldest_go_first(database: Database) -> None:
    limits = PushLimits(kept_frames=7, kept_octets=1000, source_kept_frames=4, source_kept_octets=300)
    for n in range(8):
        hold(database, ("10.0.0.1", b"one %d" % n, None), limits=limits)
    assert [entry.payload for entry in held(database)] == [b"one %d" % n for n in (7, 6, 5, 4)]
    hold(database, ("10.0.0.1", b"x" * 290, None), limits=limits)
    assert [entry.size for entry in held(database)] == [290, 5, 5]
    for n in range(2, 9):
        hold(database, (f"10.0.0.{n}", b"s%d" % n, None), limits=limits)
    assert [entry.payload for entry in held(database)] == [b"s%d" % n for n in range(8, 1, -1)]
    hold(database, *[("10.0.0.9", b"again", None)] * 50, limits=limits)
    assert [(entry.payload, entry.count) for entry in held(database, 1)] == [(b"again", 50)]
    hold(database, *[("10.0.0.9", b"flood %d" % n, None) for n in range(500)], limits=limits)
    assert len([entry for entry in held(database) if entry.source == "10.0.0.9"]) == 4


def test_an_organization_sees_its_own_and_alone_also_nobodys(database: Database) -> None:
    one = identity.create_organization(database, "One")
    hold(database, ("10.0.0.1", b"nobodys", None), ("10.0.0.1", b"ones", one), ("10.0.0.1", b"twos", one + 1))
    assert seen(database, one) == {b"nobodys", b"ones"}
    two = identity.create_organization(database, "Two")
    assert two == one + 1
    assert seen(database, one) == {b"ones"}  # with several, the unknown may be anybody's
    assert seen(database, two) == {b"twos"}
    assert {entry.payload for entry in held(database)} == {b"nobodys", b"ones", b"twos"}


def seen(database: Database, organization: int) -> set[bytes]:
    with database.unit_of_work(Scope(organization, "test", frozenset({"headend.read"}))) as work:
        return {entry.payload for entry in quarantined(work)}


def test_the_api_lists_it_to_those_who_may_see_the_head_end(rig: Rig) -> None:
    hold(rig.database, ("10.0.0.1", b"nobodys", None))
    with rig.database.unit_of_work(rig.scope) as work:
        for role in ("operator", "resident"):
            identity.create_user(work, f"{role}@one.example", role, role, PASSWORD)
    with serve(rig.database) as serving:
        for role, status in (("operator", 200), ("resident", 403)):
            with httpx.Client(base_url=serving.address, timeout=30) as client:
                assert client.get("/api/push/quarantine").status_code == 401
                assert sign_in(client, f"{role}@one.example").status_code == 200
                answer = client.get("/api/push/quarantine")
                assert answer.status_code == status
                if status == 200:
                    (message,) = answer.json()["messages"]
                    assert (message["source"], message["reason"], message["count"], message["meter_id"]) == (
                        "10.0.0.1",
                        "unknown sender",
                        1,
                        None,
                    )


@pytest.fixture
def demeter(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line on the rig's database and keys."""
    monkeypatch.setattr(root.logging, "configure", lambda *_, **__: None)
    monkeypatch.setattr(Wiring, "push_receivers", lambda *_: RECEIVERS)
    monkeypatch.setattr(Wiring, "decoders", lambda _: {"dlms/push": PushDecoder()})
    key = tmp_path / "master.key"
    key.write_text("a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")  # the rig's
    environment = {"DATABASE_URL": rig.database.url, "DEMETER_DATA_DIR": str(tmp_path), "COLUMNS": "160"}

    def run(*words: str) -> Result:
        result = CliRunner().invoke(root.app, ["push", "quarantine", *words], env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


def test_the_command_line_lists_shows_releases_and_drops(rig: Rig, demeter: Callable[..., Result]) -> None:
    assert "nothing yet" in demeter("list").output
    hold(rig.database, ("10.0.0.1", pushed(7, 1), None), ("10.0.0.2", b"rubbish", None))
    listed = json.loads(demeter("list", "--json").output)
    assert {entry["source"] for entry in listed} == {"10.0.0.1", "10.0.0.2"}
    assert "payload" not in listed[0]
    first = next(entry["id"] for entry in listed if entry["source"] == "10.0.0.1")
    shown = json.loads(demeter("show", str(first), "--json").output)
    assert bytes.fromhex(shown["payload"]) == pushed(7, 1)
    assert "unknown sender" in demeter("list").output
    assert "unknown sender" in demeter("show", str(first)).output
    assert demeter("release", str(first)).exit_code == 1
    a_meter(rig)
    released = demeter("release", str(first), "--json")
    assert released.exit_code == 0
    assert json.loads(released.output)[0]["readings"] == 1
    assert demeter("release").exit_code == 5
    assert demeter("release", "99").exit_code == 3
    garbled = demeter("release", "--all")
    assert garbled.exit_code == 1
    assert "garbled" in garbled.output
    assert json.loads(demeter("drop", "--all", "--json").output) == {"dropped": 1}
    assert json.loads(demeter("list", "--json").output) == []
