"""Real client, real TCP, real ciphering: what a head-end will see."""

import asyncio
import gzip
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.client import ClientSettings
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DlmsError, Refused, ServiceError, TagCheckFailed
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import (
    RangeSelection,
)
from demeter.protocols.dlms.wrapper import wrap
from demeter.simulator import LoadConfig, MeterKind, Simulation, ask, save_fleet
from tests.integration.simulator.meter_lines import (
    IST,
    NOW,
    START_S,
    column,
    connect,
    fleet,
    load_profile,
    meter,
    simulate,
    simulated,
    utility,
)


@simulated
async def test_forty_days_of_load_arrive_ciphered_and_complete():
    async with Simulation(fleet(meter("m"))) as running:
        line = await utility(running, "m")
        columns = await load_profile(line)
        assert len(columns) in (3839, 3840, 3841)
        assert set(np.diff(columns.at_s)) == {900}
        assert column(columns, "1.0.1.29.0.255").values.sum() == 250 * len(columns)
        stamp = CosemDateTime.from_utc(datetime.fromtimestamp(int(columns.at_s[-1]), UTC), IST).to_bytes()
        assert stamp not in line.received, "no row travels in clear"
        await line.do(line.client.release())


@simulated
async def test_a_reader_with_a_password_reads_a_water_meters_register():
    async with Simulation(fleet(meter("w", kind=MeterKind.WATER))) as running:
        settings = ClientSettings(client_sap=32, mechanism=Mechanism.LLS, password=b"read me")
        line = await connect(running.addresses["w"], settings)
        await line.do(line.client.associate())
        columns = await load_profile(line, "8.0.99.1.0.255", "8.0.94.91.4.255")
        volume = column(columns, "8.0.1.0.0.255")
        assert set(np.diff(volume.values)) == {250}
        assert volume.scaler == -3


@simulated
async def test_one_port_leads_to_many_meters_told_apart_by_their_address():
    meters = [meter(f"m{number}", number, opening=number * 1000) for number in (1, 2, 3)]
    async with Simulation(fleet(*meters, shared_port=0)) as running:
        assert len({place.port for place in running.addresses.values()}) == 1
        for number in (1, 2, 3):
            line = await utility(running, f"m{number}")
            serial = axdr.decode_all(await line.do(line.client.get(1, Obis.parse("0.0.96.1.0.255"), 2)))
            assert serial.value == f"DM{number}".encode()


@simulated
async def test_a_wrong_key_is_a_failed_tag_check_and_not_silence():
    async with Simulation(fleet(meter("m"))) as running:
        with pytest.raises((TagCheckFailed, ServiceError, DlmsError)):
            await utility(running, "m", encryption_key=bytes(16))


@pytest.mark.parametrize("mode", ["silent", "closed"])
def test_an_offline_meter_never_answers_and_comes_back(mode):
    async def run():
        async with Simulation(fleet(meter("m"))) as running:
            running.desk.carry_out({"meter": "m", "fault": "offline", "mode": mode})
            with pytest.raises((TimeoutError, ConnectionError)):
                await utility(running, "m", patience_s=0.2)
            running.desk.carry_out({"meter": "m", "clear": "offline"})
            await utility(running, "m")

    simulate(run())


@simulated
async def test_a_reboot_drops_the_connection_and_loses_the_association():
    async with Simulation(fleet(meter("m"))) as running:
        line = await utility(running, "m")
        running.desk.carry_out({"meter": "m", "fault": "reboot", "seconds": 1})
        with pytest.raises(ConnectionError):
            await line.do(line.client.get(1, Obis.parse("0.0.96.1.0.255"), 2))
        await asyncio.sleep(1.1)
        again = await connect(running.addresses["m"], line.settings)
        with pytest.raises(ServiceError):
            await again.do(line.client.get(1, Obis.parse("0.0.96.1.0.255"), 2))


