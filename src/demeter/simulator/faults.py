"""Faults on demand: what can go wrong with a meter, its clock, its register and its line.

======== ============================================================= ==================================
fault    what it does                                                  parameters
======== ============================================================= ==================================
leak     continuous flow on top of the load                            ``litres_per_hour``
outage   the supply fails: nothing flows, nothing is captured          window
offline  the meter measures on, but nobody reaches it                  ``mode``: silent or closed
drift    the meter's clock runs ``seconds`` ahead (negative: behind)   ``seconds``
rollover the register passes the end of its dial at ``since``          ``since``
reset    the register starts again from zero at ``since``              ``since``
reboot   connections and associations are lost, silence follows        ``seconds`` of silence
slow     every answer is delayed                                       ``delay_ms``
garbage  bytes of answers are mutated                                  ``one_in`` answers, ``seed``
truncate answers are cut and the connection is closed                  ``bytes`` kept
refuse   every read is refused (temporary failure)                     window
replay   the previous answer is sent again instead of the new one      ``one_in`` answers
tamper   an event of IS 15959 begins; its restoration is the end       ``code`` (201: magnet)
weld     the contact of the load switch conducts on when it is opened  window
wrongkey the meter has other keys than anybody knows                   window
lost     firmware blocks are acknowledged but not kept                 ``one_in`` blocks
checksum the check of a transferred firmware image fails               window
unpushed the meter's pushes get lost on their way                      window
======== ============================================================= ==================================

``dead`` is another word for ``offline`` with ``mode`` closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np

from demeter.kernel import Invalid
from demeter.simulator.loads import Load, total_at
from demeter.simulator.noise import IntArray


class FaultKind(StrEnum):
    """The word a fleet file or the control socket uses."""

    LEAK = "leak"
    OUTAGE = "outage"
    OFFLINE = "offline"
    DRIFT = "drift"
    ROLLOVER = "rollover"
    RESET = "reset"
    REBOOT = "reboot"
    SLOW = "slow"
    GARBAGE = "garbage"
    TRUNCATE = "truncate"
    REFUSE = "refuse"
    REPLAY = "replay"
    TAMPER = "tamper"
    WELD = "weld"
    WRONG_KEY = "wrongkey"
    LOST_BLOCK = "lost"
    BAD_CHECKSUM = "checksum"
    UNPUSHED = "unpushed"


DEAD = "dead"
"""Another word for offline, closed."""

_FLOW = (FaultKind.LEAK, FaultKind.OUTAGE)
"""Faults that change what flows, and so what a bulk meter sums."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in force during ``[since_s, until_s)``, UTC epoch seconds; ``until_s`` None: until it is cleared."""

    fault: FaultKind
    since_s: int = 0
    until_s: int | None = None
    litres_per_hour: int = 0
    seconds: int = 0
    delay_ms: int = 0
    one_in: int = 1
    seed: int = 1
    bytes: int = 0
    code: int = 0
    mode: str = "silent"

    def active(self, at_s: int) -> bool:
        """Tell whether the fault is in force at an instant."""
        return self.since_s <= at_s and (self.until_s is None or at_s < self.until_s)


def parse_fault(record: Mapping[str, object], default_since_s: int = 0) -> Fault:
    """Build a fault from a record with ``fault`` and its parameters; ``since``/``until`` are ISO 8601 or epoch seconds.

    Raises:
        Invalid: an unknown fault or parameter, or a number that is none.
    """
    values = dict(record)
    word = str(values.pop("fault", ""))
    if word == DEAD:
        word, values["mode"] = FaultKind.OFFLINE.value, "closed"
    try:
        kind = FaultKind(word)
    except ValueError as unknown:
        known = ", ".join((*FaultKind, DEAD))
        raise Invalid(f"{word!r} is no fault", hint=f"known faults: {known}") from unknown
    since_s = parse_instant(values.pop("since_s", values.pop("since", default_since_s)))
    until = values.pop("until_s", values.pop("until", None))
    parameters = {field.name for field in fields(Fault)}
    numbers: dict[str, int] = {}
    mode = str(values.pop("mode", "silent"))
    for name, value in values.items():
        if name not in parameters or not isinstance(value, int) or isinstance(value, bool):
            raise Invalid(f"fault {kind} has no whole-number parameter {name!r}")
        numbers[name] = value
    if mode not in ("silent", "closed"):
        raise Invalid(f"offline mode {mode!r} is neither silent nor closed")
    until_s = None if until is None else parse_instant(until)
    if kind is FaultKind.REBOOT and until_s is None:
        until_s = since_s + max(numbers.get("seconds", 0), 1)
    if min(numbers.get("one_in", 1), numbers.get("delay_ms", 0) + 1, numbers.get("bytes", 0) + 1) < 1:
        raise Invalid(f"fault {kind}: one_in starts at 1, delay_ms and bytes at 0")
    if kind is FaultKind.TAMPER and not 1 <= numbers.get("code", 0) < 0xFFFF:
        raise Invalid("fault tamper needs the code of its event", hint="for instance code: 201, a magnet")
    return Fault(kind, since_s, until_s, mode=mode, **numbers)


