"""How a meter is reached stands in the fleet file."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from demeter.kernel import Invalid
from demeter.simulator import (
    FleetConfig,
    LoadConfig,
    MeterConfig,
    MeterKind,
    Simulation,
    Transport,
    fleet_from_record,
    fleet_record,
)

METER = MeterConfig(
    "m",
    "1",
    MeterKind.WATER,
    LoadConfig("steady"),
    transport=Transport.HDLC,
    physical_address=17,
    system_title="00" * 8,
)


def test_a_transport_comes_back_from_a_fleet_file_and_the_usual_one_is_left_out() -> None:
    fleet = FleetConfig("UTC", 0, (METER, replace(METER, name="n", transport=Transport.WRAPPER)))
    record = fleet_record(fleet)
    assert (record["meters"][0]["transport"], record["meters"][0]["physical_address"]) == ("hdlc", 17)
    assert "transport" not in record["meters"][1]
    assert fleet_from_record(record) == fleet


def test_an_unknown_transport_is_refused() -> None:
    record = fleet_record(FleetConfig("UTC", 0, (METER,)))
    record["meters"][0]["transport"] = "pigeon"
    with pytest.raises(Invalid):
        fleet_from_record(record)


def test_meters_behind_one_port_have_one_transport() -> None:
    keys = {"encryption_key": "00" * 16, "authentication_key": "00" * 16}
    both = tuple(
        replace(METER, name=f"m{sap}", server_sap=sap, transport=transport, **keys)
        for sap, transport in ((1, Transport.HDLC), (2, Transport.WRAPPER))
    )

    async def story() -> None:
        async with Simulation(FleetConfig("UTC", 0, both, shared_port=0)):
            pass

    with pytest.raises(Invalid, match="one transport"):
        asyncio.run(story())
