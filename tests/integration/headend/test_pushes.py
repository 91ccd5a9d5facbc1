"""Pushes over real sockets into a real database: acknowledged means committed, whatever comes and however it ends."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from demeter import readings
from demeter.drivers.dlms import PushDecoder
from demeter.headend import PushLimits, held
from demeter.headend.push import metrics
from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.apdu import AttributeRef, DataNotificationConfirm, EventNotification
from demeter.protocols.dlms.hdlc import Address, Control, Frame, Kind
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject
from demeter.protocols.dlms.security import CipherMode, suite_keys, unprotect
from demeter.protocols.dlms.wrapper import wrap
from demeter.runtime.database import Database
from demeter.sdk import Credentials, Delivery
from tests.integration.drivers.peer import AK, EK, INDEX, electricity_meter
from tests.integration.drivers.peer import listening as meter_listening
from tests.integration.headend.pushing import (
    BEGUN,
    CONFIRMED,
    TITLE,
    a_meter,
    body,
    listening,
    notification,
    pushed,
    sealed,
    stamp,
)
from tests.integration.headend.rig import QUIET, Committed, Rig, eventually, last_quarter, make_rig, running

Story = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def play(story: Story) -> None:
    asyncio.run(story())


KEYS = Credentials({"encryption_key": EK, "authentication_key": AK})


def test_a_ciphered_push_becomes_a_reading_and_is_proved_from_the_journal(rig: Rig) -> None:
    async def story() -> None:
        meter = a_meter(rig)
        async with listening(rig) as push:
            await push.send(pushed(1234, 1), pushed(1250, 2, BEGUN + timedelta(minutes=5)))
            await eventually(lambda: push.values() == [1234, 1250])
            assert [frame.payload for frame in push.journal(meter)] == [
                pushed(1234, 1),
                pushed(1250, 2, BEGUN + timedelta(minutes=5)),
            ]
            with rig.database.unit_of_work(rig.scope) as work:
                decoder = PushDecoder()
                wrong = readings.verify_blocks(work, rig.site_id, lambda frame: decoder.decode(frame.frame(), KEYS))
                assert wrong == []
                assert readings.verify_chain(work, meter).whole
            assert push.quarantine() == []

    play(story)


def test_pushes_come_by_udp_framed_or_bare_and_in_hdlc_frames(rig: Rig) -> None:
    async def story() -> None:
        a_meter(rig)
        async with listening(rig) as push:
            loop = asyncio.get_running_loop()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                udp.setblocking(False)
                udp.bind(("127.0.0.1", 0))
                await loop.sock_sendto(udp, pushed(1, 1), ("127.0.0.1", push.port))
                bare = sealed(notification(body(2, BEGUN + timedelta(minutes=1))), 2)
                await loop.sock_sendto(udp, bare, ("127.0.0.1", push.port))
                asked = pushed(3, 3, BEGUN + timedelta(minutes=2), CONFIRMED | 5)
                await loop.sock_sendto(udp, asked, ("127.0.0.1", push.port))
                async with asyncio.timeout(10):
                    answer = await loop.sock_recv(udp, 2048)
                assert answer[:8] == wrap(answer[8:], 16, 1)[:8]
            control = Control(Kind.UNNUMBERED_INFORMATION, final=False)
            apdu = sealed(notification(body(4, BEGUN + timedelta(minutes=3))), 4)
            await push.send(Frame(Address(16), Address(1), control, b"\xe6\xe7\x00" + apdu).to_bytes())
            await eventually(lambda: push.values() == [1, 2, 3, 4])

    play(story)


def test_a_confirmed_push_is_answered_only_when_it_is_committed(rig: Rig) -> None:
    async def story() -> None:
        a_meter(rig)
        gate = asyncio.Event()
        seen: list[Delivery] = []

        async def slow(delivery: Delivery) -> Committed:
            await gate.wait()
            seen.append(delivery)
            return Committed()

        async with listening(rig, sink=slow) as push:
            asking = asyncio.create_task(push.send(pushed(1, 1, invoke=CONFIRMED | 7), answers=1))
            await asyncio.sleep(0.3)
            assert not asking.done()
            gate.set()
            (answer,) = await asking
            assert len(seen) == 1
            opened = unprotect(suite_keys(EK, AK), None, answer)
            assert opened.plaintext == DataNotificationConfirm(CONFIRMED | 7).encode()
            (unprotected,) = push.frames
            assert (unprotected.source, unprotected.destination) == (16, 1)

    play(story)


def test_an_answer_never_uses_a_counter_twice_not_even_after_a_restart(rig: Rig) -> None:
    async def story() -> None:
        a_meter(rig)
        counters = []
        for start in (1, 4):
            async with listening(rig) as push:
                for n in range(start, start + 3):
                    (answer,) = await push.send(pushed(n, n, invoke=CONFIRMED | n), answers=1)
                    counters.append(unprotect(suite_keys(EK, AK), None, answer).counter)
        assert counters == sorted(set(counters))

    play(story)


def test_what_the_store_does_not_take_is_not_answered_and_may_come_again(rig: Rig) -> None:
    async def story() -> None:
        a_meter(rig)
        failing = True

        async def moody(delivery: Delivery) -> Committed:
            return Committed(accepted=not failing)

        async with listening(rig, sink=moody) as push:
            message = pushed(1, 1, invoke=CONFIRMED | 7)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await push.send(message, answers=1)
            failing = False
            assert len(await push.send(message, answers=1)) == 1
            assert push.quarantine() == []  # its sender did nothing wrong

    play(story)


def test_a_title_learned_in_a_read_is_enough_to_be_known(rig: Rig) -> None:
    async def story() -> None:
        peer = electricity_meter(last_quarter(), 4)
        async with meter_listening(peer) as address:
            meter = rig.add_meter("PEER-1", address)
            async with running(rig.collector(QUIET)):
                await eventually(lambda: len(rig.store.stamps(meter)) == 4)
                await asyncio.sleep(0.3)
        async with listening(rig) as push:
            await push.send(pushed(77, 900, title=peer.title))
            await eventually(lambda: push.values() == [77])

    play(story)


def test_what_a_push_carries_is_learned_from_the_meter(rig: Rig) -> None:
    """An Indian push names nothing but its push setup; names, units and period come from the meter's own reads."""
    survey = Obis.parse("0.5.25.9.0.255")
    listed = (
        CaptureObject(1, Obis.parse("0.0.96.1.2.255"), 2),
        CaptureObject(40, survey, 1),
        CaptureObject(8, Obis.parse("0.0.1.0.0.255"), 2),
        INDEX,
        CaptureObject(7, Obis.parse("1.0.99.1.0.255"), 2),
    )

    async def story() -> None:
        at = last_quarter()
        peer = electricity_meter(at, 100, pushes={str(survey): listed})
        async with meter_listening(peer) as address:
            meter = rig.add_meter("PEER-1", address)
            async with running(rig.collector(replace(QUIET, learn_pushes=True))):
                await eventually(lambda: len(rig.store.stamps(meter)) == 100)
                await asyncio.sleep(0.3)
        rows = [
            data.structure(stamp(at - timedelta(minutes=15 * n)), *map(data.u32, (40 + n, 2300, 0))) for n in (1, 0)
        ]
        header = (data.octets(b"PEER-1"), data.octets(survey.to_bytes()), stamp(at))
        content = data.structure(*header, data.u32(9000), data.array(*rows))
        async with listening(rig) as push:
            await push.send(wrap(sealed(notification(content), 70, title=peer.title), 1, 16))
            await eventually(lambda: push.values("1.0.1.29.0.255") == [41, 40])
            assert push.values("1.0.1.8.0.255") == [9000]
            (frame,) = push.journal(meter)
            assert {s.reading_type.interval_s for s in PushDecoder().decode(frame.frame(), KEYS)} == {0, 900}

    play(story)


