"""The client's end of a data link, sans-I/O: it commands, the meter answers (normal response mode, Green Book 8.4).

::

    link = ClientLink(server_address(1, 17), client=16)
    link.connect()
    send(link.output())
    for event in link.receive(octets): ...       # Connected
    link.send(apdu); send(link.output())
    for event in link.receive(octets): ...       # Message(apdu)

Time belongs to the caller: while ``link.waiting``, it calls :meth:`ClientLink.expired` when nothing came for the time a
meter may take to answer (``link.busy``: for a shorter pause, the meter lives and wants to be asked again), and sends
the output. Nothing here raises on what a meter sends: a link that fails ends with the event :class:`Failed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from demeter.protocols.dlms.errors import DlmsError, Malformed, Unsupported
from demeter.protocols.dlms.hdlc.deframer import Deframer
from demeter.protocols.dlms.hdlc.errors import FrameRejected, LinkError, LinkLost, LinkRefused, RejectReason
from demeter.protocols.dlms.hdlc.frame import Address, Control, Frame, Kind
from demeter.protocols.dlms.hdlc.numbering import LLC_REQUEST, LLC_RESPONSE, MAX_MESSAGE, Assembler, Numbering, Place
from demeter.protocols.dlms.hdlc.parameters import LinkParameters, decode_parameters

REPEATS: Final = 3


@dataclass(frozen=True, slots=True)
class Connected:
    """The link is up; ``parameters`` are agreed, seen from here."""

    parameters: LinkParameters


@dataclass(frozen=True, slots=True)
class Message:
    """A whole APDU. ``numbered`` False: unnumbered information, which a meter sends unasked and nobody repeats."""

    apdu: bytes
    numbered: bool = True


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The link is down as was asked."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The link is down; ``error`` says why. :meth:`ClientLink.connect` may set it up anew."""

    error: DlmsError


Event = Connected | Message | Disconnected | Failed


class State(Enum):
    """Where a link is."""

    DOWN = auto()
    CONNECTING = auto()
    UP = auto()
    LEAVING = auto()


