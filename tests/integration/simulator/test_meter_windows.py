"""Several blocks and several frames without waiting for each other: windows over real sockets."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from demeter.drivers.dlms import DlmsDriver
from demeter.kernel import FixedClock
from demeter.protocols.dlms.acse import Conformance, Mechanism
from demeter.protocols.dlms.association import PROPOSED
from demeter.protocols.dlms.classes.commands import image
from demeter.protocols.dlms.client import ClientSettings
from demeter.protocols.dlms.hdlc import Address, Control, Frame, Kind, LinkParameters, decode_parameters
from demeter.sdk import Credentials, Endpoint, Profile
from demeter.simulator import Fault, FaultKind, LoadConfig, Simulation, Transport
from tests.integration.simulator.meter_lines import (
    carry_out,
    column,
    connect,
    fleet,
    load_profile,
    meter,
    simulated,
    utility,
    value,
)

NOON = datetime(2026, 11, 18, 6, 30, tzinfo=UTC)
START_S = int((NOON - timedelta(days=3)).timestamp())
ROWS = 3 * 96
BLOCKS_ONLY = PROPOSED & ~(
    Conformance.BLOCK_TRANSFER_WITH_GET | Conformance.BLOCK_TRANSFER_WITH_SET | Conformance.BLOCK_TRANSFER_WITH_ACTION
)


def history(*meters):
    return replace(fleet(*meters), history_start_s=START_S)


@pytest.mark.parametrize("window", [1, 2, 7, 63])
@simulated
async def test_a_profile_comes_in_windows_of_general_blocks(window):
    async with Simulation(history(meter("m")), FixedClock(NOON)) as running:
        line = await utility(running, "m", window=window, max_pdu=300, conformance=BLOCKS_ONLY)
        before = line.sent
        columns = await load_profile(line)
        assert column(columns, "1.0.1.29.0.255").values.tolist() == [250] * ROWS
        blocks, asked = line.answered, line.sent - before
        assert blocks > 40
        if window > 1:
            assert asked < blocks // min(window, 20) + 40, "the meter sends a window for each acknowledgement"
        await line.do(line.client.release())


@simulated
async def test_requests_come_in_windows_too():
    async with Simulation(history(meter("m", image_block_size=4000)), FixedClock(NOON)) as running:
        line = await utility(running, "m", window=5, conformance=BLOCKS_ONLY)
        octets = bytes(range(256)) * 40
        await carry_out(line, image.enable(), image.initiate(b"fw2", len(octets)), *image.blocks(octets, 4000))
        assert await value(line, 18, "0.0.44.0.0.255", 4) == 3, "no block is missing"
        assert await value(line, 8, "0.0.1.0.0.255"), "the association goes on"


@simulated
async def test_clients_with_other_windows_share_a_meter():
    async with Simulation(history(meter("m")), FixedClock(NOON)) as running:
        lines = [await utility(running, "m", window=4, max_pdu=400, conformance=BLOCKS_ONLY)]
        reader = ClientSettings(client_sap=32, mechanism=Mechanism.LLS, password=b"read me", max_pdu=300)
        lines.append(await connect(running.addresses["m"], reader))
        await lines[1].do(lines[1].client.associate())
        found = await asyncio.gather(*(load_profile(line) for line in lines))
        assert [len(columns) for columns in found] == [ROWS, ROWS]


@simulated
async def test_slow_answers_keep_their_order_within_a_window():
    config = meter("m", faults=(Fault(FaultKind.SLOW, delay_ms=5),))
    async with Simulation(history(config), FixedClock(NOON)) as running:
        line = await utility(running, "m", window=8, max_pdu=300, conformance=BLOCKS_ONLY)
        assert len(await load_profile(line)) == ROWS


@pytest.mark.parametrize("window", [1, 3, 7])
@pytest.mark.parametrize("size", [128, 2030])
@simulated
async def test_a_meter_takes_the_hdlc_window_and_frame_it_can(window, size):
    config = meter("m", transport=Transport.HDLC, hdlc_window=window, hdlc_frame=size)
    async with Simulation(history(config), FixedClock(NOON)) as running:
        place = running.addresses["m"]
        reader, writer = await asyncio.open_connection(place.host, place.port)
        asked = LinkParameters(1024, 1024, 5, 5).to_bytes()
        command = Control(Kind.SET_NORMAL_RESPONSE_MODE)
        writer.write(Frame(Address(1), Address(16), command, asked).to_bytes())
        answer = await asyncio.wait_for(reader.read(200), 2)
        agreed = decode_parameters(answer[answer.index(b"\x81\x80") : -3])
        assert agreed.transmit_window == min(window, 5)
        assert agreed.transmit_size == min(size, 1024)
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(("window", "size"), [(1, 128), (3, 128), (7, 256), (7, 2030)])
@simulated
async def test_a_profile_is_read_over_hdlc_windows(window, size):
    config = replace(
        meter("m", load=LoadConfig("steady", per_hour=400)),
        transport=Transport.HDLC,
        hdlc_window=window,
        hdlc_frame=size,
        server_sap=1,
    )
    async with Simulation(history(config), FixedClock(NOON)) as running:
        place = running.addresses["m"]
        secrets = {
            "encryption_key": bytes.fromhex(config.encryption_key),
            "authentication_key": bytes.fromhex(config.authentication_key),
        }
        options = {"transport": "hdlc", "zone": "Asia/Kolkata", "answer_s": 5}
        session = await DlmsDriver(FixedClock(NOON)).open(
            Endpoint(f"{place.host}:{place.port}", options), Credentials(secrets)
        )
        try:
            answers = await session.read_profile(Profile.BLOCK, NOON - timedelta(days=3), NOON + timedelta(seconds=1))
        finally:
            await session.close()
    stamps = [int(at) for answer in answers for at in answer.series[0].at_s]
    assert len(stamps) == ROWS
