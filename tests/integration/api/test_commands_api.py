"""Commands over HTTP: keys, permissions, waiting for the end, cancelling."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from demeter import identity
from demeter.runtime.database import Database, Scope
from tests.integration.api.make import PASSWORD, WRITE, Serving, Society, sign_in
from tests.integration.drivers.peer import listening
from tests.integration.headend.operated import OperatedMeter
from tests.integration.headend.rig import QUIET, make_rig, running
from tests.integration.headend.test_commands import BRISK


def keyed(key: str) -> dict[str, str]:
    return {**WRITE, "Idempotency-Key": key}


def ask(client: httpx.Client, meter_id: int, key: str, **body: object) -> httpx.Response:
    return client.post(f"/api/meters/{meter_id}/commands", json=body, headers=keyed(key))


def test_a_key_makes_one_command_however_often_it_is_asked_for(admin: httpx.Client, society: Society):
    first = ask(admin, society.meter_id, "key-0001", kind="disconnect", reason="moved out")
    assert first.status_code == 202
    again = ask(admin, society.meter_id, "key-0001", kind="disconnect", reason="moved out")
    assert (again.status_code, again.json()) == (202, first.json())
    other = ask(admin, society.meter_id, "key-0001", kind="connect", reason="moved out")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key")
    listed = admin.get(f"/api/meters/{society.meter_id}/commands").json()["commands"]
    assert listed == [first.json()]
    assert listed[0]["state"] == "waiting"
    without = admin.post(f"/api/meters/{society.meter_id}/commands", json={"kind": "connect"}, headers=WRITE)
    assert without.status_code == 422


def test_a_waiting_command_is_cancelled_and_its_steps_are_shown(admin: httpx.Client, society: Society):
    asked = ask(admin, society.meter_id, "key-0001", kind="billing-reset").json()
    cancelled = admin.delete(f"/api/commands/{asked['id']}", headers=WRITE)
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    shown = admin.get(f"/api/commands/{asked['id']}").json()
    assert [step["state"] for step in shown["steps"]] == ["waiting", "cancelled"]
    assert admin.get("/api/commands/999").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "explode"},
        {"kind": "disconnect", "arguments": {"force": True}},
        {"kind": "load-limit", "arguments": {"limit": "0"}},
        {"kind": "disconnect", "expires_in_s": 0},
        {"kind": "disconnect", "when": "now"},
    ],
)
def test_what_makes_no_sense_is_refused(admin: httpx.Client, society: Society, body: dict[str, object]):
    assert ask(admin, society.meter_id, "key-0001", **body).status_code == 422


def test_others_neither_see_nor_cancel_nor_command(
    admin: httpx.Client, society: Society, neighbours: Society, serving: Serving, database: Database
):
    asked = ask(admin, society.meter_id, "key-0001", kind="disconnect").json()
    with httpx.Client(base_url=serving.address, timeout=20) as neighbour:
        assert sign_in(neighbour, neighbours.email).status_code == 200
        assert neighbour.get(f"/api/commands/{asked['id']}").status_code == 404
        assert neighbour.delete(f"/api/commands/{asked['id']}", headers=WRITE).status_code == 404
        assert ask(neighbour, society.meter_id, "key-0001", kind="disconnect").status_code == 404
        assert neighbour.get(f"/api/meters/{society.meter_id}/commands").status_code == 404
    with database.unit_of_work(Scope.system(society.organization_id, "test")) as work:
        identity.create_user(work, "auditor@ceres.example", "Auditor", "auditor", PASSWORD)
    with httpx.Client(base_url=serving.address, timeout=20) as auditor:
        assert sign_in(auditor, "auditor@ceres.example").status_code == 200
        assert ask(auditor, society.meter_id, "key-0002", kind="set-clock").status_code == 403
        assert auditor.delete(f"/api/commands/{asked['id']}", headers=WRITE).status_code == 403
        assert auditor.get(f"/api/commands/{asked['id']}").status_code == 200


def test_a_disconnection_is_asked_for_and_waited_for(database: Database, serving: Serving):
    rig = make_rig(database)
    with database.unit_of_work(rig.scope) as work:
        identity.create_user(work, "operator@one.example", "Operator", "operator", PASSWORD)

    async def story(client: httpx.Client) -> None:
        meter = OperatedMeter()
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address)
            async with running(rig.collector(QUIET, BRISK)):
                asked = await asyncio.to_thread(lambda: ask(client, meter_id, "key-0001", kind="disconnect").json())
                path = f"/api/commands/{asked['id']}?wait_s=10"
                done = await asyncio.to_thread(lambda: client.get(path).json())
        assert (done["state"], done["after"]["relay"]) == ("confirmed", "disconnected")
        assert meter.relay() == "disconnected"

    with httpx.Client(base_url=serving.address, timeout=30) as client:
        assert sign_in(client, "operator@one.example").status_code == 200
        asyncio.run(story(client))