@simulated
async def test_a_reboot_behind_a_shared_port_leaves_the_neighbours_alone():
    serial = (1, Obis.parse("0.0.96.1.0.255"), 2)
    async with Simulation(fleet(meter("m1", 1), meter("m2", 2), shared_port=0)) as running:
        first, second = await utility(running, "m1"), await utility(running, "m2")
        running.desk.carry_out({"meter": "m1", "fault": "reboot", "seconds": 1})
        with pytest.raises(TimeoutError):
            await first.do(first.client.get(*serial), patience_s=0.1)
        assert axdr.decode_all(await second.do(second.client.get(*serial))).value == b"DM2"
        await asyncio.sleep(1.1)
        with pytest.raises(ServiceError):
            await first.do(first.client.get(*serial))


@simulated
async def test_a_slow_meter_answers_late_and_a_truncating_one_ends_the_connection():
    async with Simulation(fleet(meter("m"))) as running:
        line = await utility(running, "m")
        running.desk.carry_out({"meter": "m", "fault": "slow", "delay_ms": 120})
        before = time.monotonic()
        await line.do(line.client.get(1, Obis.parse("0.0.96.1.0.255"), 2))
        assert time.monotonic() - before >= 0.12
        running.desk.carry_out({"meter": "m", "clear": "all"})
        running.desk.carry_out({"meter": "m", "fault": "truncate", "bytes": 11})
        line.received = b""
        with pytest.raises(ConnectionError):
            await line.do(line.client.get(1, Obis.parse("0.0.96.1.0.255"), 2))
        assert len(line.received) == 11


@simulated
async def test_garbage_is_never_taken_for_a_value():
    async with Simulation(fleet(meter("m"))) as running:
        running.desk.carry_out({"meter": "m", "fault": "garbage"})
        for _ in range(20):
            running.desk.carry_out({"meter": "m", "clear": "garbage"})
            line = await utility(running, "m")
            running.desk.carry_out({"meter": "m", "fault": "garbage"})
            with pytest.raises((DlmsError, TimeoutError, ConnectionError)):
                await line.do(line.client.get(7, Obis.parse("1.0.99.2.0.255"), 2), patience_s=0.05)


@simulated
async def test_nonsense_on_the_line_ends_that_connection_and_nothing_else():
    async with Simulation(fleet(meter("m"))) as running:
        line = await utility(running, "m")
        noise = random.Random(5)
        for _ in range(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", running.addresses["m"].port)
            body = noise.randbytes(noise.randrange(1, 60))
            writer.write(
                noise.choice([body, wrap(body, 16, 1), wrap(b"\x60" + body, 48, 1), wrap(b"\xc0" + body, 32, 1)])
            )
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 2)
            writer.close()
            await writer.wait_closed()
        serial = axdr.decode_all(await line.do(line.client.get(1, Obis.parse("0.0.96.1.0.255"), 2)))
        assert serial.value == b"DM1"


@simulated
async def test_two_thousand_meters_live_in_one_process():
    first = [meter(f"m{number}", number % 150 + 1) for number in range(2000)]
    meters = [replace(found, server_sap=number + 1) for number, found in enumerate(first)]
    before = time.process_time()
    async with Simulation(fleet(*meters, shared_port=0)) as running:
        for name in ("m0", "m999", "m1999"):
            line = await utility(running, name)
            assert len(await load_profile(line)) > 3800
    assert time.process_time() - before < 10


@simulated
async def test_a_replayed_answer_is_refused_by_the_client():
    async with Simulation(fleet(meter("m"))) as running:
        line = await utility(running, "m")
        await line.do(line.client.get(1, Obis.parse("0.0.96.1.0.255"), 2))
        running.desk.carry_out({"meter": "m", "fault": "replay"})
        with pytest.raises(DlmsError):
            await line.do(line.client.get(1, Obis.parse("0.0.96.1.0.255"), 2))


@simulated
async def test_a_refusing_meter_says_so():
    async with Simulation(fleet(meter("m"))) as running:
        line = await utility(running, "m")
        running.desk.carry_out({"meter": "m", "fault": "refuse"})
        with pytest.raises(Refused):
            await line.do(line.client.get(1, Obis.parse("0.0.96.1.0.255"), 2))


