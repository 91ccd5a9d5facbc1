"""The xDLMS services with logical names, as the ASN.1 of IEC 62056-5-3 (COSEMpdu) has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from demeter.protocols.dlms.apdu import MAX_REFERENCES
from demeter.protocols.dlms.errors import Malformed, Unsupported
from demeter.protocols.dlms.translate import words
from demeter.protocols.dlms.translate.blocks import collect, collect_general
from demeter.protocols.dlms.translate.context import Context
from demeter.protocols.dlms.translate.engine import (
    Choice,
    Flag,
    Kind,
    ListOf,
    LogicalName,
    Number,
    Octets,
    Out,
    Part,
    Sequence,
    Walk,
    as_octets,
)
from demeter.protocols.dlms.translate.node import Node
from demeter.protocols.dlms.translate.values import DATA, moment_meaning

_INVOCATION_COUNTER_ERROR: Final = 6
_TAGGED: Final = "tagged"


class Selection:
    """Access-Selection: the selector and its parameters."""

    _parts = Sequence(Part("AccessSelector", Number()), Part("AccessParameters", DATA))

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read it and say what it asks for."""
        end = self._parts.read(walk, at, node)
        node.meaning = words.explain_selection(walk.octets[at:end])
        return end

    def write(self, out: Out, node: Node) -> None:
        """Write it."""
        self._parts.write(out, node)


class Moment:
    """The date-time of a data-notification: an octet-string, empty where there is none.

    Some meters (Kaifa) write the tag of an octet-string before its length; no date-time has nine octets.
    """

    _octets = Octets(moment_meaning)

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read it."""
        if walk.octets[at : at + 2] == b"\x09\x0c" and at + 2 <= walk.end:
            node.hints[_TAGGED] = 1
            at += 1
        return self._octets.read(walk, at, node)

    def write(self, out: Out, node: Node) -> None:
        """Write it."""
        if node.hints.get(_TAGGED):
            out.octets.append(0x09)
        self._octets.write(out, node)


class ConformanceBlock:
    """Conformance: 24 bits behind a BER tag of two octets (5F 1F), a length and the number of unused bits."""

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read it."""
        if walk.take(at, 2) != b"\x5f\x1f":
            raise walk.fail(Malformed, "a conformance block begins with 5F 1F", at)
        if walk.take(at + 2, 2) != b"\x04\x00":
            raise walk.fail(Malformed, "a conformance block has 24 bits", at + 2)
        node.value = walk.take(at + 4, 3)
        node.meaning = words.conformance(node.value)
        return at + 7

    def write(self, out: Out, node: Node) -> None:
        """Write it."""
        octets = as_octets(node)
        if len(octets) != 3:
            raise Malformed(f"{node.name} has 3 octets, not {len(octets)}")
        out.octets += b"\x5f\x1f\x04\x00" + octets


class DefaultTrue:
    """A boolean that is true where the octets leave it out."""

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read the presence flag and, if there, the boolean; hints keep a true that was written out."""
        present = walk.number(at)
        if present > 1:
            raise walk.fail(Malformed, f"presence flag {present}", at)
        if not present:
            node.value = True
            return at + 1
        end = Flag().read(walk, at + 1, node)
        if node.value is True:
            node.hints["written"] = 1
        return end

    def write(self, out: Out, node: Node) -> None:
        """Write it."""
        value = out.apart()
        Flag().write(value, node)
        out.octets += b"\x00" if value.octets == b"\x01" and not node.hints.get("written") else b"\x01" + value.octets


class ExceptionKind:
    """Exception-Response: two codes, and with the second one 6 the counter the meter has reached."""

    _codes = Sequence(
        Part("StateError", Number(only=words.STATE_ERRORS)), Part("ServiceError", Number(only=words.SERVICE_FAULTS))
    )

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read it."""
        end = self._codes.read(walk, at, node)
        if walk.octets[end - 1] != _INVOCATION_COUNTER_ERROR:
            return end
        return walk.read(node, "InvocationCounter", Number(4), end)

    def write(self, out: Out, node: Node) -> None:
        """Write it."""
        counter = node.find("InvocationCounter")
        codes = Node(node.name, items=[item for item in node.parts if item is not counter])
        self._codes.write(out, codes)
        if (counter is not None) != (out.octets[-1] == _INVOCATION_COUNTER_ERROR):
            raise Malformed(f"{node.name}: an InvocationCounter goes with ServiceError 6, and with no other")
        if counter is not None:
            Number(4).write(out, counter)


