"""DLMS pushes without a network: framing, protection in every form, readings, and decoding the kept frame again."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from demeter.drivers.dlms import DlmsPushes, PushDecoder
from demeter.drivers.dlms.pushing.lines import PushConnection
from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.apdu import (
    CONFIRMED,
    AttributeRef,
    DataNotification,
    EventNotification,
    GeneralBlock,
    decode,
)
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.data import Data
from demeter.protocols.dlms.gateway import GatewayFrame, decode_gateway
from demeter.protocols.dlms.hdlc import Address, Control, Frame, Kind, decode_frame
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import (
    Channel,
    CipherMode,
    Counters,
    Form,
    GeneralSigning,
    Header,
    KeyPairs,
    KeyScheme,
    KeySet,
    Protection,
    Suite,
    new_private_key,
    protect,
    public_key,
    sign,
    suite_keys,
    unprotect,
)
from demeter.protocols.dlms.transfer import Outgoing
from demeter.protocols.dlms.wrapper import unwrap_all, wrap
from demeter.sdk import (
    Credentials,
    OpenedPush,
    Pushed,
    PushFault,
    PushFrame,
    PushMeter,
    PushRefusal,
    PushStream,
    ReadFailure,
    ReadingKind,
)

EK, AK, MASTER = b"E" * 16, b"A" * 16, b"M" * 16
TITLE, READER = b"MMM00001", b"DMTHES01"
SECRETS = {"encryption_key": EK, "authentication_key": AK, "master_key": MASTER}
KEYS = suite_keys(EK, AK)
AT = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
STAMP = bytes.fromhex("07ea0b14050f2d0000feb600")  # 15:45 in India: 10:15 UTC
ENERGY, BLOCK_ENERGY, CLOCK = (Obis.parse(text) for text in ("1.0.1.8.0.255", "1.0.1.29.0.255", "0.0.1.0.0.255"))
RECEIVED = datetime(2026, 11, 20, 10, 16, tzinfo=UTC)
PUSHES = DlmsPushes()


def answered(pushed: Pushed, push: OpenedPush, of: PushMeter) -> bytes:
    return asyncio.run(PUSHES.answer(pushed, push, of))


def name(text: Obis | str) -> Data:
    return data.octets((Obis.parse(text) if isinstance(text, str) else text).to_bytes())


def entry(obis: Obis | str, value: Data, *scaler: int) -> Data:
    more = [data.structure(data.i8(scaler[0]), data.enum(scaler[1]))] if scaler else []
    return data.structure(name(obis), value, *more)


BODY = data.array(entry(CLOCK, data.octets(STAMP)), entry(ENERGY, data.u32(1234), 0, 30))
PLAIN = DataNotification(7, axdr.encode(BODY)).encode()


def meter(**options: Any) -> PushMeter:
    more: dict[str, Any] = {key: options.pop(key) for key in ("title", "period_s", "objects") if key in options}
    secrets = options.pop("secrets", SECRETS)
    return PushMeter("DM000001", "10.0.0.9:4059", options, Credentials(secrets), **more)


READ_ONLY_PLAIN = {"mechanism": "none"}


def look(apdu: bytes) -> Pushed:
    return PUSHES.look(PushFrame(wrap(apdu, 1, 16)))


def opened(apdu: bytes, of: PushMeter) -> OpenedPush:
    return PUSHES.open(look(apdu), of, RECEIVED)


def again(push: OpenedPush, secrets: dict[str, bytes] = SECRETS) -> list[tuple[str, list[int], list[int]]]:
    return told(PushDecoder().decode(push.frame, Credentials(secrets)))


def told(series: Any) -> list[tuple[str, list[int], list[int]]]:
    return [(one.reading_type.obis, one.at_s.tolist(), one.values.tolist()) for one in series]


EXPECTED = [("1.0.1.8.0.255", [int(AT.timestamp())], [1234])]


def channel(form: Form, keys: KeySet | None = None) -> Channel:
    return Channel(keys or KeySet(EK, AK, master_key=MASTER), TITLE, READER, Counters(sent=41), form=form)


# Protection


@pytest.mark.parametrize("protection", list(Protection))
def test_general_glo_is_opened_with_the_meters_keys(protection: Protection) -> None:
    word = {0x10: "authenticated", 0x20: "encrypted", 0x30: "authenticated-encrypted"}[protection]
    apdu = protect(KEYS, TITLE, 42, PLAIN, mode=CipherMode.GENERAL_GLO, protection=protection)
    assert (look(apdu).title, look(apdu).protected, look(apdu).names) == (TITLE.hex(), True, ())
    push = opened(apdu, meter(protection=word))
    assert (push.counters, push.confirm) == ((("global", 42),), False)
    assert told(push.series) == again(push) == EXPECTED
    assert EK.hex() not in str(push.frame.context)


def test_an_event_ciphered_by_its_service_is_known_by_its_address_and_keys() -> None:
    event = EventNotification(AttributeRef(1, Obis.parse("0.0.96.11.0.255"), 2), axdr.encode(data.u16(101)), STAMP)
    apdu = protect(KEYS, TITLE, 9, event.encode(), mode=CipherMode.GLO)
    assert apdu[0] == 0xCA
    assert (look(apdu).title, look(apdu).protected) == ("", True)
    assert PUSHES.identity(meter()).hosts == {"10.0.0.9"}
    push = opened(apdu, meter(title=TITLE.hex()))
    assert (push.series, push.counters, again(push)) == ((), (("global", 9),), [])
    with pytest.raises(PushRefusal, match="system title is not known"):
        opened(apdu, meter())


@pytest.mark.parametrize("scheme", [KeyScheme.IDENTIFIED, KeyScheme.WRAPPED])
def test_general_ciphering_is_opened_with_the_key_it_names(scheme: KeyScheme) -> None:
    apdu = channel(Form(CipherMode.GENERAL, scheme=scheme)).seal(PLAIN)
    assert look(apdu).title == TITLE.hex()
    push = opened(apdu, meter())
    fresh = scheme is KeyScheme.WRAPPED
    assert push.counters == ((("transaction", 42),) if fresh else (("global", 43),))
    assert told(push.series) == again(push) == EXPECTED


@pytest.mark.parametrize("suite", [Suite.ONE, Suite.TWO])
@pytest.mark.parametrize("scheme", [KeyScheme.EPHEMERAL, KeyScheme.STATIC])
def test_general_ciphering_with_an_agreed_key_and_signatures(suite: Suite, scheme: KeyScheme) -> None:
    size = suite.key_size
    mine, theirs = ({kind: new_private_key(suite) for kind in ("signing", "agreement")} for _ in "12")
    keys = KeySet(
        b"E" * size,
        b"A" * size,
        suite,
        pairs=KeyPairs(theirs["signing"], theirs["agreement"], peer_agreement=public_key(suite, mine["agreement"])),
    )
    apdu = channel(Form(CipherMode.GENERAL, scheme=scheme, signed=True), keys).seal(PLAIN)
    secrets = {"encryption_key": b"E" * size, "authentication_key": b"A" * size, "agreement_key": mine["agreement"]}
    of = meter(
        secrets=secrets,
        suite=str(int(suite)),
        signed=True,
        meter_signing_key=public_key(suite, theirs["signing"]).hex(),
        meter_agreement_key=public_key(suite, theirs["agreement"]).hex(),
    )
    push = opened(apdu, of)
    assert push.counters == (("transaction", 42),)
    assert told(push.series) == EXPECTED
    other = meter(**{**of.options, "meter_signing_key": public_key(suite, mine["signing"]).hex()}, secrets=secrets)
    with pytest.raises(PushRefusal) as refused:
        opened(apdu, other)
    assert refused.value.fault is PushFault.WRONG_KEY


def signed(content: bytes, transaction: bytes = b"\0" * 7 + b"\5") -> tuple[bytes, str]:
    private = new_private_key(Suite.ONE)
    header = Header(transaction, TITLE, b"")
    apdu = GeneralSigning(header, content, sign(Suite.ONE, private, header.encode() + content)).encode()
    return apdu, public_key(Suite.ONE, private).hex()


def test_a_signature_alone_does_for_a_meter_that_may_push_unciphered_and_its_transaction_tells_a_replay() -> None:
    apdu, public = signed(PLAIN)
    push = opened(apdu, meter(suite="1", push_plain=True, meter_signing_key=public))
    assert (push.counters, told(push.series)) == ((("transaction", 5),), EXPECTED)
    for options, fault in (
        ({"push_plain": False}, PushFault.UNPROTECTED),
        ({"push_plain": True, "meter_signing_key": ""}, PushFault.NOT_CONFIGURED),
    ):
        with pytest.raises(PushRefusal) as refused:
            opened(apdu, meter(**{"suite": "1", "meter_signing_key": public, **options}))
        assert refused.value.fault is fault
    apdu, public = signed(PLAIN, b"")
    with pytest.raises(PushRefusal, match="nothing would tell a replay"):
        opened(apdu, meter(suite="1", push_plain=True, meter_signing_key=public))


def test_signatures_do_not_nest() -> None:
    apdu, _ = signed(PLAIN)
    for _ in range(3000):
        apdu = b"\xdf\0\0\0\0\0\x83" + len(apdu).to_bytes(3, "big") + apdu + b"\0"
    with pytest.raises(PushRefusal) as refused:
        PUSHES.look(PushFrame(b"".join(blocks(apdu, 60_000))))
    assert refused.value.fault is PushFault.NOT_SUPPORTED


@pytest.mark.parametrize("mode", [CipherMode.GENERAL_DED, CipherMode.DED])
def test_dedicated_keys_belong_to_associations(mode: CipherMode) -> None:
    event = EventNotification(AttributeRef(1, ENERGY, 2), axdr.encode(data.u8(1))).encode()
    with pytest.raises(PushRefusal, match="dedicated key") as refused:
        look(protect(KEYS, TITLE, 1, event, mode=mode))
    assert refused.value.fault is PushFault.NOT_SUPPORTED


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"secrets": {**SECRETS, "encryption_key": b"X" * 16}}, PushFault.WRONG_KEY),
        ({"secrets": {}}, PushFault.NOT_CONFIGURED),
        ({"secrets": {**SECRETS, "authentication_key": b"short"}}, PushFault.NOT_CONFIGURED),
        ({"suite": "1"}, PushFault.NOT_SUPPORTED),
        ({"signed": True}, PushFault.UNPROTECTED),
        ({"suite": "9"}, PushFault.NOT_CONFIGURED),
        ({"system_title": "short"}, PushFault.NOT_CONFIGURED),
        ({"client_title": "short"}, PushFault.NOT_CONFIGURED),
        ({"push_objects": {"1.0": []}}, PushFault.NOT_CONFIGURED),
        ({"push_objects": ["3"]}, PushFault.NOT_CONFIGURED),
        ({"push_layout": "nobodys"}, PushFault.NOT_CONFIGURED),
        ({"push_from": "here"}, PushFault.NOT_CONFIGURED),
        ({"push_period_s": -1}, PushFault.NOT_CONFIGURED),
    ],
)
def test_what_does_not_open_says_why(options: dict[str, Any], fault: PushFault) -> None:
    apdu = protect(KEYS, TITLE, 42, PLAIN, mode=CipherMode.GENERAL_GLO)
    with pytest.raises(PushRefusal) as refused:
        opened(apdu, meter(**options))
    assert refused.value.fault is fault


@pytest.mark.parametrize("protection", [Protection.AUTHENTICATED, Protection.ENCRYPTED])
def test_less_protection_than_the_record_demands_is_refused(protection: Protection) -> None:
    apdu = protect(KEYS, TITLE, 42, PLAIN, mode=CipherMode.GENERAL_GLO, protection=protection)
    with pytest.raises(PushRefusal) as refused:
        opened(apdu, meter())
    assert refused.value.fault is PushFault.UNPROTECTED


def test_an_unprotected_push_is_taken_only_where_the_record_does_not_ask_for_more() -> None:
    for of in (meter(**READ_ONLY_PLAIN), meter(push_plain=True), meter(cipher="none", mechanism="lls")):
        push = opened(PLAIN, of)
        assert (push.counters, told(push.series)) == ((), EXPECTED)
        assert again(push, {}) == EXPECTED
    for of in (meter(), meter(mechanism="none", push_plain=False), meter(mechanism="hls-gmac")):
        with pytest.raises(PushRefusal) as refused:
            opened(PLAIN, of)
        assert refused.value.fault is PushFault.UNPROTECTED


def test_a_message_to_somebody_else_is_not_taken() -> None:
    other = Channel(KeySet(EK, AK), TITLE, b"OTHERHES", Counters(), form=Form(CipherMode.GENERAL))
    with pytest.raises(PushRefusal, match="addressed to") as refused:
        opened(other.seal(PLAIN), meter(client_title="DMTHES01"))
    assert refused.value.fault is PushFault.NOT_CONFIGURED
    assert opened(other.seal(PLAIN), meter(client_title="OTHERHES")).series
    assert opened(other.seal(PLAIN), meter()).series  # under the installation's title: whoever may read it may have it


def test_the_keys_a_meter_had_before_open_its_earlier_frames() -> None:
    push = opened(protect(KEYS, TITLE, 1, PLAIN, mode=CipherMode.GENERAL_GLO), meter())
    newer = {**SECRETS, "encryption_key": b"N" * 16}
    assert told(PushDecoder().decode(push.frame, Credentials(newer, earlier=(SECRETS,)))) == EXPECTED
    for secrets in (newer, {}):
        with pytest.raises(ReadFailure):
            again(push, secrets)


# Who it is


def test_an_unprotected_body_says_whose_it_is() -> None:
    body = data.structure(data.octets(b"DM000001"), name("0.0.25.9.0.255"), data.octets(STAMP), data.u32(1))
    assert look(DataNotification(1, axdr.encode(body)).encode()).names == ("DM000001",)
    assert look(PLAIN).names == ()
    behind = GatewayFrame(0, b"METER-7", PLAIN, response=True).to_bytes()
    assert look(behind).names == ("METER-7",)
    assert look(GatewayFrame(0, b"\1\2", PLAIN, response=True).to_bytes()).names == ("0x0102",)


def test_a_meter_is_known_by_its_record_or_by_what_it_told() -> None:
    assert PUSHES.identity(meter(title=TITLE.hex())).titles == {TITLE.hex()}
    assert PUSHES.identity(meter(title=TITLE.hex(), system_title="OTHER001")).titles == {b"OTHER001".hex()}
    found = PUSHES.identity(meter(device_id="D1", push_from="10.0.0.7"))
    assert (found.names, found.hosts, found.trusted) == ({"DM000001", "D1"}, {"10.0.0.9", "10.0.0.7"}, {"10.0.0.7"})


# Readings


def test_registers_become_readings_and_momentary_values_stay_in_the_frame() -> None:
    body = data.array(
        entry(CLOCK, data.octets(STAMP)),
        entry(ENERGY, data.u32(5), 3, 30),
        entry("1.0.1.7.0.255", data.u32(900), 0, 27),
        entry("1.0.2.8.0.255", data.u32(6)),
        entry("1.0.1.8.0.1", data.u32(7), 0, 30),
        entry("8.0.1.0.0.255", data.u32(8), -3, 13),
        entry("1.0.3.8.0.255", data.text("9"), 0, 32),
    )
    push = opened(DataNotification(1, axdr.encode(body)).encode(), meter(**READ_ONLY_PLAIN))
    types = [one.reading_type for one in push.series]
    assert [(t.obis, t.kind, t.unit, t.scaler, t.interval_s) for t in types] == [
        ("1.0.1.8.0.255", ReadingKind.REGISTER, "Wh", 3, 0),
        ("8.0.1.0.0.255", ReadingKind.REGISTER, "L", 0, 0),
    ]


@pytest.mark.parametrize(
    ("clock", "sent", "stamps"),
    [
        (STAMP, b"", [int(AT.timestamp())]),
        (None, STAMP, [int(AT.timestamp())]),  # no clock in the body: that of the notification
        (None, b"", []),
        (None, b"\xff" * 12, []),
        (b"\xff" * 12, STAMP, []),  # a clock that was never set is no reason to take another
        (bytes.fromhex("07ea0b14050f2d00008000ff"), b"", [int(AT.timestamp())]),  # no deviation: the zone's
    ],
)
def test_a_reading_has_the_time_of_its_row_or_none(clock: bytes | None, sent: bytes, stamps: list[int]) -> None:
    clocks = [] if clock is None else [entry(CLOCK, data.octets(clock))]
    body = data.array(*clocks, entry(ENERGY, data.u32(5), 0, 30))
    push = opened(DataNotification(1, axdr.encode(body), sent).encode(), meter(**READ_ONLY_PLAIN, zone="Asia/Kolkata"))
    assert [at for one in push.series for at in one.at_s.tolist()] == stamps
    assert again(push) == told(push.series)


def test_a_doubtful_clock_makes_suspect_readings() -> None:
    doubtful = STAMP[:-1] + b"\x02"
    body = data.array(entry(CLOCK, data.octets(doubtful)), entry(ENERGY, data.u32(5), 0, 30))
    push = opened(DataNotification(1, axdr.encode(body)).encode(), meter(**READ_ONLY_PLAIN))
    (sure,) = opened(PLAIN, meter(**READ_ONLY_PLAIN)).series
    assert push.series[0].quality.tolist() != sure.quality.tolist()


INDIAN = {
    "0.5.25.9.0.255": ["1 0.0.96.1.2.255 2", "40 0.5.25.9.0.255 1", "8 0.0.1.0.0.255 2", "7 1.0.99.1.0.255 2"],
    "1.0.99.1.0.255": ["8 0.0.1.0.0.255 2", "3 1.0.1.29.0.255 2 0 30", "3 1.0.1.8.0.255 2 0 30"],
}


def survey() -> bytes:
    rows = [data.structure(data.octets(stamp_of(15 * n)), data.u32(100 + n), data.u32(9000 + n)) for n in range(3)]
    body = data.structure(data.octets(b"DM000001"), name("0.5.25.9.0.255"), data.octets(STAMP), data.array(*rows))
    return DataNotification(1, axdr.encode(body)).encode()


def stamp_of(minutes: int) -> bytes:
    return CosemDateTime(2026, 11, 20, 5, 15 + minutes // 60, minutes % 60, 0, 0, -330, 0).to_bytes()


@pytest.mark.parametrize("period_s", [900, None])
def test_rows_of_a_load_profile_are_interval_readings_where_the_period_is_known(period_s: int | None) -> None:
    of = meter(**READ_ONLY_PLAIN, objects=INDIAN, period_s=period_s)
    push = opened(survey(), of)
    found = [(one.reading_type.obis, one.reading_type.interval_s, one.values.tolist()) for one in push.series]
    assert found == (
        []
        if period_s is None
        else [("1.0.1.29.0.255", 900, [100, 101, 102]), ("1.0.1.8.0.255", 900, [9000, 9001, 9002])]
    )
    assert again(push) == told(push.series)
    assert told(opened(survey(), meter(**READ_ONLY_PLAIN, push_objects=INDIAN, push_period_s=900)).series) == told(
        opened(survey(), meter(**READ_ONLY_PLAIN, objects=INDIAN, period_s=900)).series
    )


def test_units_that_a_body_leaves_out_come_from_what_was_read_of_the_meter_and_are_kept_with_the_frame() -> None:
    body = data.structure(name(CLOCK), data.octets(STAMP), name(ENERGY), data.u32(5))
    apdu = DataNotification(1, axdr.encode(body)).encode()
    assert opened(apdu, meter(**READ_ONLY_PLAIN)).series == ()
    push = opened(apdu, meter(**READ_ONLY_PLAIN, objects={"0.1.25.9.0.255": ["3 1.0.1.8.0.255 2 3 30"]}))
    assert [(one.reading_type.unit, one.reading_type.scaler) for one in push.series] == [("Wh", 3)]
    assert again(push) == told(push.series)


def test_a_body_that_nobody_understands_is_kept_without_readings() -> None:
    push = opened(DataNotification(1, axdr.encode(data.structure(data.u32(1)))).encode(), meter(**READ_ONLY_PLAIN))
    assert (push.series, again(push)) == ((), [])
    asked = meter(**READ_ONLY_PLAIN, push_layout="han-kaifa")
    assert (
        "layout" in opened(DataNotification(1, axdr.encode(data.structure(data.u32(1)))).encode(), asked).frame.context
    )


@pytest.mark.parametrize("context", [{}, {"form": "plain", "layout": "x"}, {"form": "plain", "layout": "pushes/pairs"}])
def test_an_altered_context_is_a_failure_with_a_reason(context: dict[str, object]) -> None:
    push = opened(PLAIN, meter(**READ_ONLY_PLAIN))
    frame = type(push.frame)(push.frame.codec, push.frame.payload, RECEIVED, context)
    with pytest.raises(ReadFailure):
        PushDecoder().decode(frame, Credentials({}))


# Lines


def blocks(apdu: bytes, size: int) -> list[bytes]:
    outgoing = Outgoing(apdu, size)
    return [wrap(block.encode(), 1, 16) for block in outgoing.burst(outgoing.count, 0, 1)]


def frames_of(stream: PushStream, octets: bytes, step: int) -> list[PushFrame]:
    return [frame for at in range(0, len(octets), step) for frame in stream.feed(octets[at : at + step])]


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_messages_come_in_wrapper_frames_in_blocks_and_in_hdlc_frames(step: int) -> None:
    wrapped = wrap(PLAIN, 1, 16)
    assert [f.payload for f in frames_of(PushConnection(), wrapped * 3, step)] == [wrapped] * 3
    in_blocks = b"".join(blocks(PLAIN, 20))
    (frame,) = frames_of(PushConnection(), in_blocks, step)
    assert frame.payload == in_blocks
    assert told(opened_frame(frame).series) == EXPECTED
    control = Control(Kind.UNNUMBERED_INFORMATION, final=False)
    hdlc = Frame(Address(16), Address(1, 17, 2), control, b"\xe6\xe7\x00" + PLAIN).to_bytes()
    found = frames_of(PushConnection(), b"\x7e" + hdlc + b"noise" + hdlc, step)
    assert [f.payload for f in found] == [wrap(PLAIN, 1, 16)] * 2
    answer = answered(PUSHES.look(found[0]), opened_frame(found[0]), meter(**READ_ONLY_PLAIN))
    back = decode_frame(answer)
    assert (back.destination, back.source) == (Address(1, 17, 2), Address(16))
    assert back.information == b"\xe6\xe6\x00" + DataNotification(7, b"").confirmation().encode()


def opened_frame(frame: PushFrame) -> OpenedPush:
    return PUSHES.open(PUSHES.look(frame), meter(**READ_ONLY_PLAIN), RECEIVED)


def test_blocks_that_wait_for_an_acknowledgement_get_one() -> None:
    outgoing = Outgoing(PLAIN, 20)
    stream, frames, rounds = PushConnection(), [], 0
    while not frames:
        rounds += 1
        (block,) = outgoing.burst(1, 0, 1)
        frames = stream.feed(wrap(block.encode(), 1, 16))
        for answer in unwrap_all(stream.replies()) if not frames else ():
            assert (answer.source, answer.destination) == (16, 1)
            acknowledged = decode(answer.apdu)
            assert isinstance(acknowledged, GeneralBlock)
            assert outgoing.acknowledge(acknowledged.ack)
    assert rounds == outgoing.count > 2
    assert told(opened_frame(frames[0]).series) == EXPECTED


def test_a_datagram_may_hold_a_bare_apdu_or_several_frames() -> None:
    assert len(PUSHES.datagram(wrap(PLAIN, 1, 16) * 2)) == 2
    (bare,) = PUSHES.datagram(PLAIN)
    push = opened_frame(bare)
    assert told(push.series) == EXPECTED
    confirmed = DataNotification(CONFIRMED | 9, axdr.encode(BODY))
    (bare,) = PUSHES.datagram(confirmed.encode())
    answer = answered(PUSHES.look(bare), opened_frame(bare), meter(**READ_ONLY_PLAIN))
    assert answer == confirmed.confirmation().encode()
    for octets in (b"", b"\0", wrap(PLAIN, 1, 16)[:-1], b"\x7e\xa0", b"\0\1\0\0\0\0\0\0"):
        with pytest.raises(PushRefusal) as refused:
            PUSHES.datagram(octets)
        assert refused.value.fault is PushFault.GARBLED


def test_an_answer_goes_back_the_way_the_message_came() -> None:
    sent = DataNotification(CONFIRMED | 9, axdr.encode(BODY))
    apdu = protect(KEYS, TITLE, 42, sent.encode(), mode=CipherMode.GENERAL_GLO)
    behind = GatewayFrame(3, b"M7", apdu, response=True).to_bytes()
    (frame,) = PushConnection().feed(wrap(behind, 7, 102))
    pushed = PUSHES.look(frame)
    push = PUSHES.open(pushed, meter(), RECEIVED)
    assert push.confirm
    of = meter(client_title="DMTHES01", counter_at_least=70)
    (answer,) = unwrap_all(answered(pushed, push, of))
    assert (answer.source, answer.destination) == (102, 7)
    inner = decode_gateway(answer.apdu)
    assert (inner.network, inner.address, inner.response) == (3, b"M7", False)
    found = unprotect(KEYS, b"DMTHES01", inner.apdu)
    assert (found.counter, found.plaintext) == (70, sent.confirmation().encode())
    (next_one,) = unwrap_all(answered(pushed, push, of))
    assert unprotect(KEYS, b"DMTHES01", decode_gateway(next_one.apdu).apdu).counter == 71


# Robustness


def attempt(octets: bytes) -> None:
    """Take octets as a listener does; whatever they are, the end is a typed refusal or a message."""
    frames: list[PushFrame] = []
    for reading in (PUSHES.datagram, PushConnection().feed):
        with suppress(PushRefusal):
            frames += reading(octets)
    for frame in frames:
        refusal = handled(frame)
        if refusal is not None and refusal.offset is not None:
            assert 0 <= refusal.offset <= len(frame.payload)


def handled(frame: PushFrame) -> PushRefusal | None:
    of = meter(push_plain=True)
    try:
        pushed = PUSHES.look(frame)
        push = PUSHES.open(pushed, of, RECEIVED)
        if push.confirm:
            with suppress(StopIteration):  # nothing in memory is waited for
                PUSHES.answer(pushed, push, of).send(None)
    except PushRefusal as refusal:
        return refusal
    assert again(push) == told(push.series)
    return None


def test_cut_and_altered_messages_are_typed_refusals_soon() -> None:
    rng = random.Random(4059)
    sent = DataNotification(CONFIRMED | 9, axdr.encode(BODY), STAMP).encode()
    apdus = [
        sent,
        survey(),
        protect(KEYS, TITLE, 42, sent, mode=CipherMode.GENERAL_GLO),
        channel(Form(CipherMode.GENERAL)).seal(sent),
        channel(Form(CipherMode.GENERAL, scheme=KeyScheme.WRAPPED)).seal(sent),
        signed(sent)[0],
        GatewayFrame(0, b"M7", sent, response=True).to_bytes(),
    ]
    seeds = [*apdus, *(wrap(apdu, 1, 16) for apdu in apdus), b"".join(blocks(sent, 20))]
    altered = [seed[:cut] for seed in seeds for cut in range(0, len(seed), 3)]
    for n in range(3000):
        octets = bytearray(seeds[n % len(seeds)])
        for _ in range(rng.randint(1, 4)):
            octets[rng.randrange(len(octets))] = rng.randrange(256)
        altered.append(bytes(octets))
    started = time.process_time()
    for octets in altered:
        attempt(octets)
    assert (time.process_time() - started) / len(altered) < 0.01