@simulated
async def test_a_recording_is_read_back_over_the_line_row_by_row(tmp_path):
    rows = "start,value\n2012-01-03 00:00:00,0.142\n2012-01-03 00:30:00,0.0910001\n2012-01-03 00:30:00,0.5\n"
    (tmp_path / "house.csv.gz").write_bytes(gzip.compress((rows + "2012-01-05 00:00:00,3.921\n").encode()))
    load = LoadConfig("replay", file="house.csv.gz")
    house = meter("house", load=load, interval_s=1800, entries=40_000)
    async with Simulation(replace(fleet(house), zone="UTC"), folder=tmp_path) as running:
        line = await utility(running, "house")
        since, until = datetime(2012, 1, 3, tzinfo=UTC), datetime(2012, 1, 6, tzinfo=UTC)
        selection = RangeSelection.between(since, until, ZoneInfo("UTC")).to_bytes()
        columns = await load_profile(line, selection=selection, zone=ZoneInfo("UTC"))
        energy = column(columns, "1.0.1.29.0.255")
        assert energy.values.tolist() == [1_420_000, 910_001, 5_000_000, 39_210_000]
        assert (energy.scaler, energy.unit) == (-4, 30)
        period = axdr.decode_all(await line.do(line.client.get(1, Obis.parse("1.0.0.8.4.255"), 2)))
        assert period.value == 1800


def test_the_real_household_is_served_exactly():
    """The file lies beside the project, see the README of the tests' data; nothing else can stand for it."""
    found = [
        parent / "shared/data/household-electricity-uk.csv.gz"
        for parent in Path(__file__).parents
        if (parent / "shared/data/household-electricity-uk.csv.gz").exists()
    ]
    if not found:
        pytest.skip("the recorded household is not on this machine")
    lines = gzip.decompress(found[0].read_bytes()).decode().splitlines()[1:]
    expected = [int(Decimal(line.split(",")[1]).scaleb(7)) for line in lines]

    async def run():
        load = LoadConfig("replay", file=found[0].name)
        house = meter("house", load=load, interval_s=1800, entries=40_000)
        async with Simulation(replace(fleet(house), zone="UTC"), folder=found[0].parent) as running:
            line = await utility(running, "house")
            columns = await load_profile(line, zone=ZoneInfo("UTC"))
            assert column(columns, "1.0.1.29.0.255").values.tolist() == expected
            assert (np.diff(columns.at_s) == 0).sum() == 24

    simulate(run())


def test_the_process_says_when_it_is_ready_and_tells_the_truth_on_its_control_socket(tmp_path):
    save_fleet(fleet(meter("m"), replace(meter("w", 2, MeterKind.WATER), smart=False)), tmp_path / "fleet.json")
    command = [
        sys.executable,
        "-m",
        "demeter.simulator",
        "--fleet",
        str(tmp_path / "fleet.json"),
        "--until-stdin-closes",
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        ready = json.loads(process.stdout.readline())
        assert ready["ready"]
        assert list(ready["meters"]) == ["m"]
        port = ready["control_port"]
        until_s = int(NOW.timestamp()) // 900 * 900
        truth = ask(port, {"meter": "m", "truth": {"since": until_s - 3600, "until": until_s}})
        assert truth["amounts"] == [250] * 4
        assert truth["end_s"][-1] == until_s
        assert truth["closing"] - truth["opening"] == 1000
        dial = ask(port, {"meter": "w", "dial": START_S + 3600})["index"]
        ask(port, {"meter": "w", "fault": "leak", "litres_per_hour": 60, "since": START_S})
        assert ask(port, {"meter": "w", "dial": START_S + 3600})["index"] == dial + 60
        assert [found["faults"] for found in ask(port, {"meters": True})["meters"]][1][0]["fault"] == "leak"
        process.stdin.close()
        assert process.wait(10) == 0