INVOKE = Part("InvokeIdAndPriority", Number(words=words.invoke))
LONG_INVOKE = Part("LongInvokeIdAndPriority", Number(4, words.long_invoke))
DATE_TIME = Part("DateTime", Octets(moment_meaning))
BLOCK_NUMBER = Part("BlockNumber", Number(4))
_SELECTION = Selection()
_ATTRIBUTE = Sequence(
    Part("ClassId", Number(2, words.class_title)),
    Part("InstanceId", LogicalName()),
    Part("AttributeId", Number(signed=True)),
    explain=words.explain_attribute,
)
_METHOD = Sequence(
    Part("ClassId", Number(2, words.class_title)),
    Part("InstanceId", LogicalName()),
    Part("MethodId", Number(signed=True)),
    explain=words.explain_method,
)
ATTRIBUTE = Part("AttributeDescriptor", _ATTRIBUTE)
SELECTED = Part("AccessSelection", _SELECTION, optional=True)
METHOD = Part("MethodDescriptor", _METHOD)
ATTRIBUTES = Part(
    "AttributeDescriptorList",
    ListOf("AttributeDescriptorWithSelection", Sequence(ATTRIBUTE, SELECTED), MAX_REFERENCES),
)
METHODS = Part("MethodDescriptorList", ListOf("MethodDescriptor", _METHOD, MAX_REFERENCES))
_ACCESS_RESULT = Number(only=words.ACCESS_RESULTS)
_ACTION_RESULT = Number(only=words.ACTION_RESULTS)
_GET_RESULT = Choice({0: Part("Data", DATA), 1: Part("DataAccessResult", _ACCESS_RESULT)})
_GET_RESULTS = ListOf("GetDataResult", _GET_RESULT)
_VALUES = ListOf("Data", DATA)
_RESULTS = Part("ResultList", ListOf("DataAccessResult", _ACCESS_RESULT))
_ACTION_REPLY = Sequence(Part("Result", _ACTION_RESULT), Part("ReturnParameters", _GET_RESULT, optional=True))
_ACTION_REPLIES = ListOf("ActionResponseWithOptionalData", _ACTION_REPLY)


def _block(name: str, service: str, *kinds: Kind) -> Part:
    """A data block of SET or ACTION."""
    return Part(
        name,
        Sequence(
            Part("LastBlock", Flag()),
            BLOCK_NUMBER,
            Part("RawData", Octets()),
            explain=collect(service, "RawData", *kinds),
        ),
    )


_GET_BLOCK = Part(
    "Result",
    Sequence(
        Part("LastBlock", Flag()),
        BLOCK_NUMBER,
        Part("Result", Choice({0: Part("RawData", Octets()), 1: Part("DataAccessResult", _ACCESS_RESULT)})),
        explain=collect("GetResponse", "RawData", DATA, _GET_RESULTS),
    ),
)
_SET_BLOCK = _block("Datablock", "SetRequest", DATA, _VALUES)
_CALL_BLOCK = _block("Pblock", "ActionRequest", DATA, _VALUES)
_REPLY_BLOCK = _block("Pblock", "ActionResponse", _ACTION_REPLY, _ACTION_REPLIES, DATA)


def _service(name: str, forms: Mapping[int, tuple[str, tuple[Part, ...]]]) -> Part:
    """A service whose forms are told apart by a choice; each begins with its invoke id."""
    options = {number: Part(name + form, Sequence(INVOKE, *parts)) for number, (form, parts) in forms.items()}
    return Part(name, Choice(options, Unsupported))


GET_REQUEST = _service(
    "GetRequest",
    {1: ("Normal", (ATTRIBUTE, SELECTED)), 2: ("Next", (BLOCK_NUMBER,)), 3: ("WithList", (ATTRIBUTES,))},
)
GET_RESPONSE = _service(
    "GetResponse",
    {
        1: ("Normal", (Part("Result", _GET_RESULT),)),
        2: ("WithDatablock", (_GET_BLOCK,)),
        3: ("WithList", (Part("Result", _GET_RESULTS),)),
    },
)
SET_REQUEST = _service(
    "SetRequest",
    {
        1: ("Normal", (ATTRIBUTE, SELECTED, Part("Value", DATA))),
        2: ("WithFirstDatablock", (ATTRIBUTE, SELECTED, _SET_BLOCK)),
        3: ("WithDatablock", (_SET_BLOCK,)),
        4: ("WithList", (ATTRIBUTES, Part("ValueList", _VALUES))),
        5: ("WithListAndFirstDatablock", (ATTRIBUTES, _SET_BLOCK)),
    },
)
SET_RESPONSE = _service(
    "SetResponse",
    {
        1: ("Normal", (Part("Result", _ACCESS_RESULT),)),
        2: ("Datablock", (BLOCK_NUMBER,)),
        3: ("LastDatablock", (Part("Result", _ACCESS_RESULT), BLOCK_NUMBER)),
        4: ("LastDatablockWithList", (_RESULTS, BLOCK_NUMBER)),
        5: ("WithList", (_RESULTS,)),
    },
)
ACTION_REQUEST = _service(
    "ActionRequest",
    {
        1: ("Normal", (METHOD, Part("MethodInvocationParameters", DATA, optional=True))),
        2: ("NextPblock", (BLOCK_NUMBER,)),
        3: ("WithList", (METHODS, Part("MethodInvocationParametersList", _VALUES))),
        4: ("WithFirstPblock", (METHOD, _CALL_BLOCK)),
        5: ("WithListAndFirstPblock", (METHODS, _CALL_BLOCK)),
        6: ("WithPblock", (_CALL_BLOCK,)),
    },
)
ACTION_RESPONSE = _service(
    "ActionResponse",
    {
        1: ("Normal", (Part("SingleResponse", _ACTION_REPLY),)),
        2: ("WithPblock", (_REPLY_BLOCK,)),
        3: ("WithList", (Part("ListOfResponses", _ACTION_REPLIES),)),
        4: ("NextPblock", (BLOCK_NUMBER,)),
    },
)

