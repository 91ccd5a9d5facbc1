"""Cumulative registers: exact sums as a dial shows them, with rollover and reset."""

from __future__ import annotations

import numpy as np

from demeter.simulator.faults import FaultBook, FaultKind
from demeter.simulator.loads import Load, total_at
from demeter.simulator.noise import IntArray


class Register:
    """What a dial of ``modulus`` units shows: the opening index plus all that flowed, starting over at the modulus.

    A ``rollover`` fault chooses the opening index such that the dial ends at that instant; it therefore moves the
    whole past of the register and belongs into the fleet file or a test's first step. A ``reset`` fault makes the
    register begin at zero from its instant on, as a meter that lost its memory does.
    """

    def __init__(self, load: Load, opening: int, modulus: int, book: FaultBook) -> None:
        self._load = load
        self._opening = opening
        self._modulus = modulus
        self._book = book

    def index(self, at_s: IntArray) -> IntArray:
        """Return int64[n]: the dial at each UTC epoch second, in the load's unit."""
        opening = self._opening
        for fault in self._book.of(FaultKind.ROLLOVER):
            opening = self._modulus - total_at(self._load, fault.since_s)
        shown = self._load.total(at_s) + opening
        for fault in sorted(self._book.of(FaultKind.RESET), key=lambda found: found.since_s):
            at_reset = total_at(self._load, fault.since_s)
            shown = np.where(at_s >= fault.since_s, self._load.total(at_s) - at_reset, shown)
        dial: IntArray = shown % self._modulus
        return dial

    def index_at(self, at_s: int) -> int:
        """Return the dial at one instant."""
        return int(self.index(np.array([at_s], dtype=np.int64))[0])
