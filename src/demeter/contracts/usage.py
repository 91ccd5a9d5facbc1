"""``usage/1``: the versioned statement metering hands to billing, one per service point and calendar month.

A statement is self-contained: who consumes it never sees a reading. Amounts are exact integers of base units (Wh, L)
times 10**``scaler``; instants are ISO 8601 in UTC; the month is the site's own. The content hash covers everything but
``revision``, ``supersedes`` and ``published_at``, so equal content has an equal hash and is never published twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

SCHEMA = "usage/1"
TOPIC = "usage.statement"
UNHASHED = ("revision", "supersedes", "published_at", "content_hash")


@dataclass(frozen=True, slots=True)
class RegisterRead:
    """A register at an instant, as the meter shows it: ``value`` x 10**``scaler`` base units, before its multiplier.

    ``source``: ``reading``, or that the read was ``recorded at installation`` or ``recorded at removal``.
    """

    at: str
    value: int
    scaler: int
    quality: str
    meter_serial: str
    source: str = "reading"


@dataclass(frozen=True, slots=True)
class MeterPart:
    """One meter's part of the month: installed ``[start, end)`` of it, its first and last read there.

    They are two reads: a single one stands at the end it is nearer to. Consumption is their difference times
    ``multiplier`` (``"1"`` or a fraction such as ``"25/2"``).
    """

    serial: str
    start: str
    end: str
    opening: RegisterRead | None
    closing: RegisterRead | None
    multiplier: str


@dataclass(frozen=True, slots=True)
class QualityShare:
    """How much of a total is of one quality: amount (scaled as the statement) and number of slots."""

    amount: int
    slots: int


@dataclass(frozen=True, slots=True)
class UsageStatement:
    """What one service point used in one month of its site, and how well that is known.

    ``amount``: None when nothing is known (never 0 for missing). ``coverage_ppm``: slots accounted for, per million of
    those since a meter was first installed. ``qualities``: quality word → share; amounts add up to ``amount``, slots
    (with ``missing``) to those due. ``intervals``: one entry per slot of ``interval_s`` from ``start``; None: missing.
    ``bridged``: the part of ``amount`` that registers prove but no interval places in time (``bridged_slots`` of
    them): known intervals + ``bridged`` = ``amount``. ``opening``/``closing``: the register at the period's bounds, at
    most three days away from them; None where nothing was read; ``parts``: the first and last of every meter.
    ``flags``: leak, read_failure, self_read, partial, needs_check (registers and intervals disagree: do not bill
    before a person has looked), …
    """

    site_id: int
    site: str
    zone: str
    service_point_id: int
    service_point: str
    role: str
    commodity: str
    unit: str
    scaler: int
    month: str
    start: str
    end: str
    amount: int | None
    bridged: int
    bridged_slots: int
    coverage_ppm: int
    opening: RegisterRead | None
    closing: RegisterRead | None
    qualities: Mapping[str, QualityShare]
    flags: tuple[str, ...]
    interval_s: int
    intervals: tuple[int | None, ...]
    parts: tuple[MeterPart, ...]
    revision: int = 0
    supersedes: str | None = None
    published_at: str | None = None
    schema: str = SCHEMA

    def document(self) -> dict[str, object]:
        """Return the statement as JSON-ready data, with its content hash."""
        fields = self._fields()
        return {**fields, "content_hash": _hash(fields)}

    def _fields(self) -> dict[str, object]:
        # asdict alone would copy thousands of intervals one by one
        large = {"flags": list(self.flags), "intervals": list(self.intervals)}
        return {**asdict(replace(self, flags=(), intervals=())), **large}

    def text(self) -> str:
        """Return the document as canonical JSON: equal statements have equal bytes."""
        return canonical(self.document())

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> UsageStatement:
        """Return the statement a document stands for; the inverse of :meth:`document`.

        Raises:
            ValueError: its content does not give the hash it carries.
        """
        fields = {name: value for name, value in document.items() if name != "content_hash"}
        fields["opening"], fields["closing"] = _read(fields["opening"]), _read(fields["closing"])
        fields["qualities"] = {word: QualityShare(**share) for word, share in fields["qualities"].items()}
        fields["flags"], fields["intervals"] = tuple(fields["flags"]), tuple(fields["intervals"])
        fields["parts"] = tuple(
            MeterPart(**{**part, "opening": _read(part["opening"]), "closing": _read(part["closing"])})
            for part in fields["parts"]
        )
        made = cls(**fields)
        if made.content_hash() != document["content_hash"]:
            message = f"the content of {made.service_point} {made.month} does not give its hash"
            raise ValueError(message)
        return made

    def content_hash(self) -> str:
        """Return the SHA-256 (hex) of the canonical JSON of the content."""
        return _hash(self._fields())


def _hash(fields: Mapping[str, object]) -> str:
    content = {name: value for name, value in fields.items() if name not in UNHASHED}
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def _read(document: Mapping[str, Any] | None) -> RegisterRead | None:
    return None if document is None else RegisterRead(**document)


def canonical(content: Mapping[str, object]) -> str:
    """Return JSON with sorted names and no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
