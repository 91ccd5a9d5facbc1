"""The driver reads simulated meters over TCP in suites 0, 1 and 2, with every mechanism and form of ciphering."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from demeter.drivers.dlms import DlmsDriver, ProfileDecoder
from demeter.protocols.dlms.security import Suite, new_private_key, public_key
from demeter.sdk import Collected, Credentials, Endpoint, FailureKind, Profile, ReadFailure
from demeter.simulator import (
    FleetConfig,
    LoadConfig,
    MeterConfig,
    MeterKind,
    SecurityConfig,
    Simulation,
    fleet_from_record,
    fleet_record,
)

UNTIL = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
SECRET = "sixteen octets!!"
SIGNING = {suite: (new_private_key(suite), new_private_key(suite)) for suite in (Suite.ONE, Suite.TWO)}
MECHANISMS = ["hls", "hls-md5", "hls-sha1", "hls-gmac", "hls-sha256", "hls-ecdsa"]
CIPHERS = ["glo", "general-glo", "ded", "general-ded", "general-ciphering"]


def place(
    suite: int, mechanism: str = "hls-gmac", **options: object
) -> tuple[MeterConfig, dict[str, object], dict[str, bytes]]:
    """A meter, and the options and secrets it is read with."""
    size = Suite(suite).key_size
    secrets = {"encryption_key": bytes(range(size)), "authentication_key": bytes(range(size, 2 * size))}
    secrets["password"] = SECRET.encode()
    keys = {"hls_secret": SECRET}
    if suite:
        meter, head_end = SIGNING[Suite(suite)]
        secrets["signing_key"] = head_end
        options["meter_signing_key"] = public_key(Suite(suite), meter).hex()
        keys |= {"signing_key": meter.hex(), "client_signing_key": public_key(Suite(suite), head_end).hex()}
    known = {name: options[name] for name in ("protection", "signed") if name in options}
    config = MeterConfig(
        "m",
        "DM1",
        MeterKind.SINGLE_PHASE,
        load=LoadConfig("steady", per_hour=1000),
        system_title=b"DMT00001".hex(),
        encryption_key=secrets["encryption_key"].hex(),
        authentication_key=secrets["authentication_key"].hex(),
        password="read me",
        security=SecurityConfig(suite=suite, mechanism=mechanism, plain=True, **known, **keys),  # type: ignore[arg-type]
    )
    return config, {"suite": suite, "mechanism": mechanism, "zone": "Asia/Kolkata", **options}, secrets


def read(config: MeterConfig, options: dict[str, object], secrets: dict[str, bytes]) -> list[Collected]:
    async def story() -> list[Collected]:
        fleet = FleetConfig("Asia/Kolkata", int((UNTIL - timedelta(days=3)).timestamp()), (config,))
        async with Simulation(fleet_from_record(fleet_record(fleet))) as running:
            address = running.addresses["m"]
            endpoint = Endpoint(f"{address.host}:{address.port}", options)
            session = await DlmsDriver().open(endpoint, Credentials(secrets))
            try:
                return await session.read_profile(Profile.BLOCK, UNTIL - timedelta(days=1), UNTIL)
            finally:
                await session.close()

    return asyncio.run(story())


def whole_and_decoded_again(answers: list[Collected], secrets: dict[str, bytes]) -> None:
    assert sum(answer.rows for answer in answers) == 96
    for answer in answers:
        again = ProfileDecoder().decode(answer.frame, Credentials(secrets))
        assert [series.values.tobytes() for series in again] == [series.values.tobytes() for series in answer.series]
        assert secrets["encryption_key"].hex() not in str(answer.frame.context)


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("suite", [0, 1, 2])
def test_every_form_of_ciphering_reads_a_day_and_the_frames_open_again(suite: int, cipher: str) -> None:
    config, options, secrets = place(suite, cipher=cipher)
    whole_and_decoded_again(read(config, options, secrets), secrets)


@pytest.mark.parametrize(
    ("suite", "mechanism"), [(s, m) for s in (0, 1, 2) for m in MECHANISMS if s or m != "hls-ecdsa"]
)
def test_every_mechanism_reads_a_day(suite: int, mechanism: str) -> None:
    config, options, secrets = place(suite, mechanism, cipher="none" if mechanism == "hls-md5" else "glo")
    assert sum(answer.rows for answer in read(config, options, secrets)) == 96


@pytest.mark.parametrize("protection", ["authenticated", "encrypted"])
@pytest.mark.parametrize("signed", [False, True])
def test_other_policies_and_signatures_read_a_day(protection: str, signed: bool) -> None:
    config, options, secrets = place(1, protection=protection, signed=signed, max_pdu=2000)
    whole_and_decoded_again(read(config, options, secrets), secrets)


@pytest.mark.parametrize("mechanism", ["hls-sha256", "hls-ecdsa"])
def test_a_wrong_secret_is_told_as_a_wrong_key(mechanism: str) -> None:
    config, options, secrets = place(1, mechanism)
    wrong = secrets | {"password": b"another secret!!", "signing_key": new_private_key(Suite.ONE)}
    with pytest.raises(ReadFailure) as caught:
        read(config, options, wrong)
    assert caught.value.kind is FailureKind.WRONG_KEY


def test_an_unknown_mechanism_of_a_simulated_meter_is_refused() -> None:
    config, _, _ = place(0)
    record = fleet_record(FleetConfig("UTC", 0, (config,)))
    assert fleet_from_record(record).meters[0] == config
    assert "security" in record["meters"][0]
