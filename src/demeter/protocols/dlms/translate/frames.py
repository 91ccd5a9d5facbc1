"""What carries APDUs: wrapper frames, HDLC frames, LLC headers, gateway prefixes, and nothing at all.

A stream is any number of them one after the other. A frame whose end is known is left behind when something in it
cannot be read; what is raw ends the reading.
"""

from __future__ import annotations

from typing import Final

from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated
from demeter.protocols.dlms.hdlc import Address, Kind, check_sequence
from demeter.protocols.dlms.hdlc.frame import (
    FLAG,
    FRAME_TYPE,
    MAX_LENGTH,
    SEGMENTED,
    Header,
    decode_body,
    decode_header,
)
from demeter.protocols.dlms.hdlc.parameters import decode_parameters
from demeter.protocols.dlms.translate.apdus import APDU
from demeter.protocols.dlms.translate.context import Context
from demeter.protocols.dlms.translate.engine import (
    Fixed,
    Number,
    Octets,
    Out,
    Part,
    Sequence,
    Walk,
    as_int,
    as_octets,
)
from demeter.protocols.dlms.translate.node import Node
from demeter.protocols.dlms.translate.values import DATA, text_words
from demeter.protocols.dlms.wrapper import HEADER_SIZE, VERSION

WRAPPER: Final = "WrapperFrame"
HDLC: Final = "HdlcFrame"
LLC: Final = "LlcFrame"
DATA_FRAME: Final = "DataValue"
FILL: Final = "HdlcFlags"
MAX_PROBLEMS: Final = 256
"""After so many the stream is given up: it is something else, or noise."""
_LLC_PART: Final = "Llc"
_MESSAGE: Final = "HdlcMessage"
_LLC_WORDS: Final = {b"\xe6\xe6\x00": "command", b"\xe6\xe7\x00": "response"}
_GATEWAY: Final = {0xE6: "GatewayRequest", 0xE7: "GatewayResponse"}
_GATEWAY_TAGS: Final = {name: tag for tag, name in _GATEWAY.items()}
_SEGMENTED: Final = "segmented"
_SHARED: Final = "sharedFlag"
_OCTETS: Final = "octets"
_MESSAGES: Final = (Kind.INFORMATION, Kind.UNNUMBERED_INFORMATION)
_PARAMETERS: Final = (Kind.SET_NORMAL_RESPONSE_MODE, Kind.UNNUMBERED_ACKNOWLEDGE)


class Payload:
    """An APDU, behind a gateway prefix if there is one."""

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read it."""
        name = _GATEWAY.get(walk.number(at))
        if name is None:
            return APDU.read(walk, at, node)
        return walk.read(node, name, _PREFIXED, at, skip=1)

    def write(self, out: Out, node: Node) -> None:
        """Write it."""
        parts = node.parts
        tag = _GATEWAY_TAGS.get(parts[0].name) if len(parts) == 1 else None
        if tag is None:
            APDU.write(out, node)
            return
        out.octets.append(tag)
        _PREFIXED.write(out, parts[0])


class Prefixed:
    """A gateway prefix: network, the meter's address there, and its APDU."""

    _head = Sequence(Part("NetworkId", Number()), Part("PhysicalDeviceAddress", Octets(text_words)))

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read it."""
        return APDU.read(walk, self._head.read(walk, at, node), node)

    def write(self, out: Out, node: Node) -> None:
        """Write it."""
        head, rest = _split(node, "NetworkId", "PhysicalDeviceAddress")
        self._head.write(out, head)
        APDU.write(out, rest)


class Linked:
    """The LLC header of HDLC and what it carries; a header that is not there is none."""

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read it."""
        node.items = node.items or []
        octets = walk.octets[at : min(at + 3, walk.end)]
        if octets in _LLC_WORDS:
            at = walk.read(node, _LLC_PART, Fixed(3, _llc_words), at)
        return _PAYLOAD.read(walk, at, node)

    def write(self, out: Out, node: Node) -> None:
        """Write it."""
        head, rest = _split(node, _LLC_PART)
        for part in head.parts:
            Fixed(3).write(out, part)
        _PAYLOAD.write(out, rest)


