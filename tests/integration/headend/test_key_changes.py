"""New keys for a meter: whatever breaks in between, the keys it has are there, and it goes on being read."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from demeter import headend
from demeter.headend import Collector, Command, CommandState, KeyOrder
from demeter.kernel import Conflict, Denied, Invalid
from demeter.protocols.dlms.admission import MeterKeys
from demeter.protocols.dlms.errors import DataAccessResult, Refused
from demeter.protocols.dlms.security import KeyId
from demeter.protocols.dlms.server import ServerSession, ServerSettings
from demeter.runtime.database import Database, Scope, audit_entries
from demeter.sdk import OperationKind
from tests.integration.drivers.peer import AK, EK, KEYS, PASSWORD, PeerMeter, electricity_meter, listening
from tests.integration.headend.rig import QUIET, Rig, eventually, last_quarter, make_rig, running
from tests.integration.headend.test_commands import BRISK, ask, ended

MK = b"M" * 16
STORED = {**KEYS, "master_key": MK}
Story = Callable[["RekeyedMeter", int, Collector], Awaitable[None]]


class FickleKeys(MeterKeys):
    """Keys of a meter that takes new ones as the next word of ``plan`` says; ``taken`` counts transfers that came."""

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(settings)
        self.plan: list[str] = []
        self.taken = 0
        self.touched = ""

    def replace(self, new: dict[KeyId, bytes]) -> None:  # type: ignore[override]
        self.taken += 1
        self.touched = self.plan.pop(0) if self.plan else "take"
        if self.touched in ("refuse", "deaf"):
            raise Refused(DataAccessResult.READ_WRITE_DENIED)
        only = {"only-encryption": KeyId.UNICAST_ENCRYPTION, "only-authentication": KeyId.AUTHENTICATION}
        kept = only.get(self.touched)
        super().replace(new if kept is None else {kept: new[kept]} if kept in new else {})


@dataclass
class RekeyedMeter(PeerMeter):
    """``deaf``: a transfer is not heard; ``lose``, ``only-…``: it is, and not answered; ``stall``: nothing is said any
    more until ``go_on``; ``stall-proof``: the transfer is answered, and then nothing is said."""

    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.settings = ServerSettings(self.title, EK, AK, PASSWORD, max_pdu=self.max_pdu, master_key=MK)
        self.keys = FickleKeys(self.settings)
        self.quiet = False
        self.mangle = self._mangle

    def session(self) -> ServerSession:
        return ServerSession(self, self.settings, keys=self.keys)

    def _mangle(self, _asked: bytes, answer: bytes) -> bytes | None:
        touched, self.keys.touched = self.keys.touched, ""
        if touched in ("stall", "stall-deaf") or self.quiet:
            self.stalled.set()
            self.quiet = not self.go_on.is_set()
            return None
        self.quiet = touched == "stall-proof"
        return None if touched in ("deaf", "lose") or touched.startswith("only") else answer


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def meter_with_keys() -> RekeyedMeter:
    meter = RekeyedMeter()
    meter.buffers = electricity_meter(last_quarter(), 8).buffers
    return meter


def rekeyed(rig: Rig, story: Story, plan: list[str] | None = None) -> None:
    async def play() -> None:
        meter = meter_with_keys()
        meter.keys.plan = list(plan or [])
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address, keys=STORED, answer_s=1)
            async with running(rig.collector(QUIET, BRISK)) as collector:
                await story(meter, meter_id, collector)

    asyncio.run(play())


def wish(rig: Rig, meter_id: int, scope: Scope | None = None, **more: object) -> Command:
    with rig.database.unit_of_work(scope or rig.scope) as work:
        return headend.change_keys(work, rig.secrets, meter_id, KeyOrder(**more))  # type: ignore[arg-type]


async def changed(rig: Rig, meter_id: int, **more: object) -> Command:
    return await ended(rig, await asyncio.to_thread(lambda: wish(rig, meter_id, **more)), 30)


def stored(rig: Rig, meter_id: int) -> dict[str, bytes]:
    with rig.database.unit_of_work(rig.scope) as work:
        return rig.secrets.open_all(work, f"meter:{meter_id}")[f"meter:{meter_id}"]


def has(meter: RekeyedMeter) -> dict[str, bytes]:
    keys = meter.keys.current
    return {
        "encryption_key": keys.encryption_key,
        "authentication_key": keys.authentication_key,
        "master_key": keys.master_key,
    }


def agree(rig: Rig, meter: RekeyedMeter, meter_id: int) -> bool:
    known = stored(rig, meter_id)
    return all(known[name] == key for name, key in has(meter).items())


def test_new_keys_are_proved_by_a_new_association_and_then_current(rig: Rig) -> None:
    async def story(meter: RekeyedMeter, meter_id: int, collector: Collector) -> None:
        assert (await collector.read_now(meter_id)).outcome == "ok"
        done = await changed(rig, meter_id, reason="yearly")
        assert (done.state, done.attempts) == (CommandState.CONFIRMED, 1)
        assert done.before == {"encryption_key": "old", "authentication_key": "old", "version": 0}
        assert done.after == {"encryption_key": "new", "authentication_key": "new", "version": 1}
        assert agree(rig, meter, meter_id)
        assert has(meter)["encryption_key"] not in (EK, AK)
        assert has(meter)["master_key"] == MK
        assert meter.keys.taken == 1
        assert (await collector.read_now(meter_id)).outcome == "ok"
        with rig.database.unit_of_work(rig.scope) as work:
            assert EK in rig.secrets.open_versions(work, f"meter:{meter_id}")["encryption_key"]
            trail = audit_entries(work, "headend.command.confirmed", f"meter:{meter_id}")
        assert has(meter)["encryption_key"].hex() not in repr(trail)

    rekeyed(rig, story)


def test_a_new_master_key_is_tried_out_and_wraps_the_next_change(rig: Rig) -> None:
    async def story(meter: RekeyedMeter, meter_id: int, _collector: Collector) -> None:
        done = await changed(rig, meter_id, master=True)
        assert done.after == {"encryption_key": "new", "authentication_key": "new", "master_key": "new", "version": 1}
        assert agree(rig, meter, meter_id)
        first = has(meter)["master_key"]
        assert first != MK
        again = await changed(rig, meter_id, master=True, given={"encryption_key": b"G" * 16})
        assert again.state is CommandState.CONFIRMED
        assert agree(rig, meter, meter_id)
        assert has(meter)["encryption_key"] == b"G" * 16
        assert has(meter)["master_key"] not in (MK, first)

    rekeyed(rig, story)


def test_a_refused_change_leaves_the_old_keys_in_force(rig: Rig) -> None:
    async def story(meter: RekeyedMeter, meter_id: int, collector: Collector) -> None:
        done = await changed(rig, meter_id)
        assert (done.state, done.outcome) == (CommandState.FAILED, "refused")
        assert stored(rig, meter_id)["encryption_key"] == EK
        assert (await collector.read_now(meter_id)).outcome == "ok"
        assert meter.keys.taken == 1

    rekeyed(rig, story, ["refuse"])


@pytest.mark.parametrize("plan", [["lose"], ["deaf"], ["only-encryption"], ["only-authentication"], ["deaf", "lose"]])
@pytest.mark.parametrize("master", [False, True])
def test_a_lost_answer_is_settled_by_looking(rig: Rig, plan: list[str], *, master: bool) -> None:
    async def story(meter: RekeyedMeter, meter_id: int, collector: Collector) -> None:
        done = await changed(rig, meter_id, master=master)
        assert done.state is CommandState.CONFIRMED, done
        assert agree(rig, meter, meter_id)
        assert (await collector.read_now(meter_id)).outcome == "ok"

    rekeyed(rig, story, plan)


@pytest.mark.parametrize("stage", ["stall", "stall-deaf", "stall-proof"])
def test_a_head_end_killed_in_the_middle_goes_on_with_whatever_keys_the_meter_has(rig: Rig, stage: str) -> None:
    async def play() -> None:
        meter = meter_with_keys()
        meter.keys.plan = [stage]
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address, keys=STORED, answer_s=1)
            async with running(rig.collector(QUIET, BRISK)):
                asked = await asyncio.to_thread(lambda: wish(rig, meter_id, master=True))
                async with asyncio.timeout(20):
                    await meter.stalled.wait()
            assert stored(rig, meter_id)["encryption_key"] == EK, "nothing is current before it is proved"
            meter.go_on.set()
            meter.quiet = False
            async with running(rig.collector(QUIET, BRISK)) as collector:
                done = await ended(rig, asked, 30)
                assert done.state is CommandState.CONFIRMED, done
                assert agree(rig, meter, meter_id)
                assert (await collector.read_now(meter_id)).outcome == "ok"

    asyncio.run(play())


def test_a_change_that_nobody_saw_the_end_of_is_found_by_the_next_read(rig: Rig) -> None:
    """The command's time is over, and the meter has the new keys: it is read under them, and they become its keys."""

    async def play() -> None:
        meter = meter_with_keys()
        async with listening(meter) as address:
            meter_id = rig.add_meter("PEER-1", address, keys=STORED, answer_s=1)
            asked = wish(rig, meter_id)
            with rig.database.unit_of_work(rig.scope) as work:
                headend.cancel_command(work, asked.id)
                kept = rig.secrets.open_versions(work, f"new-keys:{meter_id}")
            assert list(kept) == ["set"]
            new = {name: bytes.fromhex(key) for name, key in json.loads(kept["set"][0]).items()}
            meter.keys.replace(
                {KeyId.UNICAST_ENCRYPTION: new["encryption_key"], KeyId.AUTHENTICATION: new["authentication_key"]}
            )
            async with running(rig.collector(QUIET, BRISK)) as collector:
                assert (await collector.read_now(meter_id)).outcome == "ok"
                assert agree(rig, meter, meter_id)
                done = await ended(rig, await asyncio.to_thread(lambda: ask(rig, meter_id, OperationKind.SET_CLOCK)))
                assert done.state is CommandState.CONFIRMED
            with rig.database.unit_of_work(rig.scope) as work:
                assert audit_entries(work, "headend.keys.found", f"meter:{meter_id}")

    asyncio.run(play())


