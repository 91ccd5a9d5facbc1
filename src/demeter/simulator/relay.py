"""The load switch of a meter: its contact, its control, and what does not flow while it is open.

The transitions are those of the disconnect control (Blue Book, class 70); which of them a control mode allows stands in
:data:`_MODES`. A welded contact (fault ``weld``) conducts on whatever the control says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demeter.protocols.dlms.classes import ControlMode, ControlState
from demeter.simulator.faults import FaultBook, FaultKind
from demeter.simulator.loads import Load
from demeter.simulator.noise import IntArray

DISCONNECTED_EVENT, CONNECTED_EVENT, WELDED_EVENT = 301, 302, 253
"""Event codes of IS 15959."""


@dataclass(frozen=True, slots=True)
class _Mode:
    """What a control mode allows beside remote and local disconnection and the button that closes."""

    remote_closes: bool
    button_opens: bool
    local_closes: bool


_MODES = {
    ControlMode.MODE_1: _Mode(remote_closes=False, button_opens=True, local_closes=False),
    ControlMode.MODE_2: _Mode(remote_closes=True, button_opens=True, local_closes=False),
    ControlMode.MODE_3: _Mode(remote_closes=False, button_opens=False, local_closes=False),
    ControlMode.MODE_4: _Mode(remote_closes=True, button_opens=False, local_closes=False),
    ControlMode.MODE_5: _Mode(remote_closes=False, button_opens=True, local_closes=True),
    ControlMode.MODE_6: _Mode(remote_closes=False, button_opens=False, local_closes=True),
}

Note = Callable[[int, int], None]
"""Told of an event: the true instant (UTC epoch seconds) and its code."""


class Relay:
    """One load switch. Instants are UTC epoch seconds and never go back.

    ``state`` is what the control thinks, ``closed`` whether the contact conducts. Where a method returns a bool, it
    tells whether the control mode allows the step; an allowed step that changes nothing is True too.
    """

    def __init__(self, book: FaultBook, note: Note, mode: ControlMode = ControlMode.MODE_4) -> None:
        self._book = book
        self._note = note
        self._open: list[tuple[int, int | None]] = []
        self._version = 0
        self.mode = mode
        self.state = ControlState.CONNECTED
        self.closed = True

    def version(self) -> int:
        """Return how often the contact moved."""
        return self._version

    @property
    def spans(self) -> Sequence[tuple[int, int | None]]:
        """The half-open spans in which the contact was open, oldest first; the last end may be None: it still is."""
        return self._open

    def open_at(self, at_s: IntArray) -> NDArray[np.bool_]:
        """Return bool[n]: whether the contact was open at each instant."""
        found = np.zeros(len(at_s), dtype=np.bool_)
        for since_s, until_s in self._open:
            found |= (at_s >= since_s) & (at_s < (until_s if until_s is not None else np.iinfo(np.int64).max))
        return found

    def remote_disconnect(self, at_s: int) -> bool:
        """Disconnect by command."""
        if self.mode == ControlMode.ALWAYS_CONNECTED:
            return False
        self._move(ControlState.DISCONNECTED, at_s)
        return True

    def remote_reconnect(self, at_s: int) -> bool:
        """Connect by command, or make ready for the button, as the mode has it.

        In modes 2 and 4 a supply that the limiter cut is connected too, as the meters in the field do.
        """
        rules = _MODES.get(self.mode)
        if rules is None:
            return False
        if self.state is not ControlState.CONNECTED:
            closes = rules.remote_closes
            self._move(ControlState.CONNECTED if closes else ControlState.READY_FOR_RECONNECTION, at_s)
        return True

    def local_disconnect(self, at_s: int) -> bool:
        """Disconnect because of the limiter: the button may reconnect."""
        if self.mode == ControlMode.ALWAYS_CONNECTED:
            return False
        if self.state is ControlState.CONNECTED:
            self._move(ControlState.READY_FOR_RECONNECTION, at_s)
        return True

    def local_reconnect(self, at_s: int) -> bool:
        """Reconnect because the limiter is content."""
        rules = _MODES.get(self.mode)
        if rules is None or not rules.local_closes or self.state is not ControlState.READY_FOR_RECONNECTION:
            return False
        self._move(ControlState.CONNECTED, at_s)
        return True

    def press_button(self, at_s: int) -> bool:
        """Press the button at the meter: closes when it is ready, opens where the mode allows that."""
        rules = _MODES.get(self.mode)
        if rules is None:
            return False
        if self.state is ControlState.READY_FOR_RECONNECTION:
            self._move(ControlState.CONNECTED, at_s)
            return True
        if self.state is ControlState.CONNECTED and rules.button_opens:
            self._move(ControlState.READY_FOR_RECONNECTION, at_s)
            return True
        return False

    def _move(self, state: ControlState, at_s: int) -> None:
        wanted = state is ControlState.CONNECTED
        self.state = state
        if self._book.active(FaultKind.WELD, at_s) is not None:
            if not wanted and self.closed:
                self._note(at_s, WELDED_EVENT)
            return
        if wanted == self.closed:
            return
        self.closed = wanted
        self._version += 1
        if wanted:
            since_s, _ = self._open.pop()
            if since_s < at_s:
                self._open.append((since_s, at_s))
        else:
            self._open.append((at_s, None))
        self._note(at_s, CONNECTED_EVENT if wanted else DISCONNECTED_EVENT)


class SwitchedLoad:
    """A load behind a relay: while the contact is open, nothing flows."""

    def __init__(self, load: Load, relay: Relay) -> None:
        self._load = load
        self._relay = relay
        self._known = -1
        self._since: IntArray = np.zeros(0, dtype=np.int64)
        self._until: IntArray = np.zeros(0, dtype=np.int64)
        self._before: IntArray = np.zeros(1, dtype=np.int64)

    def total(self, at_s: IntArray) -> IntArray:
        """Return int64[n]: what has really flowed."""
        demanded = self._load.total(at_s)
        if not self._relay.spans:
            return demanded
        self._refresh()
        place = np.searchsorted(self._since, at_s, side="right") - 1
        within = np.maximum(place, 0)
        last = self._load.total(np.minimum(at_s, self._until[within])) - self._load.total(self._since[within])
        missing = np.where(place >= 0, self._before[within] + last, 0)
        flowed: IntArray = demanded - missing
        return flowed

    def version(self) -> int:
        """Return a number that grows with every change of the relay or the load below."""
        return self._load.version() + self._relay.version()

    def _refresh(self) -> None:
        """Sum up what did not flow before each span, again when anything changed."""
        version = self.version()
        if version == self._known:
            return
        self._known = version
        spans = self._relay.spans
        endless = np.iinfo(np.int64).max
        self._since = np.array([since for since, _ in spans], dtype=np.int64)
        self._until = np.array([endless if until is None else until for _, until in spans], dtype=np.int64)
        ended = [self._load.total(bounds) for bounds in (self._since[:-1], self._until[:-1])]
        self._before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(ended[1] - ended[0])])
