"""The two ends of a link against each other, over lines that lose, repeat, swap and damage frames."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demeter.protocols.dlms.errors import Malformed
from demeter.protocols.dlms.hdlc import (
    WIDEST,
    Address,
    ClientLink,
    Connected,
    Control,
    Disconnected,
    Event,
    Failed,
    Frame,
    FrameRejected,
    Kind,
    LinkError,
    LinkLost,
    LinkParameters,
    LinkRefused,
    Message,
    RejectReason,
    Request,
    ServerStation,
    State,
    decode_frame,
    server_address,
)

SERVER = server_address(1, 17)
Line = Callable[[list[bytes]], list[bytes]]


def cut(stream: bytes) -> list[bytes]:
    """Return the frames of what a link sent, as octets."""
    frames = []
    while stream:
        size = 2 + ((stream[1] & 7) << 8 | stream[2])
        frames.append(stream[:size])
        stream = stream[size:]
    return frames


def clean(frames: list[bytes]) -> list[bytes]:
    return frames


class Bench:
    """A client, a meter that answers with ``respond``, and the line between them; counts what the line carried."""

    def __init__(
        self,
        proposed: LinkParameters = WIDEST,
        offered: LinkParameters = WIDEST,
        respond: Callable[[bytes], bytes] = lambda apdu: apdu[::-1],
        line: Line = clean,
        repeats: int = 60,
    ) -> None:
        self.client = ClientLink(SERVER, 16, proposed, repeats)
        self.station = ServerStation(lambda address: address.means(SERVER), offered)
        self.respond = respond
        self.line = line
        self.requests: list[bytes] = []
        self.carried: list[Frame] = []
        self.silences = 0

    def meter(self, octets: bytes) -> bytes:
        for request in self.station.receive(octets):
            self.requests.append(request.apdu)
            self.station.answer(request, self.respond(request.apdu))
        return self.station.output()

    def until(self, kind: type[Event], rounds: int = 5000) -> Event:
        """Let both ends talk, time included, until the client sees an event of that kind (or fails)."""
        for _ in range(rounds):
            sent = cut(self.client.output())
            self.carried += [decode_frame(octets) for octets in sent]
            back = cut(self.meter(b"".join(self.line(sent))))
            self.carried += [decode_frame(octets) for octets in back]
            arrived = b"".join(self.line(back))
            events = self.client.receive(arrived) if arrived else self.client.expired()
            self.silences += not arrived
            if not arrived:
                self.station.expired()
            for event in events:
                if isinstance(event, kind | Failed):
                    return event
            if not self.client.output and not self.client.waiting:
                break
        raise AssertionError(f"no {kind.__name__}")

    def connect(self) -> LinkParameters:
        self.client.connect()
        event = self.until(Connected)
        assert isinstance(event, Connected)
        return event.parameters

    def ask(self, apdu: bytes) -> Event:
        self.client.send(apdu)
        return self.until(Message)


def test_a_request_and_its_answer_and_the_end() -> None:
    bench = Bench(LinkParameters(512, 256, 1, 3))
    assert bench.connect() == LinkParameters(512, 256, 1, 3)
    assert bench.ask(b"hello") == Message(b"olleh")
    assert bench.ask(b"again") == Message(b"niaga")
    bench.client.disconnect()
    assert bench.until(Disconnected) == Disconnected()
    assert bench.client.state is State.DOWN
    kinds = [frame.control.kind for frame in bench.carried]
    assert kinds == [
        Kind.SET_NORMAL_RESPONSE_MODE,
        Kind.UNNUMBERED_ACKNOWLEDGE,
        *[Kind.INFORMATION] * 4,
        Kind.DISCONNECT,
        Kind.UNNUMBERED_ACKNOWLEDGE,
    ]
    assert [frame.information[:3].hex() for frame in bench.carried[2:4]] == ["e6e600", "e6e700"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=700), min_size=1, max_size=4),
    st.integers(1, 2030),
    st.integers(8, 200),
    st.integers(1, 7),
    st.integers(1, 7),
)
def test_messages_arrive_whole_in_any_sizes_and_windows(
    apdus: list[bytes], ours: int, theirs: int, window: int, their_window: int
) -> None:
    bench = Bench(
        LinkParameters(ours, ours, window, window), LinkParameters(theirs, theirs, their_window, their_window)
    )
    agreed = bench.connect()
    for apdu in apdus:
        assert bench.ask(apdu) == Message(apdu[::-1])
    assert bench.requests == apdus
    burst = 0
    for frame in bench.carried:
        limit = max(agreed.transmit_size, agreed.receive_size)
        assert len(frame.information) <= limit or frame.control.kind is not Kind.INFORMATION
        burst = burst + 1 if frame.control.kind is Kind.INFORMATION else 0
        assert burst <= agreed.transmit_window + agreed.receive_window
        burst = 0 if frame.control.final else burst


def test_a_window_of_seven_needs_one_turn_for_seven_segments() -> None:
    bench = Bench(LinkParameters(128, 128, 7, 7), respond=lambda _: bytes(128 * 7 - 3))
    bench.connect()
    bench.carried.clear()
    bench.ask(b"x")
    assert [frame.control.final for frame in bench.carried] == [True, *[False] * 6, True]
    assert [frame.control.sent for frame in bench.carried[1:]] == list(range(7))
    assert [frame.segmented for frame in bench.carried[1:]] == [*[True] * 6, False]


def unreliable(rng: random.Random, one_in: int) -> Line:
    """Lose, repeat, swap with the next, cut or damage one frame in so many."""

    def carry(frames: list[bytes]) -> list[bytes]:
        carried: list[bytes] = []
        for frame in frames:
            match rng.randrange(5) if rng.randrange(one_in) == 0 else 9:
                case 0:
                    continue
                case 1:
                    carried += [frame, frame]
                case 2:
                    carried.insert(max(0, len(carried) - 1), frame)
                case 3:
                    carried.append(frame[: rng.randrange(len(frame))])
                case 4:
                    damaged = bytearray(frame)
                    damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
                    carried.append(bytes(damaged))
                case _:
                    carried.append(frame)
        return carried

    return carry


@pytest.mark.parametrize("seed", range(40))
def test_every_message_arrives_once_and_whole_whatever_the_line_does(seed: int) -> None:
    rng = random.Random(seed)
    parameters = LinkParameters(
        rng.choice([32, 128, 500]), rng.choice([32, 128, 500]), rng.randint(1, 7), rng.randint(1, 7)
    )
    bench = Bench(parameters, line=unreliable(rng, one_in=rng.choice([3, 6, 20])))
    bench.connect()
    apdus = [bytes([number]) + rng.randbytes(rng.randint(1, 900)) for number in range(8)]
    for apdu in apdus:
        assert bench.ask(apdu) == Message(apdu[::-1])
    assert bench.requests == apdus, "the meter carried out each request once"


@pytest.mark.parametrize("size", [10, 600], ids=["of the answer", "of the request"])
def test_one_lost_segment_of_a_window_costs_one_repetition_and_no_silence(size: int) -> None:
    lost: list[bytes] = []

    def line(frames: list[bytes]) -> list[bytes]:
        if not lost and len(frames) == 5:
            lost.append(frames.pop(2))
        return frames

    bench = Bench(LinkParameters(100, 100, 5, 5), respond=lambda _: bytes(1000), line=line, repeats=0)
    bench.connect()
    assert bench.ask(bytes(size)) == Message(bytes(1000))
    assert lost
    assert bench.silences == 0


def test_a_meter_that_is_not_ready_is_asked_again_after_a_pause() -> None:
    client = ClientLink(SERVER, 16)
    client.connect()
    back = Address(16)
    client.receive(Frame(back, SERVER, Control(Kind.UNNUMBERED_ACKNOWLEDGE)).to_bytes())
    client.output()
    client.send(b"x")
    client.output()
    for kind in (Kind.RECEIVE_NOT_READY, Kind.RECEIVE_READY, Kind.RECEIVE_READY, Kind.RECEIVE_NOT_READY) * 5:
        assert client.receive(Frame(back, SERVER, Control(kind, expected=1)).to_bytes()) == []
        if not client.busy:  # the first RR after the request moved on: asked again at once
            assert decode_frame(client.output()).control == Control(Kind.RECEIVE_READY)
            continue
        assert client.output() == b""
        assert client.expired() == []
        assert decode_frame(client.output()).control == Control(Kind.RECEIVE_READY)
    answer = Frame(back, SERVER, Control(Kind.INFORMATION, expected=1), b"\xe6\xe7\x00y")
    assert client.receive(answer.to_bytes()) == [Message(b"y")]


def test_two_copies_of_every_frame_do_not_multiply() -> None:
    bench = Bench(LinkParameters(50, 50, 2, 2), line=lambda frames: [frame for frame in frames for _ in range(2)])
    bench.connect()
    for _ in range(5):
        bench.carried.clear()
        assert bench.ask(bytes(200)) == Message(bytes(200))
        assert len(bench.carried) < 60


def test_an_answer_that_takes_long_is_fetched_by_polls() -> None:
    station = ServerStation(lambda address: address == SERVER)
    client = ClientLink(SERVER, 16)
    client.connect()
    station.receive(client.output())
    client.receive(station.output())
    client.send(b"slow")
    [request] = station.receive(client.output())
    assert station.output() == b""
    assert client.expired() == []
    assert station.receive(client.output()) == []
    assert client.receive(station.output()) == []
    station.answer(request, b"done")
    assert station.output() == b"", "the turn is the client's"
    client.expired()
    station.receive(client.output())
    assert client.receive(station.output()) == [Message(b"done")]


def test_a_silent_meter_ends_the_link_after_its_repetitions() -> None:
    client = ClientLink(SERVER, 16, repeats=2)
    client.connect()
    sent = [client.output()]
    for _ in range(2):
        assert client.expired() == []
        sent.append(client.output())
    assert len(set(sent)) == 1
    [failed] = client.expired()
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, LinkLost)
    assert client.state is State.DOWN
    assert client.expired() == []
    with pytest.raises(LinkError):
        client.send(b"x")


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (Frame(Address(16), SERVER, Control(Kind.DISCONNECTED_MODE)), LinkLost),
        (Frame(Address(16), SERVER, Control(Kind.FRAME_REJECT), b"\x10\x20\x09"), FrameRejected),
        (Frame(Address(16), SERVER, Control(Kind.INFORMATION, expected=5), b"\xe6\xe7\x00y"), Malformed),
        (Frame(Address(16), SERVER, Control(Kind.INFORMATION), bytes(2000)), Malformed),
    ],
    ids=["DM", "FRMR", "N(R)", "too long"],
)
def test_what_ends_a_link_is_an_event_and_a_new_link_can_be_set_up(frame: Frame, kind: type[Exception]) -> None:
    bench = Bench(LinkParameters())
    bench.connect()
    bench.client.send(b"x")
    [failed] = bench.client.receive(frame.to_bytes())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, kind)
    if isinstance(failed.error, FrameRejected):
        assert failed.error.reason == RejectReason.CONTROL_UNDEFINED | RejectReason.RECEIVE_NUMBER_INVALID
    bench.client.output()
    bench.connect()
    assert bench.ask(b"ab") == Message(b"ba")


def test_a_meter_that_wants_no_link_refuses_it() -> None:
    client = ClientLink(SERVER, 16)
    client.connect()
    [failed] = client.receive(Frame(Address(16), SERVER, Control(Kind.DISCONNECTED_MODE)).to_bytes())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, LinkRefused)


def test_unasked_information_is_told_apart_and_other_conversations_are_not_heard() -> None:
    bench = Bench()
    bench.connect()
    bench.station.notify(16, SERVER, b"\x0fpush")
    bench.station.notify(17, SERVER, b"\x0fnot for us")
    bench.station.notify(16, server_address(1, 18), b"\x0fof another meter")
    assert bench.client.receive(bench.station.output()) == [Message(b"\x0fpush", numbered=False)]


def test_a_numbered_notification_before_the_answer_is_passed_by_polling() -> None:
    client = ClientLink(SERVER, 16)
    client.connect()
    back = Address(16)
    client.receive(Frame(back, SERVER, Control(Kind.UNNUMBERED_ACKNOWLEDGE)).to_bytes())
    client.send(b"x")
    client.output()
    first = Frame(back, SERVER, Control(Kind.INFORMATION, expected=1), b"\xe6\xe7\x00\x0fpush")
    assert client.receive(first.to_bytes()) == [Message(b"\x0fpush")]
    client.poll()
    assert decode_frame(client.output()).control == Control(Kind.RECEIVE_READY, expected=1)


class Raw:
    """A station spoken to frame by frame."""

    def __init__(self, offered: LinkParameters = WIDEST) -> None:
        self.station = ServerStation(lambda address: address.means(SERVER), offered)
        self.requests: list[Request] = []

    def say(
        self, control: Control, information: bytes = b"", server: Address = SERVER, client: int = 16
    ) -> list[Frame]:
        self.requests = self.station.receive(Frame(server, Address(client), control, information).to_bytes())
        return [decode_frame(octets) for octets in cut(self.station.output())]


SNRM = Control(Kind.SET_NORMAL_RESPONSE_MODE)


def test_a_meter_without_a_link_says_so() -> None:
    meter = Raw()
    for control in (Control(Kind.INFORMATION), Control(Kind.RECEIVE_READY), Control(Kind.DISCONNECT)):
        [answer] = meter.say(control, b"\xe6\xe6\x00x" if control.kind is Kind.INFORMATION else b"")
        assert answer.control.kind is Kind.DISCONNECTED_MODE
    assert meter.requests == []
    [answer] = meter.say(SNRM, b"\x81\x80\x02\x05")
    assert answer.control.kind is Kind.DISCONNECTED_MODE


@pytest.mark.parametrize(
    ("control", "information", "reason"),
    [
        (Control(Kind.UNKNOWN, raw=0x9F), b"", RejectReason.CONTROL_UNDEFINED),
        (Control(Kind.INFORMATION), bytes(129), RejectReason.INFORMATION_TOO_LONG),
        (Control(Kind.RECEIVE_READY, expected=3), b"", RejectReason.RECEIVE_NUMBER_INVALID),
    ],
    ids=["control", "too long", "N(R)"],
)
def test_a_meter_rejects_what_it_cannot_obey(control: Control, information: bytes, reason: RejectReason) -> None:
    meter = Raw(LinkParameters())
    meter.say(SNRM)
    [answer] = meter.say(control, information)
    assert answer.control.kind is Kind.FRAME_REJECT
    assert (answer.information[0], answer.information[2]) == (control.to_octet(), reason)
    [answer] = meter.say(SNRM)
    assert answer.control.kind is Kind.UNNUMBERED_ACKNOWLEDGE


def test_a_request_carried_out_once_is_not_carried_out_again_when_repeated() -> None:
    meter = Raw()
    meter.say(SNRM)
    assert meter.say(Control(Kind.INFORMATION), b"\xe6\xe6\x00x") == []
    meter.station.answer(meter.requests[0], b"y")
    [answer] = [decode_frame(octets) for octets in cut(meter.station.output())]
    for _ in range(3):
        assert meter.say(Control(Kind.INFORMATION), b"\xe6\xe6\x00x") == [answer]
        assert meter.requests == []


def test_an_answer_to_a_link_that_was_set_up_anew_is_dropped() -> None:
    meter = Raw()
    meter.say(SNRM)
    meter.say(Control(Kind.INFORMATION), b"\xe6\xe6\x00x")
    [request] = meter.requests
    meter.say(SNRM)
    meter.station.answer(request, b"late")
    assert meter.station.output() == b""
    [answer] = meter.say(Control(Kind.RECEIVE_READY))
    assert answer.control.kind is Kind.RECEIVE_READY


def test_each_client_and_logical_device_has_a_link_of_its_own() -> None:
    station = ServerStation(lambda address: address.upper in (1, 2))
    links = {(c, s): ClientLink(server_address(s), c) for c in (16, 48) for s in (1, 2)}
    for link in links.values():
        link.connect()
        station.receive(link.output())
        assert isinstance(link.receive(station.output())[0], Connected)
    for (client, server), link in links.items():
        link.send(bytes([client, server]))
        [request] = station.receive(link.output())
        assert (request.client, request.server, request.apdu) == (
            client,
            server_address(server),
            bytes([client, server]),
        )
        station.answer(request, b"ok")
        assert link.receive(station.output()) == [Message(b"ok")]


def test_broadcasts_and_addresses_of_others_are_not_answered_and_links_are_bounded() -> None:
    meter = Raw()
    assert meter.say(SNRM, server=Address(0x7F)) == []
    assert meter.say(SNRM, server=server_address(1, 18)) == []
    answers = [meter.say(SNRM, client=client)[0].control.kind for client in range(1, 100)]
    assert answers.count(Kind.UNNUMBERED_ACKNOWLEDGE) == 64
    assert answers[64:] == [Kind.DISCONNECTED_MODE] * 35


def test_messages_without_llc_octets_are_no_requests_and_endless_ones_are_rejected() -> None:
    meter = Raw()
    meter.station = ServerStation(lambda _: True, longest=1000)
    meter.say(SNRM)
    [answer] = meter.say(Control(Kind.INFORMATION), b"\xe6\xe7\x00x")
    assert (meter.requests, answer.control) == ([], Control(Kind.RECEIVE_READY, expected=1))
    meter.say(SNRM)
    kinds = []
    for number in range(30):
        frame = Frame(SERVER, Address(16), Control(Kind.INFORMATION, sent=number % 8), bytes(100), segmented=True)
        assert meter.station.receive(frame.to_bytes()) == []
        kinds.append(decode_frame(meter.station.output()).control.kind)
    assert kinds[:10] == [Kind.RECEIVE_READY] * 10
    assert kinds[10] is Kind.FRAME_REJECT


def test_apdus_that_fit_no_message_are_refused_at_the_sender() -> None:
    bench = Bench()
    bench.connect()
    for apdu in (b"", bytes(65_536)):
        with pytest.raises(Malformed):
            bench.client.send(apdu)
    bench.client.send(b"x")
    [request] = bench.station.receive(bench.client.output())
    with pytest.raises(Malformed):
        bench.station.answer(request, bytes(65_536))
    bench.station.answer(request, bytes(65_535))
    bench.client.receive(bench.station.output())
    assert bench.until(Message) == Message(bytes(65_535))


def test_mutated_frames_never_raise_never_stall_and_never_give_another_apdu() -> None:
    """20,000 mutants of what really goes over the line, in both directions; a new link afterwards works."""
    rng = random.Random(13239)
    request = b"request" * 30
    bench = Bench(LinkParameters(64, 64, 3, 3), repeats=5)
    mutants = answers = refused = 0
    while mutants < 20_000:
        if bench.client.state is not State.UP:
            refused += 1
            bench.client.output()
            bench.connect()
        bench.client.send(request)
        for _ in range(30):
            octets = bench.client.output()
            back = bench.meter(mutate(octets, rng) if octets else b"")
            mutants += bool(octets) + bool(back)
            events = bench.client.receive(mutate(back, rng)) if back else bench.client.expired()
            bench.station.expired()
            for event in events:
                assert not isinstance(event, Message) or event.apdu == request[::-1]
                answers += isinstance(event, Message)
            if events:
                break
    assert set(bench.requests) == {request}
    assert answers > 500
    assert refused > 1
    bench.client.output()
    bench.connect()
    assert bench.ask(b"ab") == Message(b"ba")


def test_noise_never_raises_and_hides_no_later_request() -> None:
    rng = random.Random(1)
    bench = Bench()
    for _ in range(300):
        bench.client.receive(rng.randbytes(rng.randint(1, 100)) + b"\x7e")
        bench.station.receive(b"\x7e" + bytes([0xA0 | rng.randrange(8)]) + rng.randbytes(rng.randint(1, 100)))
    bench.client.expired()
    bench.station.expired()
    bench.connect()
    assert bench.ask(b"ab") == Message(b"ba")


def mutate(octets: bytes, rng: random.Random) -> bytes:
    out = bytearray(octets)
    for _ in range(rng.randint(0, 2)):
        at = rng.randrange(len(out)) if out else 0
        match rng.randrange(5):
            case 0:
                out[at : at + 1] = bytes(octet ^ 1 << rng.randrange(8) for octet in out[at : at + 1])
            case 1:
                del out[at : at + rng.randint(1, 20)]
            case 2:
                out[at:at] = rng.randbytes(rng.randint(1, 8))
            case 3:
                out[at:at] = out[max(0, at - 16) : at] * rng.randint(1, 4)
            case _:
                out[at:at] = b"\x7e\xa0"
    return bytes(out)
