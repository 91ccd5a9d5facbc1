"""The contract for what meters send unasked (entry point group ``demeter.pushes``), sans-I/O.

A listener gives octets to a :class:`PushStream`, each message it finds to :meth:`PushReceiver.look`, finds the meter
it says it is from, opens it with that meter's keys, and answers once the readings are committed. It judges the counters
of meters; the receiver does not. Receivers are made with ``counters=`` (:class:`CounterStore`), as drivers are: for the
counters of answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from demeter.sdk.driver import Credentials
from demeter.sdk.frames import Frame, Series


class PushFault(StrEnum):
    """Why a push was not taken, in words a person understands."""

    GARBLED = "garbled"
    NOT_SUPPORTED = "not supported"
    UNKNOWN_SENDER = "unknown sender"
    SEVERAL_METERS = "several meters fit"
    NOT_CONFIGURED = "not configured"
    WRONG_KEY = "wrong key: tag check failed"
    UNPROTECTED = "less protected than the meter's record demands"
    REPLAYED = "replayed counter"
    NOT_STORED = "not stored"


class PushRefusal(Exception):
    """A push that is not taken; ``offset`` is the byte at which decoding stopped, where there is one."""

    def __init__(self, fault: PushFault, message: str, *, offset: int | None = None) -> None:
        super().__init__(f"{fault.value}: {message}" + ("" if offset is None else f" (at byte {offset})"))
        self.fault = fault
        self.message = message
        self.offset = offset


@dataclass(frozen=True, slots=True)
class PushFrame:
    """One message: ``payload`` as the journal keeps it; ``line``: how an answer travels back, the receiver's own."""

    payload: bytes
    line: object = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """A message looked at without any key.

    ``title``: the sender's system title in hexadecimal (empty: it does not say). ``names``: what an unprotected body
    calls the meter. ``protected``: ciphered or signed. ``content``: the receiver's own.
    """

    frame: PushFrame
    title: str = ""
    names: tuple[str, ...] = ()
    protected: bool = False
    content: object = None


@dataclass(frozen=True, slots=True)
class PushMeter:
    """A meter that may push, as its record has it.

    ``title``: the system title it told in an association (hexadecimal; empty: none yet). ``period_s``: the integration
    period of its load profile as read from it. ``objects``: what its pushes carry, as read from it, in the receiver's
    own words.
    """

    serial: str
    address: str
    options: Mapping[str, object]
    credentials: Credentials
    title: str = ""
    period_s: int | None = None
    objects: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PushIdentity:
    """By what a meter is known: system titles in hexadecimal, names in unprotected bodies, IP addresses.

    ``hosts``: from where a protected message without a title may come; the keys then prove whose it is. ``trusted``:
    from where an unprotected one that names nobody is believed.
    """

    titles: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    trusted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OpenedPush:
    """A push whose protection was found right. Without ``series`` it is kept as a frame all the same.

    ``counters``: what must not have been seen before, each with the name of its row of numbers. ``confirm``: the
    sender waits for an answer.
    """

    frame: Frame
    series: tuple[Series, ...]
    counters: tuple[tuple[str, int], ...] = ()
    confirm: bool = False
    answer: object = None


class PushStream(Protocol):
    """What comes over one connection."""

    def feed(self, octets: bytes) -> list[PushFrame]:
        """Take what was received and return the messages it completes.

        Raises:
            PushRefusal: it is no stream of messages; the connection should be closed.
        """
        ...

    def replies(self) -> bytes:
        """Return what the transport itself has to answer by now (acknowledged blocks); it is then forgotten."""
        ...

    @property
    def pending(self) -> int:
        """Return how many octets of an incomplete message are kept."""
        ...


class PushReceiver(Protocol):
    """Understands the pushes of one protocol. ``protocols``: the words of the estate whose meters it knows."""

    name: str
    protocols: tuple[str, ...]

    def stream(self) -> PushStream:
        """Return what cuts a connection's octets into messages."""
        ...

    def datagram(self, octets: bytes) -> list[PushFrame]:
        """Return the messages of a datagram.

        Raises:
            PushRefusal: it holds none.
        """
        ...

    def again(self, payload: bytes) -> PushFrame:
        """Return a message from what was kept of it; as :meth:`datagram`."""
        ...

    def look(self, frame: PushFrame) -> Pushed:
        """Look at a message without any key.

        Raises:
            PushRefusal: GARBLED or NOT_SUPPORTED.
        """
        ...

    def identity(self, meter: PushMeter) -> PushIdentity:
        """Return by what a meter is known.

        Raises:
            PushRefusal: NOT_CONFIGURED, its options are wrong.
        """
        ...

    def open(self, pushed: Pushed, meter: PushMeter, received_at: datetime) -> OpenedPush:
        """Open a message as this meter's and decode it.

        Raises:
            PushRefusal: with the reason.
        """
        ...

    async def answer(self, pushed: Pushed, opened: OpenedPush, meter: PushMeter) -> bytes:
        """Return the octets that confirm a message, each time under a counter never used before.

        Raises:
            PushRefusal: it cannot be answered.
            Unavailable: counters cannot be reserved.
        """
        ...


@runtime_checkable
class PushSession(Protocol):
    """What a meter session tells besides, where its meter pushes (see :class:`PushMeter`)."""

    @property
    def peer_title(self) -> str:
        """Return the system title the meter told in this association (hexadecimal; empty: none)."""
        ...

    async def push_objects(self) -> Mapping[str, Sequence[str]]:
        """Read what the meter's pushes carry; empty where it has no push setups.

        Raises:
            ReadFailure: as every read.
        """
        ...
