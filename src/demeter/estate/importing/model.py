"""What a row of an estate file says, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from demeter.estate.model import PointRole
from demeter.kernel import Commodity, Invalid


@dataclass(frozen=True, slots=True)
class RowError:
    """One mistake: where it stands, what is wrong, what to do. No field repeats a value of the file."""

    line: int
    column: str
    reason: str
    fix: str


class ImportRefused(Invalid):
    """Nothing was imported; ``errors`` are all the mistakes that were found."""

    def __init__(self, errors: Sequence[RowError]) -> None:
        """Take the mistakes, in the order of the file."""
        count = len(errors)
        super().__init__(
            f"{count} mistake{'' if count == 1 else 's'} in the file; nothing was imported",
            code="import_refused",
            hint="Mend them and import the whole file again: what is there already stays as it is.",
        )
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class MeterEntry:
    """The meter of a row. Reads in base units (Wh, L); ``secrets`` by their name.

    ``installed_at``: aware; None for a meter that is not installed yet.
    """

    serial: str
    protocol: str
    installed_at: datetime | None
    address: str = ""
    maker: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    dials: int = 0
    opening_read: Decimal | None = None
    multiplier: tuple[int, int] = (1, 1)
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class EstateRow:
    """A service point, where it is, and the meter there (None: not metered yet). ``line`` counts from 1.

    Without a building it is a meter in store: one that an exchange will install.
    """

    line: int
    building: str
    role: PointRole
    commodity: Commodity
    label: str
    unit: str = ""
    floor: str = ""
    area_dm2: int | None = None
    meter: MeterEntry | None = None