def test_an_event_is_kept_as_a_frame_without_readings(rig: Rig) -> None:
    async def story() -> None:
        meter = rig.add_meter("DM000001", "127.0.0.1:4059", system_title=TITLE.decode())
        event = EventNotification(AttributeRef(1, Obis.parse("0.0.96.11.0.255"), 2), axdr.encode(data.u16(101)))
        async with listening(rig) as push:
            await push.send(wrap(sealed(event.encode(), 5, mode=CipherMode.GLO), 1, 16))
            await eventually(lambda: len(push.journal(meter)) == 1)
            (frame,) = push.journal(meter)
            assert PushDecoder().decode(frame.frame(), KEYS) == ()
            assert (frame.rows, push.values(), push.quarantine()) == (0, [], [])

    play(story)


# Refusals


def test_whoever_is_not_known_or_not_genuine_is_kept_apart(rig: Rig) -> None:
    async def story() -> None:
        meter = a_meter(rig)
        plain = wrap(notification(body(9, serial="DM000001")), 1, 16)
        async with listening(rig) as push:
            await push.send(
                pushed(1, 1, title=b"UNKNOWN1"),
                pushed(2, 2, key=b"X" * 16),
                plain,
                plain,
                wrap(sealed(notification(body(3)), 3, mode=CipherMode.GENERAL_DED), 1, 16),
                wrap(b"\xc0\x01\xc1\x00\x08\x00\x00\x01\x00\x00\xff\x02\x00", 1, 16),
            )
            await eventually(lambda: len(push.quarantine()) == 5)
            title = TITLE.hex()
            assert push.quarantine() == [
                ("", "less protected than the meter's record demands", 2),
                ("", "not supported", 1),
                ("", "not supported", 1),
                (title, "wrong key: tag check failed", 1),
                (b"UNKNOWN1".hex(), "unknown sender", 1),
            ]
            assert (push.values(), push.journal(meter)) == ([], [])
            by_reason = {each.reason: each for each in held(rig.database)}
            assert by_reason["unknown sender"].organization_id is None
            assert by_reason["wrong key: tag check failed"].meter_id == meter
            assert by_reason["unknown sender"].payload == pushed(1, 1, title=b"UNKNOWN1")
            assert by_reason["unknown sender"].source == "127.0.0.1"

    play(story)


