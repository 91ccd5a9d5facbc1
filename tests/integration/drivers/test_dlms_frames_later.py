"""Journal frames decoded years later: after the meter's keys changed, or somebody changed the frame."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from demeter import estate, identity
from demeter.app.proof import keys_of_meters
from demeter.drivers.dlms import DlmsDriver, ProfileDecoder
from demeter.drivers.dlms.options import PROTECTIONS
from demeter.kernel import Commodity
from demeter.runtime.database import Database, Scope
from demeter.runtime.secrets import MasterKey, SecretBox
from demeter.sdk import Credentials, Endpoint, FailureKind, Frame, Profile, ReadFailure
from tests.integration.drivers.peer import KEYS, electricity_meter, listening

UNTIL = datetime(2026, 3, 10, 6, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def frame() -> Frame:
    async def read() -> Frame:
        async with listening(electricity_meter(UNTIL, 8)) as address:
            endpoint = Endpoint(address, {"zone": "Asia/Kolkata", "answer_s": 2})
            session = await DlmsDriver().open(endpoint, Credentials(KEYS))
            try:
                (answer,) = await session.read_profile(Profile.BLOCK, UNTIL - timedelta(hours=2), UNTIL)
            finally:
                await session.close()
            return answer.frame

    return asyncio.run(read())


def test_a_frame_opens_with_the_keys_the_meter_had_then(database: Database, frame: Frame) -> None:
    expected = ProfileDecoder().decode(frame, Credentials(KEYS))[0].values.tolist()
    box = SecretBox(MasterKey(b"k" * 32))
    scope = Scope.system(identity.create_organization(database, "One"), "test")
    with database.unit_of_work(scope) as work:
        site = estate.create_site(work, "Palm Court", "Asia/Kolkata")
        plan = estate.MeterPlan("PEER-1", Commodity.ELECTRICITY, "dlms", UNTIL)
        meter_id = estate.create_meter(work, site, plan)
        for version, name in enumerate(("encryption_key", "authentication_key", "encryption_key")):
            if version == 0:
                for each, value in KEYS.items():
                    box.seal(work, f"meter:{meter_id}", each, value)
            box.seal(work, f"meter:{meter_id}", name, bytes([version] * 16))
            credentials = keys_of_meters(box, work)(scope.organization_id, meter_id)
            assert credentials.secrets[name] == bytes([version] * 16)
            assert ProfileDecoder().decode(frame, credentials)[0].values.tolist() == expected, name
        assert "earlier" not in repr(credentials)


@pytest.mark.parametrize(
    "lost", ["zone", "cipher", "system_title", "captures", "scalers", "profile", "obis", "capture_period_s"]
)
@pytest.mark.parametrize("by", ["removed", None, "Nowhere/Never", 7, [1]])
def test_a_context_somebody_changed_is_refused_in_words(frame: Frame, lost: str, by: object) -> None:
    context = {**frame.context, lost: by}
    if by == "removed":
        del context[lost]
    if (lost, by) == ("capture_period_s", 7):
        return  # a number as good as any: the chain's hash tells
    with pytest.raises(ReadFailure):
        ProfileDecoder().decode(replace(frame, context=context), Credentials(KEYS))


def test_without_its_keys_a_frame_says_which_are_missing(frame: Frame) -> None:
    with pytest.raises(ReadFailure, match="encryption_key and authentication_key") as refused:
        ProfileDecoder().decode(frame, Credentials({}))
    assert refused.value.kind is FailureKind.NOT_CONFIGURED


@pytest.mark.parametrize(
    "now",
    [{"encryption_key": b"n" * 16}, {"encryption_key": b"n" * 32, "authentication_key": b"a" * 32}, {}],
    ids=["another key", "another suite's", "none"],
)
@pytest.mark.parametrize("protection", ["authenticated-encrypted", "encrypted"])
def test_a_frame_opens_with_former_keys_whatever_the_present_ones_make_of_it(
    now: dict[str, bytes], protection: str
) -> None:
    """Without a tag a wrong key gives nonsense, a key of another size nothing at all."""

    async def read() -> Frame:
        meter = electricity_meter(UNTIL, 8, protection=PROTECTIONS[protection])
        async with listening(meter) as address:
            endpoint = Endpoint(address, {"zone": "Asia/Kolkata", "protection": protection, "answer_s": 2})
            session = await DlmsDriver().open(endpoint, Credentials(KEYS))
            (answer,) = await session.read_profile(Profile.BLOCK, UNTIL - timedelta(hours=2), UNTIL)
            await session.close()
            return answer.frame

    frame = asyncio.run(read())
    present = {**KEYS, **now} if now else {}
    expected = ProfileDecoder().decode(frame, Credentials(KEYS))[0].values.tolist()
    for number in range(5):  # what a wrong key makes of it is chance
        wrong = {**present, **({"encryption_key": bytes([number]) * len(now["encryption_key"])} if now else {})}
        later = Credentials(wrong, earlier=({**KEYS, "encryption_key": b"o" * 16}, KEYS))
        assert ProfileDecoder().decode(frame, later)[0].values.tolist() == expected
        with pytest.raises(ReadFailure):
            ProfileDecoder().decode(frame, Credentials(wrong))
