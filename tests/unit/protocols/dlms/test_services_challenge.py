"""HLS-GMAC seen from a meter or client that does one thing wrong, and blocks out of their order."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.acse import AssociationRequest, AssociationResponse, Mechanism, decode_acse
from demeter.protocols.dlms.apdu import ActionRequest, ActionResponse, ActionResult, GetBlock, MethodRef, decode
from demeter.protocols.dlms.client import CipherMode, Client, ClientSettings
from demeter.protocols.dlms.errors import DataAccessResult, Malformed, Refused, Replayed, TagCheckFailed, Truncated
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.replay import open_get_list_response, open_get_response
from demeter.protocols.dlms.security import Counters, protect, suite_keys, unprotect
from demeter.protocols.dlms.server import Association, ServerSession, ServerSettings
from demeter.protocols.dlms.wrapper import wrap

EK, AK, METER, READER = bytes(range(16)), bytes(range(16, 32)), b"MMM00001", b"DEM00001"
KEYS = suite_keys(EK, AK)
PROFILE = Obis(1, 0, 99, 1, 0, 255)
VALUE = axdr.encode(data.octets(bytes(range(250))))
PROOF = MethodRef(15, Obis(0, 0, 40, 0, 0, 255), 1)


class OneValue:
    """Any attribute of any object has the same long value."""

    def get(self, _who: Association, _class: int, _obis: Obis, _attribute: int, _selection: bytes | None) -> bytes:
        return VALUE

    def set(self, _who: Association, _class: int, _obis: Obis, _attribute: int, _value: bytes) -> None:
        raise Refused(DataAccessResult.READ_WRITE_DENIED)

    def action(self, _who: Association, _class: int, _obis: Obis, _method: int, _parameter: bytes | None) -> None:
        raise Refused(DataAccessResult.READ_WRITE_DENIED)


def meter() -> ServerSession:
    return ServerSession(OneValue(), ServerSettings(METER, EK, AK, b"password"), Counters(0, 0))


def at_the_challenge() -> tuple[ServerSession, Generator[bytes, bytes, None], AssociationResponse, bytes, bytes]:
    """Both passes of the AARQ done: session, exchange, the meter's answer, the client's challenge, its proof."""
    session = meter()
    client = Client(ClientSettings(48, 1, Mechanism.HLS_GMAC, b"", READER, EK, AK, 1, CipherMode.GLO))
    exchange = client.associate()
    request = next(exchange)
    asked, raw = decode_acse(request), session.receive(48, request)
    answer = decode_acse(raw)
    assert isinstance(answer, AssociationResponse)
    assert isinstance(asked, AssociationRequest)
    return session, exchange, answer, asked.authentication or b"", exchange.send(raw)


def sealed_proof(counter: int, proof: bytes) -> bytes:
    request = ActionRequest(0xC1, PROOF, axdr.encode(data.octets(proof)))
    return protect(KEYS, READER, counter, request.encode())


def result_of(answer: bytes) -> ActionResult:
    response = decode(unprotect(KEYS, METER, answer).plaintext)
    assert isinstance(response, ActionResponse)
    return response.result


def sealed_answer(invoke_of: bytes, proof: data.Data, counter: int = 99) -> bytes:
    """The meter's answer to the client's proof, made by hand."""
    invoke = unprotect(KEYS, READER, invoke_of).plaintext[2]
    answer = ActionResponse(invoke, ActionResult.SUCCESS, axdr.encode(proof))
    return protect(KEYS, METER, counter, answer.encode())


def test_a_proof_with_a_fresh_counter_is_accepted_once() -> None:
    session, _exchange, answer, _challenge, _proof = at_the_challenge()
    assert answer.authentication is not None
    right = sealed_proof(11, KEYS.gmac(READER, 10, answer.authentication))
    assert result_of(session.receive(48, right)) is ActionResult.SUCCESS
    assert session.receive(48, right)[:3] == b"\xd8\x01\x06"


def test_a_proof_under_a_counter_already_used_is_not_accepted() -> None:
    session, _exchange, answer, _challenge, _proof = at_the_challenge()
    assert answer.authentication is not None
    old = sealed_proof(11, KEYS.gmac(READER, 1, answer.authentication))
    assert result_of(session.receive(48, old)) is ActionResult.OTHER_REASON
    assert session.receive(48, sealed_proof(13, bytes(17)))[:3] == b"\xd8\x01\x01"


@pytest.mark.parametrize("parameter", [data.u8(1), data.octets(b""), data.octets(bytes(17))])
def test_a_proof_that_is_none_is_not_accepted(parameter: data.Data) -> None:
    session, *_ = at_the_challenge()
    request = ActionRequest(0xC1, PROOF, axdr.encode(parameter)).encode()
    assert result_of(session.receive(48, protect(KEYS, READER, 11, request))) is ActionResult.OTHER_REASON


def test_a_meter_that_answers_another_challenge_has_other_keys() -> None:
    _session, exchange, _answer, _challenge, proof = at_the_challenge()
    with pytest.raises(TagCheckFailed):
        exchange.send(sealed_answer(proof, data.octets(KEYS.gmac(METER, 98, bytes(16)))))


def test_a_meter_that_answers_under_a_counter_already_seen_is_refused() -> None:
    _session, exchange, _answer, challenge, proof = at_the_challenge()
    with pytest.raises(Replayed):
        exchange.send(sealed_answer(proof, data.octets(KEYS.gmac(METER, 1, challenge))))


def test_a_meter_that_answers_with_something_else_is_malformed() -> None:
    _session, exchange, _answer, _challenge, proof = at_the_challenge()
    with pytest.raises(Malformed):
        exchange.send(sealed_answer(proof, data.u8(1)))


def reader(session: ServerSession) -> Client:
    """A plain association with APDUs so short that the value comes in several blocks."""
    client = Client(ClientSettings(32, 1, Mechanism.LLS, b"password", max_pdu=100))
    exchange = client.associate()
    with pytest.raises(StopIteration):
        exchange.send(session.receive(32, next(exchange)))
    return client


def test_a_new_read_ends_the_blocks_of_the_one_before() -> None:
    session = meter()
    client = reader(session)
    first = client.get(7, PROFILE, 2)
    following = first.send(session.receive(32, next(first)))
    session.receive(32, next(client.set(7, PROFILE, 2, axdr.encode(data.u8(1)))))
    with pytest.raises(Refused) as caught:
        first.send(session.receive(32, following))
    assert caught.value.result is DataAccessResult.NO_LONG_GET_IN_PROGRESS


def test_a_block_out_of_its_order_is_malformed() -> None:
    session = meter()
    exchange = reader(session).get(7, PROFILE, 2)
    answer = session.receive(32, next(exchange))
    with pytest.raises(Malformed, match="was due"):
        exchange.send(answer[:7] + b"\x02" + answer[8:])


def test_a_protected_answer_is_not_taken_in_a_plain_association() -> None:
    session = meter()
    exchange = reader(session).get(7, PROFILE, 2)
    next(exchange)
    with pytest.raises(Malformed, match="unprotected association"):
        exchange.send(protect(KEYS, METER, 1, bytes.fromhex("c401c1000600000001")))


BLOCKS = [GetBlock(0xC1, last=n == 3, number=n, result=bytes((n,)) * 5) for n in (1, 2, 3)]


def recorded(blocks: list[GetBlock]) -> bytes:
    return b"".join(wrap(block.encode(), 1, 32) for block in blocks)


def test_recorded_blocks_are_joined_in_their_order_only() -> None:
    one, two, three = BLOCKS
    assert open_get_response(recorded(BLOCKS)) == b"\x01" * 5 + b"\x02" * 5 + b"\x03" * 5
    for blocks in ([one, three], [two, three], [two, one, three], [one, two, three, three], [one, one, two, three]):
        with pytest.raises(Malformed):
            open_get_response(recorded(blocks))
    for blocks in ([], [one], [one, two]):
        with pytest.raises(Truncated):
            open_get_response(recorded(blocks))


def test_recorded_refusals_are_refused_again() -> None:
    stopped = GetBlock(0xC1, last=True, number=2, result=DataAccessResult.LONG_GET_ABORTED)
    for frames in (recorded([BLOCKS[0], stopped]), wrap(bytes.fromhex("c401c1010f"), 1, 32)):
        for opening in (open_get_response, open_get_list_response):
            with pytest.raises(Refused) as caught:
                opening(frames)
            assert caught.value.result is DataAccessResult.LONG_GET_ABORTED


def test_recorded_frames_of_another_service_are_malformed() -> None:
    for octets in ("c501c100", "d80101", "c001c1000800000100 00ff0200"):
        with pytest.raises(Malformed):
            open_get_response(wrap(bytes.fromhex(octets), 1, 32))


def test_recorded_ciphered_frames_need_the_keys() -> None:
    sealed = wrap(protect(KEYS, METER, 5, bytes.fromhex("c401c1000600000001"), mode=CipherMode.GENERAL_GLO), 1, 48)
    assert open_get_response(sealed, EK, AK) == bytes.fromhex("0600000001")
    for keys in ((), (bytes(16), AK), (EK, bytes(16)), (EK, AK, READER)):
        with pytest.raises(TagCheckFailed):
            open_get_response(sealed, *keys)