def test_two_meters_of_one_name_are_not_told_apart_by_guessing(rig: Rig, database: Database) -> None:
    async def story() -> None:
        for serial in ("A", "B"):
            a_meter(rig, serial, device_id="SAME", push_plain=True)
        async with listening(rig) as push:
            await push.send(wrap(notification(body(9, serial="SAME")), 1, 16))
            await eventually(lambda: push.quarantine() == [("", "several meters fit", 1)])

    play(story)


def test_a_replay_is_refused_counted_and_kept_apart_also_after_a_restart(rig: Rig) -> None:
    async def story() -> None:
        meter = a_meter(rig)
        async with listening(rig) as push:
            await push.send(pushed(10, 10))
            await eventually(lambda: push.values() == [10])
            await push.send(*[pushed(10, 10)] * 3)
            await push.send(pushed(8, 8, BEGUN + timedelta(minutes=1)))  # late, not a replay
            await eventually(lambda: push.quarantine() == [(TITLE.hex(), "replayed counter", 3)])
            await eventually(lambda: len(push.values()) == 2)
        async with listening(rig) as push:
            await push.send(pushed(10, 10), pushed(8, 8, BEGUN + timedelta(minutes=1)), pushed(999, 8))
            await eventually(lambda: sum(count for *_, count in push.quarantine()) == 6)
            assert len(push.journal(meter)) == 2
            await push.send(pushed(11, 11, BEGUN + timedelta(minutes=2)))
            await eventually(lambda: len(push.values()) == 3)

    play(story)


def test_a_counter_begins_anew_under_a_new_key(rig: Rig) -> None:
    async def story() -> None:
        meter = a_meter(rig)
        async with listening(rig) as push:
            await push.send(pushed(10, 1000))
            await eventually(lambda: push.values() == [10])
            with rig.database.unit_of_work(rig.scope) as work:
                rig.secrets.seal(work, f"meter:{meter}", "encryption_key", b"N" * 16)
            await asyncio.sleep(0.8)
            await push.send(pushed(11, 1, BEGUN + timedelta(minutes=1), key=b"N" * 16))
            await eventually(lambda: push.values() == [10, 11])

    play(story)


# Robustness


def test_any_octets_are_survived(rig: Rig) -> None:
    async def story() -> None:
        a_meter(rig)
        rng = random.Random(2)
        good, before = pushed(1, 1), metrics_of("internal error")
        async with listening(rig) as push:
            loop = asyncio.get_running_loop()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                udp.setblocking(False)
                for n in range(150):
                    octets = bytearray(good[: rng.randrange(len(good))] if n % 2 else rng.randbytes(rng.randrange(90)))
                    for _ in range(rng.randrange(3)):
                        if octets:
                            octets[rng.randrange(len(octets))] = rng.randrange(256)
                    await loop.sock_sendto(udp, bytes(octets), ("127.0.0.1", push.port))
                    await push.send(bytes(octets))
            await push.send(pushed(5, 5, BEGUN + timedelta(minutes=1)))
            await eventually(lambda: 5 in push.values())
            assert metrics_of("internal error") == before

    play(story)


