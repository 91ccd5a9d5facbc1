"""A history over a line so slow that it does not fit a session: it comes all the same, in smaller pieces."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from demeter.runtime.database import Database
from demeter.simulator import FleetConfig, LoadConfig, MeterConfig, MeterKind, Simulation, Transport
from tests.integration.drivers.peer import KEYS
from tests.integration.drivers.serial_bridge import serial_line
from tests.integration.headend.rig import FAST, Rig, eventually, make_rig, running


@pytest.fixture
def rig(database: Database) -> Rig:
    return make_rig(database)


def test_a_history_comes_over_a_line_that_carries_a_part_of_a_slice_in_one_session(rig: Rig) -> None:
    began = datetime.now(UTC) - timedelta(days=12)
    config = MeterConfig(
        "m",
        "SER-m",
        MeterKind.SINGLE_PHASE,
        LoadConfig("steady", per_hour=400),
        system_title="444d540000000001",
        encryption_key=KEYS["encryption_key"].hex(),
        authentication_key=KEYS["authentication_key"].hex(),
        transport=Transport.HDLC,
    )

    async def story() -> None:
        async with Simulation(FleetConfig("Asia/Kolkata", int(began.timestamp()), (config,))) as simulation:
            place = simulation.addresses["m"]
            async with serial_line((place.host, place.port), octets_s=15_000) as line:
                meter_id = rig.add_meter("SER-m", line.path, transport="hdlc-serial", frame_s=0.5, answer_s=1)
                limits = replace(FAST, turn_s=1.5, back_off_s=0, sulk_s=0)
                async with running(rig.collector(limits)) as collector:
                    await eventually(lambda: collector.progress().complete == 1, 60)
        stamps = rig.store.stamps(meter_id)
        assert stamps == list(range(stamps[0], stamps[-1] + 1, 900))
        assert len(stamps) > 96 * 11

    asyncio.run(story())
