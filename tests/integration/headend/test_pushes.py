"""Pushes over real sockets into a real database: acknowledged means committed, whatever comes."""

from __future__ import annotations

import asyncio

from demeter.drivers.dlms import PushDecoder
from demeter.protocols.dlms.apdu import DataNotificationConfirm
from demeter.runtime.database import Database
from demeter.sdk import Credentials
from tests.integration.drivers.peer import AK, EK
from tests.integration.headend.pushing import CONFIRMED, a_meter, body, listening, notification, pushed, rig_of
from tests.integration.headend.rig import eventually


def test_a_ciphered_push_becomes_a_reading_and_its_frame_decodes_again(database: Database) -> None:
    async def scenario() -> None:
        rig = rig_of(database)
        meter = a_meter(rig)
        async with listening(rig) as push:
            await push.send(pushed(1234, 1))
            await eventually(lambda: push.values() == [1234])
            (frame,) = push.journal(meter)
            assert frame.codec == "dlms/push"
            assert frame.payload == pushed(1234, 1)
            series = PushDecoder().decode(frame.frame(), Credentials({"encryption_key": EK, "authentication_key": AK}))
            assert [(s.reading_type.obis, s.values.tolist()) for s in series] == [("1.0.1.8.0.255", [1234])]

    asyncio.run(scenario())


def test_a_confirmed_push_is_answered_after_the_commit(database: Database) -> None:
    async def scenario() -> None:
        rig = rig_of(database)
        a_meter(rig, cipher="none", mechanism="none", device_id="NAME1")
        async with listening(rig) as push:
            from demeter.protocols.dlms.wrapper import wrap

            plain = wrap(notification(body(5, serial="NAME1"), CONFIRMED | 77), 1, 16)
            (answer,) = await push.send(plain, answers=1)
            assert answer == DataNotificationConfirm(CONFIRMED | 77).encode()
            assert push.values() == [5]

    asyncio.run(scenario())
