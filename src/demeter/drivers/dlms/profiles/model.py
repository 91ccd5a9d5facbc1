"""What a meter profile says: objects, tables, events, push layouts, associations of a kind of meter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject
from demeter.protocols.dlms.push import Layout


class EventKind(StrEnum):
    """What a meter event says about time."""

    OCCURRENCE = "occurrence"
    """Something began; its restoration, where there is one, ends it."""
    RESTORATION = "restoration"
    """What began is over."""
    CHANGE = "change"
    """Something was done, at one instant."""


@dataclass(frozen=True, slots=True)
class EventCode:
    """One code of an event log. ``pair``: the code that ends, or began, what this one tells of."""

    code: int
    group: str
    kind: EventKind
    meaning: str
    pair: int | None = None
    vendor: str = ""


@dataclass(frozen=True, slots=True)
class EventGroup:
    """One event log; ``first`` to ``last``: the codes that belong to it by their number, where the standard says so."""

    key: str
    name: str
    log: Obis
    code: Obis
    sequence: Obis | None = None
    entries: int | None = None
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class NamedObject:
    """An object a meter of this kind may have."""

    obis: Obis
    class_id: int
    name: str


@dataclass(frozen=True, slots=True)
class ProfileTable:
    """A profile generic (class 7) and what it usually captures; the meter's own capture objects always decide."""

    key: str
    obis: Obis
    name: str
    captures: tuple[CaptureObject, ...]
    scaler_obis: Obis | None = None
    period_obis: Obis | None = None
    entries: int | None = None


@dataclass(frozen=True, slots=True)
class AssociationInfo:
    """How a client associates: ``mechanism`` none, lls or hls; names of counter and security setup."""

    name: str
    obis: Obis
    client_sap: int
    mechanism: str
    counter: Obis | None = None
    security: Obis | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where the facts of a file come from, and which of them nobody could check."""

    origin: tuple[str, ...]
    unverified: tuple[str, ...]


@dataclass(frozen=True)
class MeterProfile:
    """A kind of meter, with everything of the files it builds on and of the overlays asked for."""

    id: str
    title: str
    standard: str
    sources: Mapping[str, Source]
    commodity: str
    phases: int | None
    objects: Mapping[Obis, NamedObject] = field(default_factory=dict)
    tables: Mapping[str, ProfileTable] = field(default_factory=dict)
    event_groups: Mapping[str, EventGroup] = field(default_factory=dict)
    events: Mapping[int, EventCode] = field(default_factory=dict)
    pushes: Mapping[str, Layout] = field(default_factory=dict)
    associations: Mapping[str, AssociationInfo] = field(default_factory=dict)

    def event(self, code: int, log: Obis | None = None) -> EventCode:
        """Return what a code means. A code nobody wrote down is named by its number, in the group of its log or range.

        ``log``: the logical name of the event log, or of its event code object, the code was read from.
        """
        known = self.events.get(code)
        if known is not None:
            return known
        group = self._group_of(code, log)
        where = f"{group.name.lower()} log" if group else "no known log"
        meaning = f"Event {code} ({where}), not in the profile {self.id}"
        return EventCode(code, group.key if group else "", EventKind.CHANGE, meaning)

    def _group_of(self, code: int, log: Obis | None) -> EventGroup | None:
        groups = self.event_groups.values()
        by_log = next((group for group in groups if log is not None and log in (group.log, group.code)), None)
        if by_log is not None or log is not None:
            return by_log
        return next(
            (group for group in groups if group.first and group.last and group.first <= code <= group.last), None
        )

    def table_of(self, obis: Obis) -> ProfileTable | None:
        """Return the table of a logical name."""
        return next((table for table in self.tables.values() if table.obis == obis), None)
