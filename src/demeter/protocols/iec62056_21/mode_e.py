r"""Mode E: from the opening message at 300 baud to an HDLC line at the agreed speed (IEC 62056-21, annex B), sans-I/O.

::

    reader                      meter
    /?!<CR><LF>          300 →
                         ← 300  /XXX5\2ident<CR><LF>
    <ACK>252<CR><LF>     300 →
                        ← 9600  <ACK>252<CR><LF>
    HDLC, eight bits, no parity, 9600 ↔

Both ends return :class:`Step`\ s for whoever holds the line. Nothing comes for 1.5 s (clause 6.4.3): ``expired``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated, Unsupported
from demeter.protocols.iec62056_21.messages import (
    ACK,
    BAUD_CHARACTERS,
    END,
    MAX_LINE,
    OPENING_BAUD,
    Identification,
    acknowledgement,
    decode_acknowledgement,
    decode_identification,
    opening,
    with_parity,
    without_parity,
)

ANSWER_S: Final = 1.5
"""Longest time between request and answer, and between two characters, in seconds."""

MAX_OPENINGS: Final = 3
MAX_NOISE: Final = 256


@dataclass(frozen=True, slots=True)
class Step:
    """What to do with the line: set it to ``baud`` (None: leave it), send, and when all has left, set ``then_baud``.

    ``done``: from then on the line carries HDLC.
    """

    send: bytes = b""
    baud: int | None = None
    then_baud: int | None = None
    done: bool = False


class ModeEReader:
    """The reader's end. ``highest`` is the fastest the line can do, bit/s."""

    def __init__(self, address: str = "", highest: int = 19200) -> None:
        self._opening = with_parity(opening(address))
        self._highest = highest
        self._openings = 0
        self._buffer = b""
        self._seen = 0
        self._echoes = False
        self._confirmation = b""
        self.identification: Identification | None = None
        self.baud = OPENING_BAUD
        self.done = False

    def start(self) -> Step:
        """Open the line."""
        self._openings = 1
        return Step(self._opening, baud=OPENING_BAUD)

    def receive(self, data: bytes) -> list[Step]:
        """Take what came from the line. Octets before ``/`` are noise; an optical head's echo is recognised.

        Raises:
            Malformed: what answers is no identification; ``offset`` counts from the first octet received.
            Unsupported: the meter does not offer HDLC.
        """
        if self.done:
            return []
        self._buffer += data
        return self._chosen() if self.identification is not None else self._identified()

    def expired(self) -> list[Step]:
        """Say that nothing came in time.

        A meter that does not confirm is believed to have switched. A damaged opening is repeated.

        Raises:
            Truncated: nobody answers, or an answer stops in the middle.
        """
        if self.done:
            return []
        if self.identification is not None:
            self.done = True
            return [Step(done=True)]
        if self._openings >= MAX_OPENINGS:
            what = "stopped in the middle of its identification" if self._buffer else "does not answer"
            raise Truncated(f"the meter {what}", offset=self._seen + len(self._buffer))
        self._openings += 1
        self._drop(len(self._buffer))
        return [Step(self._opening)]

    def _identified(self) -> list[Step]:
        self._pass_noise()
        if self._buffer.startswith(self._opening):
            self._echoes = True
            self._drop(len(self._opening))
            self._pass_noise()
        end = self._buffer.find(with_parity(END))
        if self._seen > MAX_NOISE or (end < 0 and len(self._buffer) > MAX_LINE):
            raise Malformed("what answers is no identification", offset=self._seen)
        if end < 0:
            return []
        line = self._buffer[: end + len(END)]
        try:
            found = decode_identification(without_parity(line))
        except DlmsError as error:
            raise type(error)(error.message, offset=self._seen + (error.offset or 0)) from error
        if not found.speaks_hdlc:
            raise Unsupported(f"the meter /{found.maker} {found.text!r} does not offer HDLC", offset=self._seen)
        self._drop(len(line))
        return self._choose(found)

    def _pass_noise(self) -> None:
        start = self._buffer.find(with_parity(b"/"))
        self._drop(start if start >= 0 else len(self._buffer))

    def _choose(self, found: Identification) -> list[Step]:
        self.identification = found
        self.baud = max(baud for baud in BAUD_CHARACTERS if baud <= min(found.baud, self._highest))
        self._confirmation = acknowledgement(self.baud)
        return [Step(with_parity(self._confirmation), then_baud=self.baud)]

    def _chosen(self) -> list[Step]:
        """Wait for the confirmation, with or without parity: meters differ in when they leave seven bits."""
        size = len(self._confirmation)
        if self._echoes and self._buffer.startswith(with_parity(self._confirmation)):
            self._echoes = False
            self._drop(size)
        start = next((place for place, octet in enumerate(self._buffer) if octet & 0x7F == ACK[0]), len(self._buffer))
        self._drop(start)  # the change of speed makes noise
        if len(self._buffer) < size:
            return []
        answer = bytes(octet & 0x7F for octet in self._buffer[:size])
        if answer != self._confirmation:
            raise Malformed("the meter confirms something else than HDLC at the speed asked for", offset=self._seen)
        self.done = True
        return [Step(done=True)]

    def _drop(self, octets: int) -> None:
        self._seen += octets
        self._buffer = self._buffer[octets:]


class ModeEMeter:
    """The meter's end. ``address``: what an opening message may call it besides nothing at all."""

    def __init__(self, identification: Identification, address: str = "") -> None:
        self._identification = identification
        self._calls = {with_parity(opening()), with_parity(opening(address))}
        self._buffer = b""
        self._asked = False
        self.done = False

    def receive(self, data: bytes) -> list[Step]:
        """Take what came from the line; never raises: what is not understood is not answered."""
        if self.done:
            return []
        self._buffer = (self._buffer + data)[-MAX_LINE:]
        end = self._buffer.find(with_parity(END))
        if end < 0:
            return []
        line, self._buffer = self._buffer[: end + len(END)], self._buffer[end + len(END) :]
        if any(line.endswith(call) for call in self._calls):
            self._asked = True
            return [Step(with_parity(self._identification.to_bytes()), baud=OPENING_BAUD)]
        if not self._asked:
            return []
        try:
            baud = decode_acknowledgement(without_parity(line))
        except DlmsError:
            self._asked = False
            return []
        self.done = baud <= self._identification.baud
        return [Step(with_parity(acknowledgement(baud)), baud=baud, done=True)] if self.done else []