def metrics_of(outcome: str) -> list[float]:
    found = metrics.MESSAGES.collect()[0].samples
    return [s.value for s in found if s.labels == {"outcome": outcome} and s.name.endswith("_total") and s.value]


def test_connections_are_bounded_in_number_time_and_octets(rig: Rig) -> None:
    async def story() -> None:
        a_meter(rig)
        limits = PushLimits(
            source_connections=2,
            idle_s=0.4,
            message_s=0.3,
            refresh_least_s=0.05,
            flush_s=0.005,
            quarantine_flush_s=0.05,
        )
        async with listening(rig, limits) as push:
            one, two, three = [await asyncio.open_connection("127.0.0.1", push.port) for _ in range(3)]
            async with asyncio.timeout(5):
                assert await three[0].read(1) == b""  # one too many
                two[1].write(pushed(1, 1)[:20])  # never whole
                assert await two[0].read(1) == b""
                assert await one[0].read(1) == b""  # silent
            for _, writer in (one, two, three):
                writer.close()
            await push.send(pushed(2, 2))
            await eventually(lambda: push.values() == [2])

    play(story)


def test_a_message_that_came_whole_is_taken_even_if_the_connection_is_cut(rig: Rig) -> None:
    async def story() -> None:
        a_meter(rig)
        async with listening(rig) as push:
            for n in range(1, 11):
                with socket.create_connection(("127.0.0.1", push.port)) as line:
                    line.sendall(pushed(n, n, BEGUN + timedelta(seconds=n)))
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends with a reset
                    await asyncio.sleep(0.02)
            await eventually(lambda: push.values() == list(range(1, 11)))

    play(story)


def test_a_source_that_is_too_fast_waits_and_loses_datagrams_only(rig: Rig) -> None:
    async def story() -> None:
        a_meter(rig)
        limits = PushLimits(source_rate=20, source_burst=5, refresh_least_s=0.05, flush_s=0.005)
        async with listening(rig, limits) as push:
            began = asyncio.get_running_loop().time()
            await push.send(*[pushed(n, n, BEGUN + timedelta(seconds=n)) for n in range(1, 16)])
            await eventually(lambda: len(push.values()) == 15)
            assert asyncio.get_running_loop().time() - began >= 0.4

    play(story)


def test_the_port_of_somebody_else_is_waited_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    from demeter.headend.push import listener as module

    monkeypatch.setattr(module, "RETRY_S", 0.1)

    async def story() -> None:
        a_meter(rig)
        taken = socket.create_server(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        async def give_back() -> None:
            await asyncio.sleep(0.3)
            taken.close()

        freeing = asyncio.create_task(give_back())
        async with listening(rig, port=port) as push:
            assert push.port == port
        await freeing

    play(story)


@pytest.mark.parametrize("confirmed", [False, True])
def test_thousands_of_pushes_come_in_seconds(rig: Rig, confirmed: bool) -> None:
    """A sanity check, not a benchmark: 2,000 pushes of 100 meters over 20 connections."""

    async def story() -> None:
        titles = [b"FAST%04d" % n for n in range(100)]
        for n, title in enumerate(titles):
            rig.add_meter(f"F{n}", "", system_title=title.decode())
        limits = PushLimits(refresh_least_s=0.05, source_burst=10_000)
        async with listening(rig, limits) as push:
            await push.send(*[pushed(1, 1, title=title, invoke=CONFIRMED) for title in titles], answers=len(titles))
            service = CONFIRMED if confirmed else 0
            batches = [
                [
                    pushed(n, n, BEGUN + timedelta(seconds=n), service | n, title=title)
                    for title in titles[part::20]
                    for n in range(2, 22)
                ]
                for part in range(20)
            ]
            loop = asyncio.get_running_loop()
            began, stored = loop.time(), metrics_of("stored")[0]
            due = len(batches[0]) if confirmed else 0
            await asyncio.gather(*(push.send(*batch, answers=due) for batch in batches))
            await eventually(lambda: metrics_of("stored")[0] == stored + 2000)
            took_s = loop.time() - began
            assert len(push.values()) == 2100
            assert took_s < 20, f"{2000 / took_s:.0f} a second"  # shared machines; alone it is a few seconds
            print(f"{2000 / took_s:.0f} pushes a second, confirmed: {confirmed}")

    play(story)