@pytest.mark.parametrize("seed", range(5))
def test_after_any_row_of_faults_the_meter_is_read_and_its_keys_are_known(rig: Rig, seed: int) -> None:
    chance = random.Random(seed)
    words = ["deaf", "lose", "only-encryption", "only-authentication", "refuse", "take"]
    plan = [chance.choice(words) for _ in range(chance.randint(1, 5))]

    async def story(meter: RekeyedMeter, meter_id: int, collector: Collector) -> None:
        for _ in range(2):
            await changed(rig, meter_id, master=chance.random() < 0.5)
            assert (await collector.read_now(meter_id)).outcome == "ok", plan
        meter.keys.plan.clear()
        done = await changed(rig, meter_id, master=True)
        assert done.state is CommandState.CONFIRMED, (plan, done)
        assert agree(rig, meter, meter_id), plan

    rekeyed(rig, story, plan)


def test_keys_are_changed_one_change_at_a_time_by_those_who_may(rig: Rig) -> None:
    meter_id = rig.add_meter("PEER-1", "127.0.0.1:9", keys=STORED)
    bare = rig.add_meter("PEER-2", "127.0.0.1:9")
    with pytest.raises(Denied):
        wish(rig, meter_id, Scope(1, "operator", frozenset({"headend.command", "headend.read", "estate.read"})))
    with pytest.raises(Invalid, match="no master_key"):
        wish(rig, bare)
    with pytest.raises(Invalid, match="16 octets"):
        wish(rig, meter_id, given={"encryption_key": b"short"})
    with pytest.raises(Invalid, match="another key"):
        wish(rig, meter_id, given={"authentication_key": AK})
    first = wish(rig, meter_id, idempotency_key="yearly-2026")
    assert wish(rig, meter_id, idempotency_key="yearly-2026") == first
    with pytest.raises(Conflict):
        wish(rig, meter_id)


def test_a_command_for_keys_that_are_not_kept_sends_nothing(rig: Rig) -> None:
    async def story(meter: RekeyedMeter, meter_id: int, _collector: Collector) -> None:
        asked = await asyncio.to_thread(lambda: ask(rig, meter_id, OperationKind.CHANGE_KEYS, arguments={"version": 9}))
        done = await ended(rig, asked)
        assert (done.state, done.attempts <= 1) == (CommandState.FAILED, True)
        assert "not kept" in (done.detail or "")
        assert meter.keys.taken == 0
        await eventually(lambda: agree(rig, meter, meter_id))

    rekeyed(rig, story)