def fault_record(fault: Fault) -> dict[str, object]:
    """Return the fault as JSON-ready values, defaults left out."""
    plain = Fault(fault.fault)
    values = asdict(fault)
    kept = {name: value for name, value in values.items() if value != getattr(plain, name)}
    return {"fault": fault.fault.value, **kept}


def parse_instant(value: object) -> int:
    """Return UTC epoch seconds of an instant given as such or as ISO 8601 with an offset.

    Raises:
        Invalid: it is neither.
    """
    if isinstance(value, int):
        return value
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as wrong:
        raise Invalid(f"{value!r} is no instant", hint="use ISO 8601 with an offset, or epoch seconds") from wrong
    if at.tzinfo is None:
        raise Invalid(f"{value!r} has no offset from UTC")
    return int(at.astimezone(UTC).timestamp())


class FaultBook:
    """The faults of one meter; may change at any moment while the meter is being read."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._faults = list(faults)
        self._version = 0
        self.changes = 0
        """How often the book changed at all."""

    def all(self) -> tuple[Fault, ...]:
        """Return every fault, in force or not."""
        return tuple(self._faults)

    def version(self) -> int:
        """Return how often the book changed in a way that changes what flows."""
        return self._version

    def add(self, fault: Fault) -> None:
        """Enter one more fault."""
        self._faults.append(fault)
        self.changes += 1
        self._version += fault.fault in _FLOW

    def clear(self, kind: FaultKind | None, at_s: int) -> int:
        """End every fault of a kind (None: of any kind) at an instant; return how many were in force or to come."""
        ended = 0
        for place, fault in enumerate(self._faults):
            if (kind is None or fault.fault is kind) and (fault.until_s is None or fault.until_s > at_s):
                self._faults[place] = _ending(fault, at_s)
                self.changes += 1
                self._version += fault.fault in _FLOW
                ended += 1
        return ended

    def of(self, kind: FaultKind) -> list[Fault]:
        """Return the faults of one kind."""
        return [fault for fault in self._faults if fault.fault is kind]

    def active(self, kind: FaultKind, at_s: int) -> Fault | None:
        """Return the last entered fault of a kind that is in force at an instant."""
        return next((fault for fault in reversed(self._faults) if fault.fault is kind and fault.active(at_s)), None)

    def drift_s(self, at_s: int) -> int:
        """Return by how many seconds the meter's clock runs ahead."""
        found = self.active(FaultKind.DRIFT, at_s)
        return 0 if found is None else found.seconds

    def unpowered(self, at_s: IntArray, period_s: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return bool[n]: whether the supply had failed during any part of the ``period_s`` that ends at each stamp."""
        missing = np.zeros(len(at_s), dtype=np.bool_)
        for fault in self.of(FaultKind.OUTAGE):
            ends = fault.until_s if fault.until_s is not None else np.iinfo(np.int64).max
            missing |= (at_s > fault.since_s) & (at_s - period_s < ends)
        return missing


def _ending(fault: Fault, at_s: int) -> Fault:
    values = {field.name: getattr(fault, field.name) for field in fields(Fault)}
    values["until_s"] = max(at_s, fault.since_s)
    return Fault(**values)


class FaultyLoad:
    """A load with its leaks added and its outages taken out."""

    def __init__(self, load: Load, book: FaultBook) -> None:
        self._load = load
        self._book = book

    def total(self, at_s: IntArray) -> IntArray:
        """Return int64[n]: what has really flowed."""
        flowed = self._load.total(at_s)
        for fault in self._book.of(FaultKind.OUTAGE):
            before = total_at(self._load, fault.since_s)
            until = at_s if fault.until_s is None else np.minimum(at_s, fault.until_s)
            flowed = flowed - np.where(at_s > fault.since_s, self._load.total(until) - before, 0)
        for fault in self._book.of(FaultKind.LEAK):
            until = at_s if fault.until_s is None else np.minimum(at_s, fault.until_s)
            flowed = flowed + np.maximum(until - fault.since_s, 0) * fault.litres_per_hour // 3600
        return flowed

    def version(self) -> int:
        """Return a number that grows with every change of the book or the load below."""
        return self._load.version() + self._book.version()