def _llc_words(octets: bytes) -> str:
    return _LLC_WORDS.get(octets, "")


def _split(node: Node, *names: str) -> tuple[Node, Node]:
    """The parts of these names, and the others."""
    head = [item for item in node.parts if item.name in names]
    rest = [item for item in node.parts if item.name not in names]
    return Node(node.name, items=head), Node(node.name, items=rest)


_PAYLOAD: Final = Payload()
_PREFIXED: Final = Prefixed()
_LINKED: Final = Linked()
_PORT: Final = Number(2)


class WrapperKind:
    """The wrapper of TCP and UDP: version 1, two addresses, a length, a payload."""

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read a frame."""
        node.items = []
        if walk.number(at, 2) != VERSION:
            raise walk.fail(Malformed, f"wrapper version {walk.number(at, 2)} is not 1", at)
        walk.read(node, "Source", _PORT, at + 2)
        walk.read(node, "Destination", _PORT, at + 4)
        size, start = walk.number(at + 6, 2), at + HEADER_SIZE
        if not size:
            raise walk.fail(Malformed, "a wrapper frame without an APDU", at + 6)
        inner = walk.until(min(start + size, walk.end))
        inner.finish(_PAYLOAD.read(inner, start, node), "an APDU")
        walk.take(start, size)
        return start + size

    def write(self, out: Out, node: Node) -> None:
        """Write a frame."""
        head, rest = _split(node, "Source", "Destination")
        ports = {item.name: as_int(item) for item in head.parts}
        if len(ports) != 2 or not all(0 <= port <= 0xFFFF for port in ports.values()):
            raise Malformed(f"{node.name} has a Source and a Destination of two octets")
        payload = out.apart()
        _PAYLOAD.write(payload, rest)
        size = len(payload.octets)
        if not 0 < size <= 0xFFFF:
            raise Malformed(f"an APDU of {size} octets does not fit a wrapper frame")
        for number in (VERSION, ports["Source"], ports["Destination"], size):
            out.octets += number.to_bytes(2, "big")
        out.octets += payload.octets


class HdlcKind:
    """One HDLC frame with its flags; the opening one may be the closing one of the frame before."""

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read a frame; the last of several segments shows the whole message as a derived part."""
        octets, base = walk.octets[: walk.end], walk.base
        start = at if octets[at] != FLAG else at + 1
        if start == at:
            node.hints[_SHARED] = 1
        header = decode_header(octets, start, base)
        place = self._head(walk, node, header, start)
        frame = decode_body(octets, start, header, base)
        end = start + header.length
        if walk.number(end) != FLAG:
            raise walk.fail(Malformed, f"0x{walk.number(end):02x} stands where a flag belongs", end)
        if frame.information:
            self._information(walk, node, header, place)
        return end + 1

    def _head(self, walk: Walk, node: Node, header: Header, start: int) -> int:
        node.items = []
        at = start + 2
        if header.segmented:
            node.hints[_SEGMENTED] = 1
        for name, address in (("DestinationAddress", header.destination), ("SourceAddress", header.source)):
            part = Node(name, walk.base + at, address.size, str(address))
            if address.size > _least_size(address):
                part.hints[_OCTETS] = address.size
            at += node.add(part).length
        node.add(Node("Control", walk.base + at, 1, walk.octets[at], meaning=_control_words(header)))
        return at + 3

    def _information(self, walk: Walk, node: Node, header: Header, at: int) -> None:
        kind = header.control.kind
        part = node.add(Node("Information", walk.base + at, header.length - header.size - 4))
        end = at + part.length
        octets = walk.octets[at:end]
        conversation = f"hdlc {header.source} {header.destination}"
        segments = walk.context.blocks.pop(conversation, None)
        if kind not in _MESSAGES or header.segmented or segments is not None:
            part.value = octets
        if kind in _PARAMETERS:
            part.meaning = _parameter_words(octets)
        if kind not in _MESSAGES:
            return
        if header.segmented:
            walk.context.blocks[conversation] = [*(segments or ()), octets]
            part.meaning = f"segment {len(segments or ()) + 1}"
        elif segments is None:
            inner = walk.until(end)
            _within(part, inner, at)
        else:
            part.meaning = f"segment {len(segments) + 1}, the last"
            whole = b"".join((*segments, octets))
            message = node.add(Node(_MESSAGE, 0, len(whole), items=[], meaning="offsets count from here", derived=True))
            _within(message, Walk(whole, walk.context), 0)

    def write(self, out: Out, node: Node) -> None:
        """Write a frame with new check sequences."""
        parts = {item.name: item for item in node.parts}
        if not {"DestinationAddress", "SourceAddress", "Control"} <= set(parts):
            raise Malformed(f"{node.name} has a DestinationAddress, a SourceAddress and a Control")
        header = _address_octets(parts["DestinationAddress"]) + _address_octets(parts["SourceAddress"])
        control = as_int(parts["Control"])
        if not 0 <= control <= 0xFF:
            raise Malformed(f"{node.name}: a control octet of {control}")
        information = self._information_octets(out, parts.get("Information"))
        length = 2 + len(header) + 1 + 2 + (len(information) + 2 if information else 0)
        if length > MAX_LENGTH:
            raise Malformed(f"{node.name} of {length} octets is longer than {MAX_LENGTH}")
        form = (FRAME_TYPE | (SEGMENTED if node.hints.get(_SEGMENTED) else 0)) << 8 | length
        body = form.to_bytes(2, "big") + header + bytes((control,))
        body += check_sequence(body)
        if information:
            body += information
            body += check_sequence(body)
        flag = bytes((FLAG,))
        out.octets += (b"" if node.hints.get(_SHARED) else flag) + body + flag

    def _information_octets(self, out: Out, part: Node | None) -> bytes:
        if part is None:
            return b""
        if part.value is not None:
            return as_octets(part)
        content = out.apart()
        _LINKED.write(content, part)
        return bytes(content.octets)


