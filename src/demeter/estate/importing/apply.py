"""Brings an estate to what the rows of a file say. Running it again with the same rows changes nothing.

New things are made. Of what is there, only how a unit or meter is described may change (floor, area, maker, protocol,
address, options) and keys may be added; what numbers depend on (place, commodity, dials, multiplier, reads) is never
changed by a file. A key the meter had before is not brought back: it may have been replaced since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from demeter.estate import store
from demeter.estate.importing.model import EstateRow, ImportRefused, MeterEntry, RowError
from demeter.estate.model import Building, Installation, Meter, MeterPlan, ServicePoint, Site, Unit
from demeter.estate.service import (
    PointPlan,
    buildings,
    create_building,
    create_meter,
    create_service_point,
    create_unit,
    install,
    installations,
    service_point,
    service_points,
    units,
)
from demeter.kernel import Commodity
from demeter.runtime.database import UnitOfWork
from demeter.runtime.secrets import SecretBox

PERMISSION = "estate.write"


@dataclass(slots=True)
class Report:
    """How many things were made, how many that were there changed, and how many rows said nothing new."""

    rows: int = 0
    made: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    unchanged: int = 0


def import_rows(work: UnitOfWork, box: SecretBox, site: Site, rows: Sequence[EstateRow], source: str) -> Report:
    """Bring a site's estate to what the rows say, in the caller's transaction; ``source`` goes into the audit trail.

    Raises:
        Denied: the scope lacks ``estate.write``.
        ImportRefused: a row contradicts what is there; the caller's transaction must not be committed.
    """
    work.scope.require(PERMISSION)
    run = _Import(work, box, site, rows)
    for row in rows:
        run.take(row)
    if run.errors:
        raise ImportRefused(run.errors)
    report = run.report
    if report.made or report.changed:
        detail = {"file": source, "made": dict(report.made), "changed": dict(report.changed)}
        work.audit("estate.import", f"site:{site.id}", detail)
    return report


class _Import:
    """One run: what is there, by what the file calls it, and what comes of the rows."""

    def __init__(self, work: UnitOfWork, box: SecretBox, site: Site, rows: Sequence[EstateRow]) -> None:
        self._work, self._box, self._site = work, box, site
        self.report, self.errors = Report(len(rows)), list[RowError]()
        self._buildings: dict[str, Building] = {b.name: b for b in buildings(work, site.id)}
        self._units: dict[str, Unit] = {u.label: u for u in units(work, site.id)}
        self._points = {(p.label, p.commodity): p for p in service_points(work, site.id)}
        serials = [row.meter.serial for row in rows if row.meter]
        found = store.meters(work, "WHERE serial = ANY(%s)", (serials,))
        self._meters: dict[str, Meter] = {meter.serial: meter for meter in found}
        self._of_point: dict[int, list[Installation]] = {}
        self._of_meter: dict[int, list[Installation]] = {}
        for one in installations(work, site.id):
            self._of_point.setdefault(one.service_point_id, []).append(one)
            self._of_meter.setdefault(one.meter_id, []).append(one)

    def take(self, row: EstateRow) -> None:
        """Bring the estate to what one row says."""
        before = self.report.made.total() + self.report.changed.total()
        refused = next(self._contradictions(row), None)
        if refused:
            self.errors.append(refused)
            return
        point = self._point(row) if row.building else None
        if row.meter:
            self._meter(row.commodity, point, row.meter)
        if before == self.report.made.total() + self.report.changed.total():
            self.report.unchanged += 1

    def _contradictions(self, row: EstateRow) -> Iterator[RowError]:
        """Yield where a row says otherwise than what is there and may not be changed."""
        if not row.building:
            yield from self._known_otherwise(row)
            return
        building = self._buildings.get(row.building)
        unit, point = self._units.get(row.unit), self._points.get((row.label, row.commodity))
        if unit and (building is None or unit.building_id != building.id):
            yield RowError(row.line, "building", "the unit is there already, in another building", "Correct either.")
        if point and (point.role is not row.role or building is None or point.building_id != building.id):
            fix = "Correct the role or building, or choose another name."
            yield RowError(row.line, "service_point", "is there already, in another role or building", fix)
        if point and unit and point.unit_id != unit.id:
            yield RowError(row.line, "service_point", "is there already, of another unit", "Choose another name.")
        if row.meter:
            yield from self._contradicted_meter(row, row.meter, point)

    def _known_otherwise(self, row: EstateRow) -> Iterator[RowError]:
        meter = self._meters.get(row.meter.serial) if row.meter else None
        if meter and (meter.site_id != self._site.id or meter.commodity is not row.commodity):
            reason = "is there already, at another site or of another commodity"
            yield RowError(row.line, "serial", reason, "Serials are unique: look for the mistake in either.")
        if meter and row.meter and meter.dials != row.meter.dials:
            yield RowError(row.line, "dials", f"the meter is there already, with {meter.dials}", "Write that.")

    def _contradicted_meter(self, row: EstateRow, entry: MeterEntry, point: ServicePoint | None) -> Iterator[RowError]:
        yield from self._known_otherwise(row)
        meter = self._meters.get(entry.serial)
        mine = self._of_meter.get(meter.id, []) if meter else []
        here = [one for one in mine if point and one.service_point_id == point.id]
        if here:
            yield from _differs(row.line, entry, here[0])
        elif any(one.ends_at is None for one in mine):
            yield RowError(row.line, "serial", "is installed elsewhere", "A meter is in one place at a time.")
        elif point and any(one.ends_at is None for one in self._of_point.get(point.id, ())):
            fix = "Import the new one without a place, then exchange them with both reads: demeter meter exchange"
            yield RowError(row.line, "serial", "another meter is installed there", fix)

    def _point(self, row: EstateRow) -> ServicePoint:
        building_id = self._building(row.building)
        unit_id = self._unit(row, building_id) if row.unit else None
        known = self._points.get((row.label, row.commodity))
        if known:
            return known
        plan = PointPlan(building_id, row.role, row.commodity, row.label, unit_id)
        made = service_point(self._work, create_service_point(self._work, self._site.id, plan))
        self._points[row.label, row.commodity] = made
        self.report.made["service points"] += 1
        return made

    def _building(self, name: str) -> int:
        if name not in self._buildings:
            made = create_building(self._work, self._site.id, name)
            self._buildings[name] = Building(made, self._site.id, name)
            self.report.made["buildings"] += 1
        return self._buildings[name].id

    def _unit(self, row: EstateRow, building_id: int) -> int:
        site_id, known = self._site.id, self._units.get(row.unit)
        if known is None:
            made = create_unit(self._work, site_id, building_id, row.unit, floor=row.floor, area_dm2=row.area_dm2)
            known = Unit(made, site_id, building_id, row.unit, row.floor, row.area_dm2)
            self.report.made["units"] += 1
        told = (row.floor or known.floor, known.area_dm2 if row.area_dm2 is None else row.area_dm2)
        if told != (known.floor, known.area_dm2):
            store.update_unit(self._work, known.id, *told)
            known = Unit(known.id, site_id, building_id, row.unit, *told)
            self.report.changed["units"] += 1
        self._units[row.unit] = known
        return known.id

    def _meter(self, commodity: Commodity, point: ServicePoint | None, entry: MeterEntry) -> None:
        known = self._meters.get(entry.serial)
        plan = MeterPlan(
            entry.serial,
            commodity,
            entry.protocol,
            entry.installed_at or self._work.now(),
            address=entry.address,
            maker=entry.maker,
            options=entry.options,
            dials=entry.dials,
        )
        if known is None:
            meter_id = create_meter(self._work, self._site.id, plan)
            self.report.made["meters"] += 1
        else:
            meter_id = known.id
            if any(getattr(known, name) != getattr(plan, name) for name in store.DESCRIBED):
                store.describe_meter(self._work, meter_id, plan)
                self.report.changed["meters"] += 1
        if point and entry.installed_at:
            self._install(point, meter_id, entry, entry.installed_at)
        self._keys(f"meter:{meter_id}", entry, there=known is not None)

    def _install(self, point: ServicePoint, meter_id: int, entry: MeterEntry, at: datetime) -> None:
        if any(one.service_point_id == point.id for one in self._of_meter.get(meter_id, ())):
            return
        install(self._work, point, meter_id, at, opening_read=entry.opening_read, multiplier=entry.multiplier)
        self.report.made["installations"] += 1

    def _keys(self, subject: str, entry: MeterEntry, *, there: bool) -> None:
        known = self._box.open_versions(self._work, subject) if there and entry.secrets else {}
        for name, value in entry.secrets.items():
            if value not in known.get(name, ()):
                self._box.seal(self._work, subject, name, value)
                (self.report.changed if known.get(name) else self.report.made)["keys"] += 1


def _differs(line: int, entry: MeterEntry, installed: Installation) -> Iterator[RowError]:
    fix = "Correct the file: what numbers depend on is not changed by importing it."
    recorded = (installed.multiplier_num, installed.multiplier_den)
    for column, same in (
        ("installed_at", entry.installed_at == installed.starts_at),
        ("opening_read", entry.opening_read in (None, installed.opening_read)),
        ("multiplier", entry.multiplier == recorded),
    ):
        if not same:
            yield RowError(line, column, "differs from what is recorded of the meter's installation", fix)
