"""The proof of a month's number as text for a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from demeter.metering import Explanation

FRAMES_SHOWN = 8


def explanation_text(proof: Explanation) -> str:
    """Return the walk from the number to the frames, one finding per line."""
    return "\n".join(_lines(proof)) + "\n"


def _lines(proof: Explanation) -> Iterator[str]:
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
    yield ""
    yield from _evidence(proof)


def _evidence(proof: Explanation) -> Iterator[str]:
    yield f"Edits and replaced values: {len(proof.edits)}"
    for edit in proof.edits:
        change = f"{edit.old} ({edit.old_quality}) → {edit.new} ({edit.new_quality})"
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


def _amount(value: Decimal | None, unit: str) -> str:
    return f"{'—':>12} {unit}" if value is None else f"{value:>12f} {unit}"