class ClientLink:
    """One data link to one server address. ``proposed``: what this side can do; the meter may agree to less.

    ``repeats``: how often a command is repeated before the link is given up. ``longest``: most octets of one message.
    """

    def __init__(
        self,
        server: Address,
        client: int,
        proposed: LinkParameters | None = None,
        repeats: int = REPEATS,
        longest: int = MAX_MESSAGE,
    ) -> None:
        self.server = server
        self.client = Address(client)
        self.state = State.DOWN
        self._proposed = proposed or LinkParameters()
        self._longest = longest
        self._repeats = repeats
        self._deframer = Deframer()
        self._unasked = Assembler(longest)
        self._output: list[bytes] = []
        self._numbers = Numbering(LinkParameters(), LLC_RESPONSE, longest)
        self._attempts = 0
        self._awaiting_turn = False  # the meter has the turn: it owes a frame with the final bit
        self._repeated = False  # the burst was sent twice and the meter still lacks it
        self._wanted = False  # an answer to a message is due
        self._busy = False
        self.moves = 0
        """How often the conversation has moved on: segments taken, requests acknowledged. Noise moves nothing."""

    @property
    def waiting(self) -> bool:
        """Tell whether something is due from the meter, so that time matters."""
        return self._awaiting_turn or self._busy

    @property
    def busy(self) -> bool:
        """Tell whether the meter lives but has nothing to say yet: it is to be asked again after a pause."""
        return self._busy

    @property
    def parameters(self) -> LinkParameters:
        """What is agreed on (before that: the standard's defaults)."""
        return self._numbers.held

    @property
    def deframer(self) -> Deframer:
        """The line's deframer, which knows what was passed over."""
        return self._deframer

    @property
    def pending(self) -> int:
        """Octets received of a message that is not whole."""
        return self._deframer.pending + self._numbers.assembling

    def output(self) -> bytes:
        """Return what is to be sent now, and forget it."""
        octets = b"".join(self._output)
        self._output.clear()
        return octets

    def connect(self) -> None:
        """Ask for a link (SNRM); an existing one starts from zero."""
        self.state = State.CONNECTING
        self._wanted = self._busy = False
        self._attempts = 0
        self._command(Control(Kind.SET_NORMAL_RESPONSE_MODE), self._proposed.to_bytes())

    def disconnect(self) -> None:
        """Ask to take the link down (DISC)."""
        if self.state is State.DOWN:
            return
        self.state = State.LEAVING
        self._wanted = self._busy = False
        self._attempts = 0
        self._command(Control(Kind.DISCONNECT))

    def send(self, apdu: bytes) -> None:
        """Send a request.

        Raises:
            LinkError: the link is not up.
            Malformed: the APDU is empty or too long.
        """
        if self.state is not State.UP:
            raise LinkError("the link is not up")
        if not 0 < len(apdu) <= self._longest - len(LLC_REQUEST):
            raise Malformed(f"an APDU of {len(apdu)} octets is outside 1..{self._longest - len(LLC_REQUEST)}")
        self._numbers.put(LLC_REQUEST + apdu)
        self._wanted = True
        if not self._awaiting_turn:
            self._speak()

    def poll(self) -> None:
        """Ask whether the meter has (more) to say, when what came was not the answer.

        Raises:
            LinkError: the link is not up.
        """
        if self.state is not State.UP:
            raise LinkError("the link is not up")
        self._wanted = True
        if not self._awaiting_turn:
            self._speak()

    def receive(self, data: bytes) -> list[Event]:
        """Take what came from the line."""
        return self._take_all(self._deframer.feed(data))

    def expired(self) -> list[Event]:
        """Say that nothing came for as long as the meter may take: the command is repeated, at last the link fails."""
        events = self._take_all(self._deframer.expire())
        if events or not self.waiting:
            return events
        asked_too_soon = self._busy and not self._numbers.outstanding
        self._busy = False
        if not asked_too_soon:
            self._attempts += 1
        if self._attempts > self._repeats:
            return [self._fail(LinkLost(f"no answer to {self._repeats + 1} attempts"))]
        self._repeated = False
        match self.state:
            case State.CONNECTING:
                self._command(Control(Kind.SET_NORMAL_RESPONSE_MODE), self._proposed.to_bytes())
            case State.LEAVING:
                self._command(Control(Kind.DISCONNECT))
            case _:
                # What was lost, command or answer, is not known: the meter's answer to a bare poll tells it.
                self._command(Control(Kind.RECEIVE_READY, expected=self._numbers.expected))
        return []

    def _take_all(self, frames: list[Frame]) -> list[Event]:
        events: list[Event] = []
        for frame in frames:
            if not (frame.destination.means(self.client) and self.server.means(frame.source)):
                continue  # another conversation on a shared line
            try:
                events += self._take(frame)
            except DlmsError as error:
                events.append(self._fail(error))
        return events

    def _take(self, frame: Frame) -> list[Event]:
        kind = frame.control.kind
        if kind is Kind.UNNUMBERED_INFORMATION:
            apdu = self._unasked.take(frame)
            return [] if apdu is None else [Message(apdu, numbered=False)]
        match self.state, kind:
            case State.CONNECTING, Kind.UNNUMBERED_ACKNOWLEDGE:
                return [self._connected(frame)]
            case State.CONNECTING, Kind.DISCONNECTED_MODE:
                raise LinkRefused("the meter refuses a link (DM)")
            case State.LEAVING, Kind.UNNUMBERED_ACKNOWLEDGE | Kind.DISCONNECTED_MODE:
                self._down()
                return [Disconnected()]
            case State.UP, Kind.DISCONNECTED_MODE:
                raise LinkLost("the meter has left the link (DM)")
            case State.UP | State.CONNECTING, Kind.FRAME_REJECT:
                raise _rejected(frame.information)
            case State.UP, Kind.INFORMATION | Kind.RECEIVE_READY | Kind.RECEIVE_NOT_READY:
                return self._numbered(frame)
            case State.UP, Kind.UNKNOWN:
                raise Unsupported(f"control octet 0x{frame.control.raw:02x}")
        return []  # an answer to an earlier command, come late or twice

    def _connected(self, frame: Frame) -> Connected:
        agreed = self._proposed.agreed(decode_parameters(frame.information))
        self.state = State.UP
        self._numbers = Numbering(agreed, LLC_RESPONSE, self._longest)
        self._attempts = 0
        self._awaiting_turn = self._repeated = False
        return Connected(agreed)

    def _numbered(self, frame: Frame) -> list[Event]:
        control = frame.control
        moved = self._numbers.acknowledge(control.expected) > 0
        gap = False
        events: list[Event] = []
        if control.kind is Kind.INFORMATION:
            place, apdu = self._numbers.take(frame)
            moved |= place is Place.NEXT
            gap = place is Place.AHEAD
            if apdu is not None:
                self._wanted = False
                events.append(Message(apdu))
        if moved:
            self.moves += 1
            self._attempts = 0
            self._repeated = False
        if control.final:
            self._turn(moved, gap, not_ready=control.kind is Kind.RECEIVE_NOT_READY)
        return events

    def _turn(self, moved: bool, gap: bool, not_ready: bool) -> None:
        """Take the turn back.

        What moves nothing is not answered at once: two copies of a frame would go on for ever, each making the meter
        speak again.
        """
        self._awaiting_turn = False
        lacking = self._numbers.outstanding and not self._repeated
        if not (self._wanted or self._numbers.outstanding):
            self._busy = False
        elif not not_ready and (moved or gap or lacking):
            self._repeated = not moved and self._numbers.outstanding
            self._speak()
        else:
            self._busy = True

    def _speak(self) -> None:
        """Send a burst, or where nothing is left to send, ask for more."""
        self._busy = False
        burst = self._numbers.burst()
        for place, (number, segment) in enumerate(burst, start=1):
            control = Control(Kind.INFORMATION, place == len(burst), number, self._numbers.expected)
            self._command(control, segment.octets, more=segment.more)
        if not burst:
            self._command(Control(Kind.RECEIVE_READY, expected=self._numbers.expected))

    def _command(self, control: Control, information: bytes = b"", more: bool = False) -> None:
        self._awaiting_turn = True
        self._output.append(Frame(self.server, self.client, control, information, more).to_bytes())

    def _fail(self, error: DlmsError) -> Failed:
        self._down()
        return Failed(error)

    def _down(self) -> None:
        self.state = State.DOWN
        self._awaiting_turn = self._busy = self._wanted = False


def _rejected(information: bytes) -> FrameRejected:
    reason = RejectReason(information[2] & 0x0F) if len(information) > 2 else RejectReason.NONE
    words = " and ".join(flag.name.lower().replace("_", " ") for flag in RejectReason if flag in reason and flag.name)
    return FrameRejected(f"the meter rejects a frame (FRMR): {words or 'no reason given'}", reason)
