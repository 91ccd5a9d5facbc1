"""What a meter or anybody on its line can send, one function for each parser: any octets in, nothing untyped out.

A target takes octets, and returns or raises a ``DlmsError`` whose offset lies inside them; anything else is a finding.
``TARGETS`` names them all with seeds; whoever fuzzes (``python -m tests.fuzz``, a coverage-guided fuzzer) calls
:func:`run_one`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from demeter.drivers.dlms.profiles import builtin
from demeter.protocols.dlms import axdr, data
from demeter.protocols.dlms.acse import (
    AssociationRequest,
    Conformance,
    Context,
    InitiateRequest,
    InitiateResponse,
    Mechanism,
    Release,
    decode_acse,
    decode_initiate_request,
    decode_initiate_response,
)
from demeter.protocols.dlms.admission import Association, Rule
from demeter.protocols.dlms.apdu import (
    AccessKind,
    AccessRequest,
    AccessResponse,
    AccessResult,
    AccessTarget,
    ActionBlock,
    ActionFirstBlock,
    ActionListFirstBlock,
    ActionListRequest,
    ActionListResponse,
    ActionNext,
    ActionReply,
    ActionRequest,
    ActionResponse,
    ActionResponseBlock,
    ActionResult,
    AttributeRef,
    ConfirmedServiceError,
    DataBlock,
    DataNotification,
    DataNotificationConfirm,
    EventNotification,
    ExceptionResponse,
    GeneralBlock,
    GetBlock,
    GetListRequest,
    GetListResponse,
    GetNext,
    GetRequest,
    GetResponse,
    MethodRef,
    ServiceFault,
    SetBlock,
    SetFirstBlock,
    SetLastResponse,
    SetListFirstBlock,
    SetListLastResponse,
    SetListRequest,
    SetListResponse,
    SetRequest,
    SetResponse,
    StateError,
    decode,
    decode_replies,
    decode_results,
)
from demeter.protocols.dlms.client import Client, ClientSettings
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.errors import DataAccessResult, DlmsError
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import EntrySelection, RangeSelection, decode_selection
from demeter.protocols.dlms.push import read_push
from demeter.protocols.dlms.replay import open_get_response
from demeter.protocols.dlms.security import CipherMode, KeySet, protect, unprotect
from demeter.protocols.dlms.server import ServerSession, ServerSettings
from demeter.protocols.dlms.wrapper import unwrap_all, wrap
from tests.fuzz.line_parsers import LINE_PARSERS

LAYOUTS = builtin().push_layouts
METER, READER = b"MMM00001", b"DEM00001"
KEYS = KeySet(bytes(range(16)), bytes(range(16, 32))).sealing
TIME = bytes.fromhex("07e9050c01101e00ff014a00")
CLOCK = AttributeRef(8, Obis(0, 0, 1, 0, 0), 2)
SWITCH = MethodRef(70, Obis(0, 0, 96, 3, 10), 1)
MOMENT = CosemDateTime.from_bytes(TIME)
SELECTIONS = (RangeSelection(MOMENT, MOMENT).to_bytes(), EntrySelection(1, 9).to_bytes())
PROFILE = AttributeRef(7, Obis(1, 0, 99, 1, 0), 2, SELECTIONS[0])
ROWS = axdr.encode(data.array(*(data.structure(data.octets(TIME), data.u32(n), data.i16(-n)) for n in range(4))))
NUMBER = axdr.encode(data.u32(312_000))
BLOCK = DataBlock(last=False, number=1, data=ROWS[:40])
PART = AccessTarget(AccessKind.GET, PROFILE)
PUSHED = axdr.encode(
    data.structure(
        data.octets(b"DM000001"), data.octets(bytes((0, 0, 25, 9, 0, 255))), data.octets(TIME), data.u32(1), data.u8(2)
    )
)

REQUESTS = [
    request.encode()
    for request in (
        GetRequest(0xC1, PROFILE),
        GetNext(0xC1, 5),
        GetListRequest(0xC1, (CLOCK, PROFILE)),
        SetRequest(0xC1, CLOCK, ROWS),
        SetFirstBlock(0xC1, CLOCK, BLOCK),
        SetBlock(0xC1, DataBlock(last=True, number=2, data=ROWS[40:])),
        SetListRequest(0xC1, (CLOCK, PROFILE), (NUMBER, ROWS)),
        SetListFirstBlock(0xC1, (CLOCK, CLOCK), BLOCK),
        ActionRequest(0xC1, SWITCH, NUMBER),
        ActionNext(0xC1, 1),
        ActionListRequest(0xC1, (SWITCH, SWITCH), (NUMBER, ROWS)),
        ActionFirstBlock(0xC1, SWITCH, BLOCK),
        ActionListFirstBlock(0xC1, (SWITCH,), BLOCK),
        ActionBlock(0xC1, DataBlock(last=True, number=2, data=ROWS[40:])),
        AccessRequest(0xC0000001, (PART, AccessTarget(AccessKind.ACTION, SWITCH)), (b"\x00", NUMBER), TIME),
        GeneralBlock(True, False, 3, 1, 0, GetRequest(0xC1, CLOCK).encode()),
        GeneralBlock(False, True, 3, 1, 0, ROWS[:20]),
        GeneralBlock(True, False, 3, 2, 1),
    )
]
RESPONSES = [
    response.encode()
    for response in (
        GetResponse(0xC1, ROWS),
        GetResponse(0xC1, DataAccessResult.OBJECT_UNDEFINED),
        GetBlock(0xC1, last=False, number=1, result=ROWS[:40]),
        GetListResponse(0xC1, (ROWS, DataAccessResult.OTHER_REASON)),
        SetResponse(0xC1, DataAccessResult.SUCCESS),
        SetLastResponse(0xC1, DataAccessResult.SUCCESS, 3),
        SetListLastResponse(0xC1, (DataAccessResult.SUCCESS,) * 2, 3),
        SetListResponse(0xC1, (DataAccessResult.SUCCESS,) * 2),
        ActionResponse(0xC1, ActionResult.SUCCESS, NUMBER),
        ActionResponseBlock(0xC1, BLOCK),
        ActionListResponse(0xC1, (ActionReply(ActionResult.SUCCESS, NUMBER), ActionReply(ActionResult.OTHER_REASON))),
        AccessResponse(0xC0000001, (AccessResult(AccessKind.GET, DataAccessResult.SUCCESS),), (ROWS,), TIME, (PART,)),
        DataNotification(0x40000001, PUSHED, TIME),
        DataNotificationConfirm(1, TIME),
        EventNotification(CLOCK, NUMBER, TIME),
        ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceFault.INVOCATION_COUNTER_ERROR, 77),
        ConfirmedServiceError(1, 6, 3),
        GeneralBlock(True, False, 1, 1, 1, GetResponse(0xC1, ROWS).encode()),
    )
]
INITIATE = InitiateRequest(Conformance(0x40101D), 1024, bytes(16), False, 1).encode()
ACSE = [
    AssociationRequest(Context.CIPHERED, bytes(50), Mechanism.HLS_GMAC, bytes(16), READER).encode(),
    AssociationRequest(Context.PLAIN, INITIATE, Mechanism.LLS, b"password").encode(),
    Release(user_information=b"abc").encode(),
]
SEALED = [
    protect(KEYS, METER, 9, GetResponse(0xC1, ROWS).encode(), mode=mode)
    for mode in (CipherMode.GLO, CipherMode.GENERAL_GLO)
]


@dataclass(frozen=True, slots=True)
class Target:
    """A parser and octets it understands."""

    parse: Callable[[bytes], object]
    seeds: list[bytes]


class _Objects:
    """A model that takes and gives anything."""

    def get(self, _who: Association, _class: int, _obis: Obis, _attribute: int, selection: bytes | None) -> bytes:
        if selection is not None:
            decode_selection(selection)
        return ROWS

    def set(self, _who: Association, _class: int, _obis: Obis, _attribute: int, value: bytes) -> None:
        axdr.decode_all(value)

    def action(
        self, _who: Association, _class: int, _obis: Obis, _method: int, parameter: bytes | None
    ) -> bytes | None:
        return parameter


def _session() -> tuple[ServerSession, Client]:
    rules = (Rule(48, Mechanism.NONE, (False,)),)
    session = ServerSession(_Objects(), ServerSettings(METER, b"", b"", b"", rules=rules, window=4))
    client = Client(ClientSettings(48, 1, max_pdu=128))
    exchange = client.associate()
    with suppress(StopIteration):
        exchange.send(session.receive(48, next(exchange)))
    return session, client


_SERVER, _CLIENT = _session()


def meter(octets: bytes) -> None:
    """A meter asked by these octets answers, whatever they are, and goes on."""
    answers = _SERVER.answers(48, octets)
    assert all(answers), "an empty answer"
    if octets[:1] in (b"\x60", b"\x62"):
        globals()["_SERVER"], globals()["_CLIENT"] = _session()


def reader(octets: bytes) -> None:
    """A client that gets these octets as the answer to each of its services."""
    for exchange in (
        _CLIENT.get(7, PROFILE.obis, 2),
        _CLIENT.get_many([CLOCK, PROFILE]),
        _CLIENT.set(8, CLOCK.obis, 2, ROWS * 3),
        _CLIENT.action(70, SWITCH.obis, 1, ROWS * 3),
    ):
        _CLIENT._invoke = 0
        next(exchange)
        try:
            for _ in range(40):
                exchange.send(octets)
        except (StopIteration, DlmsError):
            continue
        raise AssertionError("the exchange does not end")


TARGETS: dict[str, Target] = {
    "apdu": Target(decode, REQUESTS + RESPONSES),
    "results": Target(decode_results, [RESPONSES[3][3:]]),
    "replies": Target(decode_replies, [RESPONSES[10][3:]]),
    "acse": Target(decode_acse, ACSE),
    "initiate-request": Target(decode_initiate_request, [INITIATE]),
    "initiate-response": Target(decode_initiate_response, [InitiateResponse(Conformance(0x40101D), 1024).encode()]),
    "wrapper": Target(unwrap_all, [b"".join(wrap(octets, 1, 48) for octets in RESPONSES)]),
    "axdr": Target(axdr.decode_all, [ROWS, NUMBER, PUSHED]),
    "selection": Target(decode_selection, list(SELECTIONS)),
    "push": Target(lambda octets: read_push(octets, LAYOUTS), [PUSHED, ROWS]),
    "unprotect": Target(lambda octets: unprotect(KEYS, METER, octets), SEALED),
    "replay": Target(
        lambda octets: open_get_response(octets, bytes(range(16)), bytes(range(16, 32)), METER),
        [wrap(octets, 1, 48) for octets in (*SEALED, RESPONSES[0], RESPONSES[-1])],
    ),
    "meter": Target(meter, REQUESTS + ACSE),
    "reader": Target(reader, RESPONSES),
    **{name: Target(parse, seeds) for name, (parse, seeds) in LINE_PARSERS.items()},
}


def run_one(name: str, octets: bytes) -> bool:
    """Give the octets to a target; return whether it understood them. Anything but a typed error comes through."""
    error: DlmsError | None = None
    try:
        TARGETS[name].parse(octets)
    except DlmsError as raised:
        error = raised
    offset = None if error is None else error.offset
    assert offset is None or 0 <= offset <= len(octets), f"{error} outside {len(octets)} octets"
    return error is None
