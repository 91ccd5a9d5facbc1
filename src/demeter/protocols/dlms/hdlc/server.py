"""The meter's end of data links, sans-I/O: one station on a line, any number of clients and logical devices.

::

    station = ServerStation(lambda address: address.upper == 1)
    for request in station.receive(octets):
        station.answer(request, session(request).receive(request.client, request.apdu))
    send(station.output())

An answer may come later: until then polls are answered with RR, so that the client asks again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.errors import DlmsError, Malformed
from demeter.protocols.dlms.hdlc.deframer import Deframer
from demeter.protocols.dlms.hdlc.errors import RejectReason
from demeter.protocols.dlms.hdlc.frame import MAX_INFORMATION, Address, Control, Frame, Kind
from demeter.protocols.dlms.hdlc.numbering import LLC_REQUEST, LLC_RESPONSE, MAX_MESSAGE, Numbering, Place
from demeter.protocols.dlms.hdlc.parameters import MAX_WINDOW, LinkParameters, decode_parameters

MAX_LINKS: Final = 64
"""Links of one station; a client that asks for one more is refused (DM)."""

WIDEST: Final = LinkParameters(MAX_INFORMATION, MAX_INFORMATION, MAX_WINDOW, MAX_WINDOW)
"""The most the standard allows."""


@dataclass(frozen=True, slots=True)
class Request:
    """A whole APDU of a client. ``server``: the address it was sent to; ``epoch``: which of their links it came by."""

    client: int
    server: Address
    apdu: bytes
    epoch: int = 0


class ServerLink:
    """The link between one client and one server address, frame by frame."""

    __slots__ = ("_longest", "_numbers", "_offered", "_output", "_owed", "_own", "_peer", "epoch", "is_up")

    def __init__(self, own: Address, peer: Address, offered: LinkParameters, longest: int) -> None:
        self._own = own
        self._peer = peer
        self._offered = offered
        self._longest = longest
        self._numbers = Numbering(LinkParameters(), LLC_REQUEST, longest)
        self._output: list[Frame] = []
        self._owed = False  # the client has given us the turn and a request: the answer takes it
        self.is_up = False
        self.epoch = 0

    def output(self) -> list[Frame]:
        """Return the frames to send now, and forget them."""
        frames, self._output = self._output, []
        return frames

    def take(self, frame: Frame) -> list[bytes]:
        """Take a command; return the requests it completes."""
        match frame.control.kind:
            case Kind.SET_NORMAL_RESPONSE_MODE:
                self._set_up(frame)
            case Kind.DISCONNECT:
                self._say(Kind.UNNUMBERED_ACKNOWLEDGE if self.is_up else Kind.DISCONNECTED_MODE)
                self._close()
            case Kind.INFORMATION | Kind.RECEIVE_READY | Kind.RECEIVE_NOT_READY if self.is_up:
                return self._numbered(frame)
            case Kind.UNKNOWN if self.is_up:
                self._reject(frame, RejectReason.CONTROL_UNDEFINED)
            case Kind.UNNUMBERED_INFORMATION:
                pass  # an unconfirmed request: this station serves confirmed ones only
            case _ if frame.control.final and not self.is_up:
                self._say(Kind.DISCONNECTED_MODE)
        return []

    def answer(self, apdu: bytes) -> None:
        """Send an answer, now if the turn is ours, else when the client asks again."""
        self._numbers.put(LLC_RESPONSE + apdu)
        if self._owed:
            self._respond()

    def _set_up(self, frame: Frame) -> None:
        try:
            agreed = self._offered.agreed(decode_parameters(frame.information))
        except DlmsError:
            self._close()
            self._say(Kind.DISCONNECTED_MODE)
            return
        self._close()
        self.is_up = True
        self._numbers = Numbering(agreed, LLC_REQUEST, self._longest)
        self._output.append(Frame(self._peer, self._own, Control(Kind.UNNUMBERED_ACKNOWLEDGE), agreed.to_bytes()))

    def _numbered(self, frame: Frame) -> list[bytes]:
        control = frame.control
        try:
            self._numbers.acknowledge(control.expected)
        except Malformed:
            self._reject(frame, RejectReason.RECEIVE_NUMBER_INVALID)
            return []
        requests: list[bytes] = []
        if control.kind is Kind.INFORMATION:
            try:
                place, apdu = self._numbers.take(frame)
            except Malformed:
                self._reject(frame, RejectReason.INFORMATION_TOO_LONG)
                return []
            if apdu is not None and place is Place.NEXT:
                requests.append(apdu)
        if requests:
            self._owed = control.final
        elif control.final:
            self._respond(may_send=control.kind is not Kind.RECEIVE_NOT_READY)
        return requests

    def _respond(self, may_send: bool = True) -> None:
        self._owed = False
        burst = self._numbers.burst() if may_send else []
        expected = self._numbers.expected
        for place, (number, segment) in enumerate(burst, start=1):
            control = Control(Kind.INFORMATION, place == len(burst), number, expected)
            self._output.append(Frame(self._peer, self._own, control, segment.octets, segment.more))
        if not burst:
            self._output.append(Frame(self._peer, self._own, Control(Kind.RECEIVE_READY, expected=expected)))

    def _reject(self, frame: Frame, reason: RejectReason) -> None:
        sent = self._numbers.burst()
        number = (sent[-1][0] + 1) % 8 if sent else 0
        information = bytes((frame.control.to_octet(), self._numbers.expected << 5 | number << 1, reason))
        self._close()
        self._say(Kind.FRAME_REJECT, information)

    def _say(self, kind: Kind, information: bytes = b"") -> None:
        self._output.append(Frame(self._peer, self._own, Control(kind), information))

    def _close(self) -> None:
        self.is_up = self._owed = False
        self.epoch += 1


class ServerStation:
    """Everything of one station on one line. ``accepts``: which server addresses are its own.

    ``offered``: what it can do; a client may ask for less. Frames for others, and what is no frame, are passed over.
    """

    def __init__(
        self,
        accepts: Callable[[Address], bool],
        offered: LinkParameters = WIDEST,
        longest: int = MAX_MESSAGE,
    ) -> None:
        self._accepts = accepts
        self._offered = offered
        self._longest = longest
        self._links: dict[tuple[Address, Address], ServerLink] = {}
        self._output: list[bytes] = []
        self.deframer = Deframer()

    def receive(self, data: bytes) -> list[Request]:
        """Take what came from the line; return the requests it completes. Never raises."""
        requests: list[Request] = []
        for frame in self.deframer.feed(data):
            requests += self._take(frame)
        return requests

    def expired(self) -> list[Request]:
        """Say that the line has been quiet for the time between two octets of a frame."""
        return [request for frame in self.deframer.expire() for request in self._take(frame)]

    def answer(self, request: Request, apdu: bytes) -> None:
        """Answer a request; dropped if its link has been taken down since.

        Raises:
            Malformed: the APDU is empty or too long.
        """
        if not 0 < len(apdu) <= self._longest - len(LLC_RESPONSE):
            raise Malformed(f"an APDU of {len(apdu)} octets is outside 1..{self._longest - len(LLC_RESPONSE)}")
        link = self._links.get((request.server, Address(request.client)))
        if link is not None and link.is_up and link.epoch == request.epoch:
            link.answer(apdu)
            self._collect(link)

    def notify(self, client: int, server: Address, apdu: bytes) -> None:
        """Send an APDU unasked and unconfirmed, in one unnumbered information frame.

        Raises:
            Malformed: it does not fit a frame.
        """
        control = Control(Kind.UNNUMBERED_INFORMATION, final=False)
        self._output.append(Frame(Address(client), server, control, LLC_RESPONSE + apdu).to_bytes())

    def output(self) -> bytes:
        """Return what is to be sent now, and forget it."""
        octets = b"".join(self._output)
        self._output.clear()
        return octets

    def _take(self, frame: Frame) -> list[Request]:
        server, client = frame.destination, frame.source
        if client.size != 1 or server.is_broadcast or not self._accepts(server):
            return []
        link = self._links.get((server, client))
        if link is None:
            link = ServerLink(server, client, self._offered, self._longest)
            if len(self._links) < MAX_LINKS:
                self._links[server, client] = link
            elif frame.control.kind is Kind.SET_NORMAL_RESPONSE_MODE:
                self._output.append(Frame(client, server, Control(Kind.DISCONNECTED_MODE)).to_bytes())
                return []
        requests = [Request(client.upper, server, apdu, link.epoch) for apdu in link.take(frame)]
        self._collect(link)
        return requests

    def _collect(self, link: ServerLink) -> None:
        self._output += [frame.to_bytes() for frame in link.output()]
