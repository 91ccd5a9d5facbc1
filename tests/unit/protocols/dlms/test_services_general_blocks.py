"""General block transfer: windows of any size both ways, blocks lost, doubled and out of order, bounded and typed."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demeter.protocols.dlms import apdu, axdr, data
from demeter.protocols.dlms.acse import Conformance, Mechanism
from demeter.protocols.dlms.apdu import AttributeRef, GeneralBlock
from demeter.protocols.dlms.client import WAIT, CipherMode, Client, ClientSettings, Quiet
from demeter.protocols.dlms.errors import (
    DataAccessResult,
    Malformed,
    Refused,
    Replayed,
    ServiceError,
    Truncated,
    Unsupported,
)
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.replay import open_get_response
from demeter.protocols.dlms.server import OFFERED, Association, Rule, ServerSession, ServerSettings
from demeter.protocols.dlms.transfer import Incoming, Outgoing
from demeter.protocols.dlms.wrapper import wrap

T = TypeVar("T")
EK, AK, METER, READER = bytes(range(16)), bytes(range(16, 32)), b"MMM00001", b"DEM00001"
TABLE, IMAGE = Obis(0, 0, 10, 0, 100), Obis(0, 0, 44, 0, 0)
RULES = (Rule(48, Mechanism.NONE, (False, True)),)
SPECIFIC = (
    Conformance.BLOCK_TRANSFER_WITH_GET | Conformance.BLOCK_TRANSFER_WITH_SET | Conformance.BLOCK_TRANSFER_WITH_ACTION
)
SETTINGS = ServerSettings(METER, EK, AK, b"", rules=RULES, conformance=OFFERED & ~SPECIFIC)


def long_value(size: int) -> bytes:
    return axdr.encode(data.octets(bytes(n * 7 & 0xFF for n in range(size))))


class Objects:
    """One attribute, and a method that returns what it is given; counts what is asked."""

    def __init__(self, value: bytes = b"\x00") -> None:
        self.value = value
        self.asked: list[str] = []

    def get(self, _who: Association, _class: int, obis: Obis, _attribute: int, _selection: bytes | None) -> bytes:
        self.asked.append("get")
        if obis != TABLE:
            raise Refused(DataAccessResult.OBJECT_UNDEFINED)
        return self.value

    def set(self, _who: Association, _class: int, _obis: Obis, _attribute: int, value: bytes) -> None:
        self.asked.append("set")
        self.value = value

    def action(
        self, _who: Association, _class: int, _obis: Obis, _method: int, parameter: bytes | None
    ) -> bytes | None:
        self.asked.append("action")
        return parameter


class Line:
    """Both directions as queues. ``spoil`` makes of each APDU under way what arrives: none, one or several."""

    def __init__(self, session: ServerSession) -> None:
        self.session = session
        self.spoil: Callable[[bytes], list[bytes]] = lambda octets: [octets]
        self.received: list[bytes] = []
        self.turns = 0
        self._back: deque[bytes] = deque()

    def run(self, exchange: Generator[bytes, bytes, T]) -> T:
        self._back.clear()
        self.turns = 0
        answer: bytes | None = None
        while True:
            try:
                request = next(exchange) if answer is None else exchange.send(answer)
            except StopIteration as done:
                return done.value
            self.turns += 1
            assert self.turns < 20_000, "the exchange does not end"
            if request:
                for arrived in self.spoil(request):
                    for reply in self.session.answers(48, arrived):
                        self._back.extend(self.spoil(reply))
            answer = WAIT
            if not isinstance(request, Quiet) and self._back:
                answer = self._back.popleft()
                self.received.append(answer)


def connect(
    model: Objects,
    cipher: CipherMode = CipherMode.NONE,
    *,
    window: int = 1,
    their_window: int = 1,
    pdu: int = 128,
    server: ServerSettings = SETTINGS,
) -> tuple[Client, Line]:
    line = Line(ServerSession(model, replace(server, window=their_window, max_pdu=pdu)))
    client = Client(ClientSettings(48, 1, Mechanism.NONE, b"", READER, EK, AK, 1, cipher, pdu, window=window))
    line.run(client.associate())
    line.received.clear()
    return client, line


CIPHERS = [CipherMode.NONE, CipherMode.GLO, CipherMode.GENERAL_GLO]


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("window", [1, 2, 3, 7, 63])
@pytest.mark.parametrize("their_window", [1, 2, 5, 63])
def test_long_values_go_both_ways_in_windows_of_any_size(cipher: CipherMode, window: int, their_window: int) -> None:
    model = Objects()
    client, line = connect(model, cipher, window=window, their_window=their_window)
    for size in (0, 1, 90, 300, 2500):
        line.run(client.set(1, TABLE, 2, long_value(size)))
        assert model.value == long_value(size)
        assert line.run(client.get(1, TABLE, 2)) == long_value(size)
        assert line.run(client.action(18, IMAGE, 1, long_value(size))) == long_value(size)
    assert model.asked == ["set", "get", "action"] * 5


@pytest.mark.parametrize("window", [1, 2, 4, 10])
def test_a_window_saves_that_many_acknowledgements(window: int) -> None:
    client, line = connect(Objects(long_value(5000)), window=window, pdu=109)
    line.run(client.get(1, TABLE, 2))
    blocks = [apdu.decode(octets) for octets in line.received if octets]
    assert len(blocks) == 51
    streamed = [block.streaming for block in blocks if isinstance(block, GeneralBlock)]
    assert streamed.count(False) == 51 // window + (1 if 51 % window else 0) + (1 if window == 1 else 0) * 0


def test_every_size_of_block_carries_the_same() -> None:
    for pdu in range(64, 110):
        model = Objects(long_value(200))
        client, line = connect(model, window=3, their_window=2, pdu=pdu)
        assert line.run(client.get(1, TABLE, 2)) == long_value(200)
        line.run(client.set(1, TABLE, 2, long_value(150 + pdu)))
        assert model.value == long_value(150 + pdu)


@pytest.mark.parametrize("window", [1, 4])
def test_the_blocks_of_the_service_are_taken_when_both_are_agreed_on_and_no_window_is_wanted(window: int) -> None:
    server = replace(SETTINGS, conformance=OFFERED)
    client, line = connect(Objects(long_value(1000)), window=window, server=server)
    assert line.run(client.get(1, TABLE, 2)) == long_value(1000)
    assert {octets[0] for octets in line.received if octets} == ({0xC4} if window == 1 else {0xE0})


@pytest.mark.parametrize("window", [1, 2, 5])
@pytest.mark.parametrize("lost", range(12))
def test_any_one_lost_or_doubled_apdu_is_recovered(window: int, lost: int) -> None:
    for copies in (0, 2):
        model = Objects(long_value(500))
        client, line = connect(model, CipherMode.GLO, window=window, their_window=window)
        passed = [0]

        def spoil(octets: bytes, copies: int = copies, passed: list[int] = passed) -> list[bytes]:
            passed[0] += 1
            return [octets] * (copies if passed[0] == lost + 1 else 1)

        line.spoil = spoil
        if lost > 0 or window > 1 or copies:  # a lost request in one piece is the caller's to repeat
            assert line.run(client.action(18, IMAGE, 1, long_value(400))) == long_value(400)
            assert model.asked == ["action"]
        line.spoil = lambda octets: [octets]
        assert line.run(client.get(1, TABLE, 2)) == long_value(500)


def test_a_bad_line_costs_turns_but_never_a_wrong_value() -> None:
    """Every tenth APDU lost, every tenth doubled: given up typed, or right; and each ACTION carried out once."""
    rng = random.Random(224)
    good = 0
    for round_number in range(60):
        model = Objects()
        window = rng.choice([1, 2, 3, 8])
        client, line = connect(model, CipherMode.GENERAL_GLO, window=window, their_window=rng.choice([1, 4]))
        line.spoil = lambda octets: [octets] * rng.choice([0, 1, 1, 1, 1, 1, 1, 1, 1, 2])
        value = long_value(200 + round_number)
        with suppress(Truncated, ServiceError, Malformed, Replayed):
            assert line.run(client.action(18, IMAGE, 1, value)) == value
            good += 1
        assert len(model.asked) <= 1
        line.spoil = lambda octets: [octets]
        line.run(client.set(1, TABLE, 2, value))
        assert model.value == value
    assert good > 40


def test_blocks_behind_a_gap_are_kept_and_only_the_missing_one_is_asked_for() -> None:
    session = ServerSession(Objects(long_value(500)), replace(SETTINGS, max_pdu=128))
    client = Client(ClientSettings(48, 1, max_pdu=128, window=4))
    line = Line(session)
    line.run(client.associate())
    exchange = client.get(1, TABLE, 2)
    blocks = session.answers(48, next(exchange))
    assert len(blocks) == 4
    assert [exchange.send(blocks[n]) for n in (0, 2)] == [WAIT, WAIT]
    asked = apdu.decode(exchange.send(blocks[3]))
    assert isinstance(asked, GeneralBlock)
    assert (asked.ack, asked.window, asked.data) == (1, 1, b"")
    (again,) = session.answers(48, asked.encode())
    sent = apdu.decode(again)
    assert isinstance(sent, GeneralBlock)
    assert (sent.number, sent.streaming) == (2, False)
    further = apdu.decode(exchange.send(again))
    assert isinstance(further, GeneralBlock)
    assert (further.ack, further.window) == (4, 4)


def test_a_meter_that_does_not_count_its_acknowledgements_is_understood() -> None:
    client, line = connect(Objects())
    exchange = client.set(1, TABLE, 2, long_value(150))
    first = apdu.decode(next(exchange))
    assert isinstance(first, GeneralBlock)
    second = apdu.decode(exchange.send(GeneralBlock(False, False, 1, 1, 1).encode()))
    assert isinstance(second, GeneralBlock)
    assert (second.number, second.last) == (2, True)
    answer = apdu.SetResponse(0xC1, DataAccessResult.SUCCESS).encode()
    with pytest.raises(StopIteration):
        exchange.send(GeneralBlock(True, False, 1, 1, 2, answer).encode())
    line.run(client.get(1, TABLE, 2))


def test_an_error_in_the_middle_of_blocks_ends_the_exchange_with_its_meaning() -> None:
    client, line = connect(Objects(long_value(500)))
    exchange = client.get(1, TABLE, 2)
    exchange.send(line.session.receive(48, next(exchange)))
    with pytest.raises(ServiceError):
        exchange.send(apdu.ExceptionResponse(apdu.StateError(1), apdu.ServiceFault(3)).encode())
    assert line.run(client.get(1, TABLE, 2)) == long_value(500)


def test_silence_is_given_up_after_a_few_turns() -> None:
    client, line = connect(Objects(long_value(500)), window=3)
    line.spoil = lambda _octets: []
    with pytest.raises(Truncated):
        line.run(client.get(1, TABLE, 2))
    assert line.turns < 10
    line.spoil = lambda octets: [octets]
    assert line.run(client.get(1, TABLE, 2)) == long_value(500)


@pytest.mark.parametrize("window", [1, 3])
def test_an_exchange_left_in_the_middle_leaves_the_association_usable(window: int) -> None:
    model = Objects(long_value(700))
    client, line = connect(model, CipherMode.GLO, window=window, their_window=window)
    for steps in range(1, 7):
        for exchange in (client.get(1, TABLE, 2), client.set(1, TABLE, 3, long_value(700))):
            request = next(exchange)
            waiting: deque[bytes] = deque()
            for _ in range(steps):
                if request:
                    waiting.extend(line.session.answers(48, request))
                request = exchange.send(WAIT if isinstance(request, Quiet) or not waiting else waiting.popleft())
            exchange.close()
        assert line.run(client.get(1, TABLE, 2)) == long_value(700)


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("window", [1, 4])
def test_recorded_blocks_open_again_even_doubled_and_out_of_order(cipher: CipherMode, window: int) -> None:
    client, line = connect(Objects(long_value(900)), cipher, window=window)
    value = line.run(client.get(1, TABLE, 2))
    recorded = [octets for octets in line.received if octets]
    frames = b"".join(wrap(octets, 1, 48) for octets in recorded)
    assert open_get_response(frames, EK, AK, METER) == value
    recorded[1:3] = [recorded[2], recorded[1], recorded[1]]
    assert open_get_response(b"".join(wrap(octets, 1, 48) for octets in recorded), EK, AK, METER) == value
    with pytest.raises(Truncated):
        open_get_response(frames[: -len(wrap(recorded[-1], 1, 48))], EK, AK, METER)


def test_a_meter_that_streams_although_one_block_was_asked_for_is_acknowledged() -> None:
    client, line = connect(Objects(long_value(300)))
    line.spoil = lambda octets: [
        bytes((octets[0], octets[1] | 0x40)) + octets[2:] if octets[:1] == b"\xe0" and octets[6] else octets
    ]
    assert line.run(client.get(1, TABLE, 2)) == long_value(300)


def test_a_meter_in_one_piece_lines_streams_nothing() -> None:
    """``receive`` answers each APDU by one, whatever window the client offers."""
    session = ServerSession(Objects(long_value(900)), SETTINGS)
    client = Client(ClientSettings(48, 1, max_pdu=128, window=9))
    for exchange in (client.associate(), client.get(1, TABLE, 2)):
        request = next(exchange)
        while True:
            try:
                request = exchange.send(session.receive(48, request))
            except StopIteration as done:
                value = done.value
                break
            assert request
    assert value == long_value(900)


# The two ends alone


@given(
    st.binary(max_size=400),
    st.integers(1, 50),
    st.integers(1, 12),
    st.integers(1, 5),
    st.integers(0, 1 << 32),
)
@settings(max_examples=200)
def test_what_goes_out_comes_in_however_it_is_shuffled(
    whole: bytes, size: int, window: int, first: int, seed: int
) -> None:
    rng = random.Random(seed)
    outgoing, incoming = Outgoing(whole, size, first), Incoming(400, window)
    incoming.pass_over(first - 1)
    turns = 0
    while not incoming.done:
        burst = outgoing.burst(incoming.room, 0, 1)
        assert [block.streaming for block in burst] == [True] * (len(burst) - 1) + [False]
        arrived = [block for block in burst for _ in range(rng.choice([0, 1, 1, 2]))]
        rng.shuffle(arrived)
        for block in arrived:
            incoming.take(block)
        outgoing.acknowledge(incoming.ack)
        turns += 1
        assert turns < 5000
    assert incoming.whole() == whole
    assert outgoing.done


@given(st.lists(st.builds(
    GeneralBlock,
    st.booleans(),
    st.booleans(),
    st.integers(0, 63),
    st.integers(0, 70) | st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.binary(max_size=40),
), max_size=30))  # fmt: skip
def test_no_blocks_make_an_end_of_the_bounds(blocks: list[GeneralBlock]) -> None:
    incoming = Incoming(200, 4)
    for block in blocks:
        try:
            incoming.take(block)
        except Malformed:
            return
        if incoming.done:
            assert len(incoming.whole()) <= 200
            return


def test_more_blocks_than_can_be_numbered_are_not_begun() -> None:
    with pytest.raises(Unsupported):
        Outgoing(bytes(70_000), 1)
    with pytest.raises(Unsupported):
        Outgoing(b"abc", 0)


def test_a_meter_takes_no_more_than_its_limit() -> None:
    session = ServerSession(Objects(), replace(SETTINGS, max_transfer=1000))
    client = Client(ClientSettings(48, 1))
    line = Line(session)
    line.run(client.associate())
    answers = [
        session.receive(48, GeneralBlock(False, False, 1, number, 0, bytes(100)).encode()) for number in range(1, 12)
    ]
    assert {answer[0] for answer in answers[:10]} == {0xE0}
    assert answers[10][0] == 0xD8
    request = apdu.GetRequest(0xC1, AttributeRef(1, TABLE, 2)).encode()
    (answer,) = session.answers(48, GeneralBlock(True, False, 1, 1, 0, request).encode())
    assert apdu.decode(answer) == GeneralBlock(True, False, 1, 1, 1, apdu.GetResponse(0xC1, b"\x00").encode())


def test_an_acknowledgement_of_nothing_is_an_error() -> None:
    client, line = connect(Objects())
    assert line.session.receive(48, GeneralBlock(True, False, 1, 1, 3).encode())[0] == 0xD8
    assert line.run(client.get(1, TABLE, 2)) == b"\x00"


def test_a_request_in_blocks_sent_again_because_its_answer_was_lost_is_carried_out_once() -> None:
    model = Objects()
    client, line = connect(model, CipherMode.GLO, window=2)
    exchange = client.action(18, IMAGE, 1, long_value(10))
    request = next(exchange)
    first = line.session.answers(48, request)
    assert line.session.answers(48, request) == first
    assert model.asked == ["action"]
    with pytest.raises(StopIteration):
        exchange.send(first[0])
