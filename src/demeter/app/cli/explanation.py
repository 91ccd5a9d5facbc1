"""The proof of a month's number as text for a person, and as a JSON document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from demeter.kernel import Invalid, Quality, day_span
from demeter.metering import Explanation

FRAMES_SHOWN = 8


def explanation_text(proof: Explanation, shown: date | None = None) -> str:
    """Return the walk from the number to the frames, one finding per line.

    Intervals are listed for the day ``shown`` and for every day that does not match.
    """
    return "\n".join(_lines(proof, shown)) + "\n"


def explanation_document(proof: Explanation) -> dict[str, object]:
    """Return the whole proof as plain data: every instant an instant, not a count of seconds."""
    findings = [
        {"check": one.check, "start": _instant(one.start_s), "end": _instant(one.end_s), "detail": one.detail}
        for one in proof.findings
    ]
    return {**asdict(proof), "matches": proof.matches, "findings": findings}


def require_day(proof: Explanation, day: date | None) -> None:
    """Refuse a day the proof does not speak of.

    Raises:
        Invalid: with the days it speaks of.
    """
    known = [one.day for one in proof.days]
    if day is not None and day not in known:
        told = f"Days: {known[0]} to {known[-1]}" if known else "The month has not begun."
        raise Invalid(f"{day} is not a day of this proof", hint=told)


def _lines(proof: Explanation, shown: date | None) -> Iterator[str]:
    unit = proof.point.commodity.display_unit
    yield f"{proof.point.label} ({proof.point.commodity.value}), {proof.month:%B %Y}"
    yield f"  kept:                 {_amount(proof.consumption, unit)}  (statement revision {proof.revision or 'none'})"
    yield f"  derived from frames:  {_amount(proof.rederived, unit)}"
    yield f"  {proof.statement}"
    yield ""
    yield f"Days ({len(proof.days)}):   kept | derived again | known slots | frames"
    for day in proof.days:
        mark = "  " if day.matches else "≠ "
        frames = ", ".join(f"#{number}" for number in day.frames[:4]) + (" …" if len(day.frames) > 4 else "")
        coverage = f"{Decimal(day.coverage_ppm) / 10_000:.1f} % of {day.slots}"
        kept, again = _amount(day.consumption, unit), _amount(day.rederived, unit)
        yield f"  {mark}{day.day}  {kept} | {again} | {coverage} | {frames or 'none'}"
        if day.day == shown or not day.matches:
            yield from _intervals(proof, day.day)
    if shown is None:
        yield "  (the intervals of a day: --day YYYY-MM-DD; all of them: --json)"
    yield ""
    yield from _evidence(proof)


def _intervals(proof: Explanation, day: date) -> Iterator[str]:
    """Yield a line per interval of a site-local day, as derived again: its local times, its amount, its quality."""
    given = proof.intervals
    zone, span = ZoneInfo(given.zone), day_span(given.zone, day)
    first, last = (int(bound.timestamp() - given.start_s) // given.interval_s for bound in (span.start, span.end))
    for slot in range(max(first, 0), min(last, len(given.values))):
        start = datetime.fromtimestamp(given.start_s + slot * given.interval_s, zone)
        end = datetime.fromtimestamp(given.start_s + (slot + 1) * given.interval_s, zone)
        value = given.values[slot]
        amount = "—" if value is None else f"{Decimal(value).scaleb(given.scaler):f}"
        word = Quality(given.quality[slot]).word
        yield f"      {start:%H:%M}–{end:%H:%M}  {amount:>10} {given.unit}  {word}"


def _evidence(proof: Explanation) -> Iterator[str]:
    yield f"Edits and replaced values: {len(proof.edits)}"
    for edit in proof.edits:
        old, new = _own(edit.old, edit.unit), _own(edit.new, edit.unit)
        change = f"{old} ({edit.old_quality}) → {new} ({edit.new_quality})"
        yield f"  {edit.at.isoformat()}  {change}, {edit.who}: {edit.why}"
    yield f"Raw frames: {len(proof.frames)}"
    for frame in proof.frames[:FRAMES_SHOWN]:
        covers = f"{frame.covers_start} … {frame.covers_end}"
        yield f"  #{frame.id}  {frame.codec}  {frame.rows} rows  {covers}  sha256 {frame.sha256[:16]}…"
    if len(proof.frames) > FRAMES_SHOWN:
        yield f"  … and {len(proof.frames) - FRAMES_SHOWN} more (--json lists them all)"
    for chain in proof.chains:
        state = "whole" if chain.whole else f"BROKEN: {chain.reason}"
        yield f"Hash chain of meter {chain.meter}: {chain.frames} frames, {state}"
    for finding in proof.findings:
        yield f"Finding ({finding.check.value}) from {_instant(finding.start_s)}: {finding.detail}"
    for difference in proof.differences:
        again = f"kept {difference.kept}, derived {difference.rederived}"
        yield f"DIFFERENCE at {difference.at}: {again}: {difference.detail}"


def _instant(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat()


def _own(value: Decimal | None, unit: str) -> str:
    return "—" if value is None else f"{value:f} {unit}"


def _amount(value: Decimal | None, unit: str) -> str:
    return f"{'—':>12} {unit}" if value is None else f"{value:>12f} {unit}"
