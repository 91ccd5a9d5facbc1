"""Mutated and cut octets: always a typed error or the right value, soon, and the session goes on (seeded)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.acse import (
    AssociationRequest,
    AssociationResponse,
    Conformance,
    Context,
    Diagnostic,
    InitiateRequest,
    InitiateResponse,
    Mechanism,
    Release,
    Result,
    decode_acse,
    decode_initiate_request,
    decode_initiate_response,
)
from demeter.protocols.dlms.apdu import (
    ActionRequest,
    AttributeRef,
    ExceptionResponse,
    GetBlock,
    GetListRequest,
    GetListResponse,
    GetNext,
    GetRequest,
    GetResponse,
    MethodRef,
    ServiceFault,
    SetRequest,
    StateError,
    decode,
)
from demeter.protocols.dlms.client import CipherMode, Client, ClientSettings
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import Counters, plaintext, protect, suite_keys, unprotect
from demeter.protocols.dlms.server import Association, ServerSession, ServerSettings
from demeter.protocols.dlms.wrapper import Unwrapper, unwrap_all, wrap

LIMIT_S = 0.05
"""Process time one input may take."""

EK, AK, METER, READER = bytes(range(16)), bytes(range(16, 32)), b"MMM00001", b"DEM00001"
KEYS = suite_keys(EK, AK)
CLOCK = AttributeRef(8, Obis(0, 0, 1, 0, 0, 255), 2)
PROFILE = Obis(1, 0, 99, 1, 0, 255)
RANGE = AttributeRef(7, PROFILE, 2, b"\x01" + axdr.encode(data.structure(data.u32(1), data.array(data.u8(2)))))
VALUE = axdr.encode(data.array(*(data.structure(data.octets(bytes(12)), data.u32(n)) for n in range(20))))

APDUS = [
    apdu.encode()
    for apdu in (
        GetRequest(0xC1, RANGE),
        GetNext(0xC1, 5),
        GetListRequest(0xC1, (CLOCK, RANGE)),
        GetResponse(0xC1, VALUE),
        GetResponse(0xC1, DataAccessResult.OBJECT_UNDEFINED),
        GetBlock(0xC1, last=False, number=2, result=VALUE[:100]),
        GetListResponse(0xC1, (VALUE, DataAccessResult.OTHER_REASON)),
        SetRequest(0xC1, CLOCK, axdr.encode(data.octets(bytes(12)))),
        ActionRequest(0xC1, MethodRef(15, Obis(0, 0, 40, 0, 0, 255), 1), axdr.encode(data.octets(bytes(17)))),
        ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceFault.INVOCATION_COUNTER_ERROR, 77),
    )
]
INITIATE = InitiateRequest(Conformance(0x40101D), 1024, bytes(16), False, 1).encode()
AGREED = InitiateResponse(Conformance(0x40101D), 1024).encode()
ACSE = [
    AssociationRequest(Context.CIPHERED, bytes(50), Mechanism.HLS_GMAC, bytes(16), READER).encode(),
    AssociationRequest(Context.PLAIN, INITIATE, Mechanism.LLS, b"password").encode(),
    AssociationResponse(
        Context.CIPHERED, Result.ACCEPTED, Diagnostic.NULL, bytes(40), Mechanism.HLS_GMAC, bytes(16), METER
    ).encode(),
    Release(user_information=b"abc").encode(),
]
SEALED = [
    protect(KEYS, METER, 9, apdu, mode=mode) for apdu in APDUS[:9] for mode in (CipherMode.GLO, CipherMode.GENERAL_GLO)
]


def mutate(octets: bytes, rng: random.Random) -> bytes:
    """Between one and four alterations: bits, octets, cuts, insertions, repetitions, lengths."""
    out = bytearray(octets)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out)) if out else 0
        match rng.randrange(6):
            case 0:
                out[at : at + 1] = bytes(octet ^ 1 << rng.randrange(8) for octet in out[at : at + 1])
            case 1:
                out[at : at + 1] = rng.randbytes(1)
            case 2:
                del out[at:]
            case 3:
                out[at:at] = rng.randbytes(rng.randint(1, 8))
            case 4:
                out[at:at] = out[max(0, at - 16) : at] * rng.randint(1, 4)
            case _:
                out[at : at + 1] = rng.choice(
                    (b"\xff", b"\x00", b"\x7f", b"\x80", b"\x84\xff\xff\xff\xff", b"\x82\xff\xff")
                )
    return bytes(out)


def mutants(samples: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    for n in range(count):
        yield mutate(samples[n % len(samples)], rng)


def outcome(decoder: Callable[[bytes], object], octets: bytes) -> object:
    """What the decoder returned, or the typed error; in time, where a pause of the whole process counts only if it recurs."""
    took_s = LIMIT_S
    for _ in range(3):
        started = time.process_time()
        try:
            result = decoder(octets)
        except DlmsError as error:
            result = error
        took_s = time.process_time() - started
        if took_s < LIMIT_S:
            break
    assert took_s < LIMIT_S
    return result


@pytest.mark.parametrize(
    ("decoder", "samples", "count"),
    [
        (decode, APDUS, 30_000),
        (decode_acse, ACSE, 15_000),
        (decode_initiate_request, [INITIATE], 4_000),
        (decode_initiate_response, [AGREED], 4_000),
        (unwrap_all, [b"".join(wrap(apdu, 1, 48) for apdu in APDUS)], 10_000),
    ],
    ids=["apdu", "acse", "initiate request", "initiate response", "wrapper"],
)
def test_mutated_octets_give_typed_errors_with_an_offset_inside(
    decoder: Callable[[bytes], object], samples: list[bytes], count: int
) -> None:
    for octets in mutants(samples, count, seed=62056):
        result = outcome(decoder, octets)
        offset = result.offset if isinstance(result, DlmsError) else None
        assert offset is None or 0 <= offset <= len(octets)


def test_mutated_protected_apdus_never_open_to_another_text() -> None:
    """12,000 mutants; an alteration that leaves the content whole (a longer form of the length) may open to the same."""
    rng = random.Random(53)
    for n in range(12_000):
        original = APDUS[:9][n // 2 % 9]
        octets = mutate(SEALED[n % len(SEALED)], rng)
        opened = outcome(lambda octets: unprotect(KEYS, METER, octets), octets)
        assert isinstance(opened, DlmsError) or opened == (original, 9, 0x30)
        short = outcome(lambda octets: plaintext(KEYS, METER, octets), octets)
        assert isinstance(short, DlmsError) if isinstance(opened, DlmsError) else short == original


def test_a_mutated_stream_gives_the_same_frames_however_it_is_cut() -> None:
    rng = random.Random(47)
    stream = b"".join(wrap(apdu, 1, 48) for apdu in APDUS)
    for _ in range(3_000):
        octets = mutate(stream, rng)
        outcomes = []
        for cuts in ([0], sorted(rng.randrange(len(octets) + 1) for _ in range(5))):
            unwrapper, frames, problem = Unwrapper(), [], ""
            for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
                with suppress(DlmsError):
                    frames += unwrapper.feed(octets[start:end])
            try:
                unwrapper.finish()
            except DlmsError as error:
                problem = str(error)
            outcomes.append((frames, problem))
        assert outcomes[0] == outcomes[1]


class Objects:
    """Two objects that can be read; nothing else."""

    def get(self, _who: Association, class_id: int, obis: Obis, attribute: int, selection: bytes | None) -> bytes:
        if (class_id, obis, attribute) != (7, PROFILE, 2):
            raise Refused(DataAccessResult.OBJECT_UNDEFINED)
        if selection is not None:
            axdr.decode_all(selection[1:])
        return VALUE

    def set(self, _who: Association, class_id: int, obis: Obis, attribute: int, value: bytes) -> None:
        raise Refused(DataAccessResult.READ_WRITE_DENIED)

    def action(self, _who: Association, _class: int, obis: Obis, method: int, parameter: bytes | None) -> bytes | None:
        raise Refused(DataAccessResult.READ_WRITE_DENIED)


def connect(sap: int, cipher: CipherMode, max_pdu: int = 0) -> tuple[Client, ServerSession]:
    mechanism = {32: Mechanism.LLS, 48: Mechanism.HLS_GMAC}[sap]
    session = ServerSession(Objects(), ServerSettings(METER, EK, AK, b"password"), Counters(0, 0))
    client = Client(ClientSettings(sap, 1, mechanism, b"password", READER, EK, AK, 1, cipher, max_pdu))
    exchange = client.associate()
    request = next(exchange)
    with suppress(StopIteration):
        while True:
            request = exchange.send(session.receive(sap, request))
    return client, session


def read(client: Client, session: ServerSession, sap: int, change: Callable[[bytes], bytes]) -> bytes:
    exchange = client.get(7, PROFILE, 2)
    request = next(exchange)
    while True:
        try:
            request = exchange.send(change(session.receive(sap, request)))
        except StopIteration as done:
            value: bytes = done.value
            return value


@pytest.mark.parametrize("cipher", CipherMode)
def test_a_meter_answers_every_mutated_request_and_goes_on(cipher: CipherMode) -> None:
    """15,000 requests in all; plain ones reach the services, protected ones stop at the tag."""
    client, session = connect(32, cipher)
    rng = random.Random(16)
    for n in range(5_000):
        if n % 50 == 0:
            samples = [next(client.get(7, PROFILE, 2)), next(client.get_many([CLOCK, RANGE]))]
        if n % 200 == 0:
            samples.append(ACSE[0])
        mutant = mutate(samples[n % len(samples)], rng)
        if mutant[:1] in (b"\x60", b"\x62"):
            assert isinstance(ServerSession(Objects(), ServerSettings(METER, EK, AK, b"")).receive(48, mutant), bytes)
            continue
        answer = session.receive(32, mutant)
        if mutant[:1] == b"\xe0" and not answer:
            continue  # a block of a window
        assert answer[0] in (0xD8, 0xC4, 0xC5, 0xC7, 0xCC, 0xD4, 0xE0, 0xDB, 0xDC, 0xDD)
    assert read(client, session, 32, lambda octets: octets) == VALUE


@pytest.mark.parametrize("cipher", [CipherMode.GLO, CipherMode.GENERAL_GLO])
@pytest.mark.parametrize("max_pdu", [0, 128])
def test_a_client_takes_no_wrong_value_from_mutated_answers_and_goes_on(cipher: CipherMode, max_pdu: int) -> None:
    """10,000 answers in all."""
    client, session = connect(48, cipher, max_pdu)
    rng = random.Random(48)
    for _ in range(2_500):
        with suppress(DlmsError):
            assert read(client, session, 48, lambda octets: mutate(octets, rng)) == VALUE
    assert read(client, session, 48, lambda octets: octets) == VALUE


@pytest.mark.parametrize("cipher", CipherMode)
def test_every_exchange_cut_at_every_octet_fails_typed_and_the_next_succeeds(cipher: CipherMode) -> None:
    client, session = connect(32, cipher, 128)
    whole: list[bytes] = []
    read(client, session, 32, lambda octets: (whole.append(octets), octets)[1])
    for cut in range(len(whole[0])):
        with pytest.raises(DlmsError):
            read(client, session, 32, lambda octets, cut=cut: octets[:cut])
    for cut in range(40):
        request = next(client.get(7, PROFILE, 2))
        if cut < len(request):
            assert session.receive(32, request[:cut])[:1] == b"\xd8"
    assert read(client, session, 32, lambda octets: octets) == VALUE
