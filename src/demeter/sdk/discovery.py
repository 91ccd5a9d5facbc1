"""What a meter shows of itself: its objects, what could be read of it, and what kind of meter it seems to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from demeter.sdk.driver import Nameplate


@dataclass(frozen=True, slots=True)
class DiscoveredObject:
    """An object the meter lists for the association in use.

    ``words``: what its name stands for; ``kind``: its class in words. ``typed``: the driver knows the class and
    version; ``described``: the meter profile, or the standard's naming, knows the name. Rights by number of attribute
    or method.
    """

    obis: str
    class_id: int
    version: int
    words: str
    kind: str
    typed: bool
    described: bool
    readable: tuple[int, ...]
    writable: tuple[int, ...]
    methods: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DiscoveredTable:
    """A table of rows: where, how often, how many, and its columns in words.

    ``role``: what Demeter reads it as (``block load``, ``events``, …; empty: it does not read it). ``taken``: the
    columns it takes readings from, each ``logical name: kind, unit, scaler``. ``period_s``: 0 where rows come by
    events; None where the meter does not tell.
    """

    obis: str
    words: str
    role: str
    period_s: int | None
    entries: int | None
    columns: tuple[str, ...]
    taken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Likeness:
    """How well a meter profile fits what the meter lists; ``percent`` of 100: the same objects."""

    meter_profile: str
    title: str
    percent: int


@dataclass(frozen=True, slots=True)
class MeterDiscovery:
    """All of it. ``fits``: meter profiles, the likeliest first; empty where none has much in common with the meter.

    ``meter_profile``: the one that reading goes by now; ``system_title`` in hexadecimal (empty: not told).
    """

    nameplate: Nameplate
    system_title: str
    meter_profile: str
    fits: tuple[Likeness, ...]
    tables: tuple[DiscoveredTable, ...]
    objects: tuple[DiscoveredObject, ...]

    @property
    def unknown(self) -> tuple[DiscoveredObject, ...]:
        """Return the objects nobody can name or whose class is not known; they stay readable as data."""
        return tuple(each for each in self.objects if not (each.typed and each.described))


@runtime_checkable
class DiscoveringSession(Protocol):
    """A session that can look at all its meter has."""

    async def discover(self) -> MeterDiscovery:
        """Read the meter's list of objects and what its tables record; changes nothing.

        Raises:
            ReadFailure: NOT_SUPPORTED, when the meter lists nothing to this association.
        """
        ...
