"""The meters page and a read on demand, with a real head-end and a real DLMS meter on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import httpx
import pytest

from demeter import estate, identity
from demeter.headend import api as headend_api
from demeter.kernel import day_start, local_day
from demeter.runtime.database import Database
from tests.integration.api.make import PASSWORD, WRITE, Serving, Society, serve, sign_in
from tests.integration.drivers.peer import electricity_meter, listening
from tests.integration.headend.rig import QUIET, Rig, eventually, last_quarter, make_rig, running


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


@contextmanager
def operator(rig: Rig, serving: Serving, name: str = "operator") -> Iterator[httpx.Client]:
    with rig.database.unit_of_work(rig.scope) as work:
        identity.create_user(work, f"{name}@one.example", "Operator", "operator", PASSWORD)
    with httpx.Client(base_url=serving.address, timeout=30) as client:
        assert sign_in(client, f"{name}@one.example").status_code == 200
        yield client


def row_of(client: httpx.Client, rig: Rig) -> dict[str, object]:
    (row,) = client.get(f"/api/sites/{rig.site_id}/meters").json()["meters"]
    return row


def test_a_meter_goes_from_never_read_to_live_and_a_read_on_demand_is_answered_when_committed(
    rig: Rig, serving: Serving
):
    async def story(client: httpx.Client) -> None:
        ask: Callable[[], dict[str, object]] = lambda: row_of(client, rig)  # noqa: E731
        async with listening(electricity_meter(last_quarter(), 4)) as address:
            meter_id = rig.add_meter("PEER-1", address)
            before = await asyncio.to_thread(ask)
            assert (before["state"], before["last_read_at"], before["last_failure"]) == ("never", None, None)
            async with running(rig.collector(QUIET)):
                await eventually(lambda: len(rig.store.stamps(meter_id)) == 4)
                path = f"/api/meters/{meter_id}/read"
                answer = await asyncio.to_thread(lambda: client.post(path, headers=WRITE).json())
            after = await asyncio.to_thread(ask)
        assert answer["outcome"] == "ok"
        assert answer["readings"] >= 0
        assert "read" in answer["message"]
        assert (after["state"], after["serial"], after["commodity"]) == ("live", "PEER-1", "electricity")
        assert after["last_measured_at"] == last_quarter().isoformat()
        with serve(rig.database, read_failure_after=timedelta(0)) as strict, operator(rig, strict, "strict") as other:
            assert row_of(other, rig)["state"] == "stale"

    with operator(rig, serving) as client:
        asyncio.run(story(client))


def test_the_page_says_since_when_reads_are_counted_and_when_a_meter_is_stale(rig: Rig):
    after = timedelta(hours=36)
    with serve(rig.database, read_failure_after=after) as serving, operator(rig, serving) as client:
        page = client.get(f"/api/sites/{rig.site_id}/meters").json()
    with rig.database.unit_of_work(rig.scope) as work:
        zone = estate.site(work, rig.site_id).zone
        yesterday = local_day(zone, work.now()) - timedelta(days=1)
    assert datetime.fromisoformat(page["counted_from"]) == day_start(zone, yesterday)
    assert page["stale_after_h"] == 36


def test_a_meter_that_does_not_answer_says_so_in_words(rig: Rig, serving: Serving):
    async def story(client: httpx.Client) -> None:
        meter_id = rig.add_meter("DEAD-1", "127.0.0.1:9")
        async with running(rig.collector(QUIET)):
            path = f"/api/meters/{meter_id}/read"
            answer = await asyncio.to_thread(lambda: client.post(path, headers=WRITE).json())
        assert answer["outcome"] == "no answer"
        assert answer["readings"] == 0
        row = await asyncio.to_thread(row_of, client, rig)
        assert row["last_failure"]["kind"] == "no answer"
        assert row["last_failure"]["message"]

    with operator(rig, serving) as client:
        asyncio.run(story(client))


def test_without_a_head_end_the_answer_is_that_the_read_still_waits(
    admin: httpx.Client, society: Society, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(headend_api, "LONGEST_WAIT_S", 0.5)
    answer = admin.post(f"/api/meters/{society.meter_id}/read", headers=WRITE)
    assert answer.json()["outcome"] == "waiting"
