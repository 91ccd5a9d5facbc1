"""An assessed month as the statement handed to billing (``contracts.usage``)."""

from __future__ import annotations

from datetime import UTC, datetime

from demeter.contracts.usage import MeterPart, QualityShare, RegisterRead, UsageStatement
from demeter.estate import ServicePoint, Site
from demeter.kernel import Quality
from demeter.metering import index
from demeter.metering.assess import Assessment
from demeter.metering.index import BOUNDARY_DAYS, DAY_S

NEAR_S = BOUNDARY_DAYS * DAY_S


def iso(at_s: int) -> str:
    """Return UTC epoch seconds as ISO 8601."""
    return datetime.fromtimestamp(at_s, UTC).isoformat()


def statement(site: Site, point: ServicePoint, result: Assessment) -> UsageStatement:
    """Return the content of a month's statement; its bytes depend on estate and readings only."""
    placed, total = result.placed, result.total
    found = placed.registers.parts
    parts = tuple(_part(part, placed.scaler) for part in found)
    opening, closing = _at_bounds(result)
    known = placed.known().tolist()
    amounts = placed.amounts.tolist()
    return UsageStatement(
        site_id=site.id,
        site=site.name,
        zone=site.zone,
        service_point_id=point.id,
        service_point=point.label,
        role=point.role.value,
        commodity=point.commodity.value,
        unit=point.commodity.base_unit,
        scaler=placed.scaler,
        month=f"{result.month:%Y-%m}",
        start=iso(placed.start_s),
        end=iso(placed.end_s),
        amount=total.amount,
        bridged=total.bridged,
        bridged_slots=total.bridged_slots,
        coverage_ppm=total.coverage_ppm,
        opening=_read(opening, found[0].serial, placed.scaler) if found else None,
        closing=_read(closing, found[-1].serial, placed.scaler) if found else None,
        qualities={
            quality.word: QualityShare(share.amount, share.slots) for quality, share in sorted(total.qualities.items())
        },
        flags=result.flags,
        interval_s=placed.interval_s,
        intervals=tuple(amount if there else None for amount, there in zip(amounts, known, strict=True)),
        parts=parts,
    )


def _at_bounds(result: Assessment) -> tuple[index.Read | None, index.Read | None]:
    """Return the reads that stand for the month's bounds: the first and the last, unless they are far from them."""
    parts = result.placed.registers.parts
    if not parts:
        return None, None
    first, last = parts[0], parts[-1]
    ends_s = min(last.end_s, result.until_s)
    opening = first.opening if first.opening and abs(first.opening.at_s - first.start_s) <= NEAR_S else None
    closing = last.closing if last.closing and abs(last.closing.at_s - ends_s) <= NEAR_S else None
    return opening, closing


def _read(one: index.Read | None, serial: str, scaler: int) -> RegisterRead | None:
    if one is None:
        return None
    return RegisterRead(iso(one.at_s), one.value, scaler, Quality(one.quality).word, serial, one.source.value)


def _part(part: index.MeterPart, scaler: int) -> MeterPart:
    multiplier = str(part.multiplier_num)
    if part.multiplier_den != 1:
        multiplier = f"{part.multiplier_num}/{part.multiplier_den}"
    return MeterPart(
        part.serial,
        iso(part.start_s),
        iso(part.end_s),
        _read(part.opening, part.serial, scaler),
        _read(part.closing, part.serial, scaler),
        multiplier,
    )