def _within(part: Node, walk: Walk, at: int) -> None:
    part.items = []
    try:
        walk.finish(_LINKED.read(walk, at, part), "an APDU")
    except DlmsError:
        part.broken = True
        raise


def _least_size(address: Address) -> int:
    if max(address.upper, address.lower) > 0x7F:
        return 4
    return 2 if address.lower else 1


def _address_octets(part: Node) -> bytes:
    if not isinstance(part.value, str):
        raise Malformed(f"{part.name}: {part.value!r:.40} is no address such as 16 or 1/17")
    upper, _, lower = part.value.partition("/")
    if not upper.isdecimal() or (lower and not lower.isdecimal()):
        raise Malformed(f"{part.name}: {part.value!r:.40} is no address such as 16 or 1/17")
    address = Address(int(upper), int(lower or 0), 4)
    size = part.hints.get(_OCTETS) or _least_size(address)
    return Address(address.upper, address.lower, size).to_bytes()


def _control_words(header: Header) -> str:
    control = header.control
    words = [control.kind.name.lower().replace("_", " ")]
    if control.kind is Kind.INFORMATION:
        words.append(f"N(S) {control.sent}")
    if control.kind in (Kind.INFORMATION, Kind.RECEIVE_READY, Kind.RECEIVE_NOT_READY):
        words.append(f"N(R) {control.expected}")
    return ", ".join([*words, *(["poll/final"] if control.final else [])])


def _parameter_words(octets: bytes) -> str:
    try:
        found = decode_parameters(octets)
    except DlmsError as error:
        return f"parameters: {error.message}"
    return str(found)


_WRAPPER: Final = WrapperKind()
_HDLC: Final = HdlcKind()