_WITH_SELECTION = Part("AccessSelection", _SELECTION)
_SPECIFICATIONS = ListOf(
    "AccessRequestSpecification",
    Choice(
        {
            1: Part("AccessRequestGet", Sequence(ATTRIBUTE)),
            2: Part("AccessRequestSet", Sequence(ATTRIBUTE)),
            3: Part("AccessRequestAction", Sequence(METHOD)),
            4: Part("AccessRequestGetWithSelection", Sequence(ATTRIBUTE, _WITH_SELECTION)),
            5: Part("AccessRequestSetWithSelection", Sequence(ATTRIBUTE, _WITH_SELECTION)),
        }
    ),
    MAX_REFERENCES,
)
_OUTCOMES = ListOf(
    "AccessResponseSpecification",
    Choice(
        {
            1: Part("AccessResponseGet", Sequence(Part("Result", _ACCESS_RESULT))),
            2: Part("AccessResponseSet", Sequence(Part("Result", _ACCESS_RESULT))),
            3: Part("AccessResponseAction", Sequence(Part("Result", _ACTION_RESULT))),
        }
    ),
)
ACCESS_REQUEST = Sequence(
    LONG_INVOKE,
    DATE_TIME,
    Part("AccessRequestListOfSpecifications", _SPECIFICATIONS),
    Part("AccessRequestListOfData", _VALUES),
)
ACCESS_RESPONSE = Sequence(
    LONG_INVOKE,
    DATE_TIME,
    Part("AccessRequestListOfSpecifications", _SPECIFICATIONS, optional=True),
    Part("AccessResponseListOfData", _VALUES),
    Part("AccessResponseListOfSpecifications", _OUTCOMES),
)
DATA_NOTIFICATION = Sequence(LONG_INVOKE, Part("DateTime", Moment()), Part("NotificationBody", DATA))
DATA_NOTIFICATION_CONFIRM = Sequence(LONG_INVOKE, DATE_TIME)
EVENT_NOTIFICATION = Sequence(
    Part("Time", Octets(moment_meaning), optional=True), ATTRIBUTE, Part("AttributeValue", DATA)
)
CONFIRMED_SERVICE_ERROR = Sequence(
    Part("Service", Number()),
    Part("ServiceError", Number()),
    Part("Error", Number()),
    explain=words.explain_service_error,
)
GENERAL_BLOCK = Sequence(
    Part("BlockControl", Number(words=words.block_control)),
    Part("BlockNumber", Number(2)),
    Part("BlockNumberAck", Number(2)),
    Part("BlockData", Octets()),
    explain=collect_general,
)


def _learn_key(node: Node, context: Context) -> None:
    """Remember the dedicated key of the association."""
    key = node.find("DedicatedKey")
    if key is not None:
        context.keyring.dedicated = as_octets(key)


INITIATE_REQUEST = Sequence(
    Part("DedicatedKey", Octets(), optional=True),
    Part("ResponseAllowed", DefaultTrue()),
    Part("ProposedQualityOfService", Number(), optional=True),
    Part("ProposedDlmsVersionNumber", Number()),
    Part("ProposedConformance", ConformanceBlock()),
    Part("ClientMaxReceivePduSize", Number(2)),
    learn=_learn_key,
)
INITIATE_RESPONSE = Sequence(
    Part("NegotiatedQualityOfService", Number(), optional=True),
    Part("NegotiatedDlmsVersionNumber", Number()),
    Part("NegotiatedConformance", ConformanceBlock()),
    Part("ServerMaxReceivePduSize", Number(2)),
    Part("VaaName", Number(2)),
)

SERVICES: Final[Mapping[int, Part]] = {
    0x01: Part("InitiateRequest", INITIATE_REQUEST),
    0x08: Part("InitiateResponse", INITIATE_RESPONSE),
    0x0E: Part("ConfirmedServiceError", CONFIRMED_SERVICE_ERROR),
    0x0F: Part("DataNotification", DATA_NOTIFICATION),
    0x10: Part("DataNotificationConfirm", DATA_NOTIFICATION_CONFIRM),
    0xC0: GET_REQUEST,
    0xC1: SET_REQUEST,
    0xC2: Part("EventNotificationRequest", EVENT_NOTIFICATION),
    0xC3: ACTION_REQUEST,
    0xC4: GET_RESPONSE,
    0xC5: SET_RESPONSE,
    0xC7: ACTION_RESPONSE,
    0xD8: Part("ExceptionResponse", ExceptionKind()),
    0xD9: Part("AccessRequest", ACCESS_REQUEST),
    0xDA: Part("AccessResponse", ACCESS_RESPONSE),
    0xE0: Part("GeneralBlockTransfer", GENERAL_BLOCK),
}
"""Plain APDUs by tag."""