def read_stream(octets: bytes, context: Context, *, form: str = "auto") -> list[Node]:
    """Read everything in ``octets``; what went wrong is added to the context's problems.

    ``form``: ``auto`` looks at the first octets of each frame; ``wrapper``, ``hdlc``, ``apdu``, ``data`` say what all
    of them are.
    """
    root = Node("Frames", 0, len(octets), items=[])
    walk = Walk(octets, context)
    at = 0
    if not octets:
        context.problems.append(Truncated("there is nothing to read", offset=0))
    while at < len(octets):
        kind = _form_at(octets, at) if form == "auto" else form
        try:
            at = _read_frame(walk, root, kind, at)
        except DlmsError as error:
            context.problems.append(error)
            at = _behind(octets, at, kind)
            if at < 0 or len(context.problems) >= MAX_PROBLEMS:
                break
    return root.items or []


def _form_at(octets: bytes, at: int) -> str:
    first = octets[at]
    if first == FLAG:
        return "hdlc"
    if first == 0 and octets[at + 1 : at + 2] in (b"\x01", b""):
        return "wrapper"
    if first & 0xF0 == FRAME_TYPE and at and octets[at - 1] == FLAG:
        return "hdlc"
    return "llc" if octets[at : at + 3] in _LLC_WORDS else "apdu"


def _read_frame(walk: Walk, root: Node, form: str, at: int) -> int:
    if form == "wrapper":
        return walk.read(root, WRAPPER, _WRAPPER, at)
    if form == "hdlc":
        return _read_hdlc(walk, root, at)
    if form == "llc":
        return walk.read(root, LLC, _LINKED, at)
    if form == "data":
        return walk.read(root, DATA_FRAME, DATA, at)
    return _PAYLOAD.read(walk, at, root)


def _read_hdlc(walk: Walk, root: Node, at: int) -> int:
    """Read one frame, or the flags with which a sender fills the time between frames."""
    start = at
    while at + 1 < walk.end and walk.octets[at] == FLAG and walk.octets[at + 1] == FLAG:
        at += 1
    if at > start:
        root.add(Node(FILL, walk.base + start, at - start, walk.octets[start:at]))
    if walk.octets[at] == FLAG and at + 1 == walk.end:
        raise walk.fail(Truncated, "a flag, and no frame behind it", at)
    return walk.read(root, HDLC, _HDLC, at)


def _behind(octets: bytes, at: int, form: str) -> int:
    """Where the frame ends that could not be read; -1 where nobody knows."""
    if form == "wrapper" and len(octets) - at >= HEADER_SIZE and octets[at : at + 2] == b"\x00\x01":
        end = at + HEADER_SIZE + int.from_bytes(octets[at + 6 : at + 8], "big")
        return end if end > at + HEADER_SIZE else -1
    if form != "hdlc":
        return -1
    start = at
    while start < len(octets) and octets[start] == FLAG:
        start += 1
    try:
        header = decode_header(octets, start)
    except DlmsError:
        return octets.find(FLAG, start)
    end = start + header.length
    return end + 1 if octets[end : end + 1] == bytes((FLAG,)) else octets.find(FLAG, start)


def write_stream(frames: list[Node], context: Context) -> bytes:
    """Write frames as :func:`read_stream` read them.

    Raises:
        Malformed: a frame that was not read whole, or that cannot be written; the message names the part.
    """
    out = Out(context)
    for frame in frames:
        if not _whole(frame):
            raise Malformed(f"{frame.name} was not read whole: it cannot be written")
        _write_frame(out, frame)
    return bytes(out.octets)


def _whole(node: Node) -> bool:
    return not node.broken and all(_whole(item) for item in node.parts)


def _write_frame(out: Out, frame: Node) -> None:
    if frame.name == WRAPPER:
        _WRAPPER.write(out, frame)
    elif frame.name == HDLC:
        _HDLC.write(out, frame)
    elif frame.name == LLC:
        _LINKED.write(out, frame)
    elif frame.name == DATA_FRAME:
        DATA.write(out, frame)
    elif frame.name == FILL:
        Fixed().write(out, frame)
    else:
        _PAYLOAD.write(out, Node("Frame", items=[frame]))
