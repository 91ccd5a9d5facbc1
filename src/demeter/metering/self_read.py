"""A resident's own read of a register: checked for plausibility, audited, and kept with its proof.

What the person sent becomes a frame of the journal (codec ``self-read``), so the proof of a month reaches it like any
meter's frame. Accepted reads are readings of quality *self-read*: whatever the meter itself measured outranks them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import numpy as np

from demeter import estate, readings
from demeter.estate import MANUAL, Installation, Meter, ServicePoint
from demeter.ingest import IngestWriter, Receipt
from demeter.kernel import Commodity, Conflict, Invalid, Quality, Span
from demeter.metering.columns import UNIT_EXPONENT, is_consumption
from demeter.metering.index import Rules
from demeter.metering.offline import DEFAULT_THRESHOLD
from demeter.metering.store import hand_off
from demeter.metering.store.hand_off import SelfReadRow
from demeter.runtime.database import Database, Scope, UnitOfWork
from demeter.sdk import Credentials, Delivery, FailureKind, Frame, ReadFailure, ReadingKind, ReadingType, Series

CODEC = "self-read"
PERMISSION = "metering.self_read"
RECEIVED = "received"
"""On record before ingest gets it; its outcome follows."""

WHOLE_UNIT = 3
"""A dial that no channel describes counts whole kWh or kL, 10^3 base units: so does ``Meter.dials``."""

OBIS = {Commodity.ELECTRICITY: "1.0.1.8.0.255", Commodity.WATER: "8.0.1.0.0.255"}
NATIVE_UNIT = {Commodity.ELECTRICITY: "Wh", Commodity.WATER: "L"}
FINE_STEP = -3
LOOK_BACK = timedelta(days=400)
BAND_HIGH = 3
BAND_LOW = 4
"""More than three times the usual daily use, or less than a quarter of it, is accepted with a flag."""

AHEAD = timedelta(minutes=5)


class Outcome(StrEnum):
    """What became of a self-read. Only the first two are readings."""

    ACCEPTED = "accepted"
    ACCEPTED_WITH_FLAG = "accepted_with_flag"
    REJECTED = "rejected"
    NEEDS_CHECK = "needs_check"


@dataclass(frozen=True, slots=True)
class SelfRead:
    """What a person sent: the register in kWh or kL as the dial shows it, read at the aware instant ``at``."""

    at: datetime
    register: Decimal
    note: str = ""


@dataclass(frozen=True, slots=True)
class SelfReadResult:
    """The outcome and its reason, as a sentence."""

    outcome: Outcome
    reason: str

    @property
    def taken(self) -> bool:
        """Tell whether the read counts."""
        return self.outcome in {Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_FLAG}


@dataclass(frozen=True, slots=True)
class KnownRead:
    """A register read that is known already, in base units."""

    at: datetime
    register: Decimal
    quality: Quality


Deliver = Callable[[Delivery], Receipt]
"""Hands a delivery to ingest and returns after its commit."""


def judge(
    given: SelfRead, known: Sequence[KnownRead], now: datetime, rules: Rules, circle: Decimal | None
) -> SelfReadResult:
    """Check a read against those already known (in order of time). Pure.

    Args:
        given: what the person sent.
        known: reads of the same meter, in base units.
        now: the present instant, aware.
        rules: the physical cap per hour.
        circle: where the register rolls over, in base units; None: it does not.
    """
    value = given.register * 1000
    if given.at > now + AHEAD:
        return SelfReadResult(Outcome.REJECTED, "it was taken in the future")
    if value < 0 or (circle is not None and value >= circle):
        return SelfReadResult(Outcome.REJECTED, "the meter's dials cannot show it")
    same = [read for read in known if read.at == given.at]
    if same and any(read.register != value for read in same):
        return SelfReadResult(Outcome.NEEDS_CHECK, f"{_shown(same[0].register)} is on record for the same instant")
    before = [read for read in known if read.at < given.at]
    after = [read for read in known if read.at > given.at]
    if after and value > after[0].register:
        return SelfReadResult(
            Outcome.NEEDS_CHECK, f"a later read, of {after[0].at:%Y-%m-%d}, is lower: {_shown(after[0].register)}"
        )
    if not before:
        return SelfReadResult(Outcome.ACCEPTED, "first read of this meter")
    return _against_last(given, value, before, rules, circle)


def _against_last(
    given: SelfRead, value: Decimal, before: Sequence[KnownRead], rules: Rules, circle: Decimal | None
) -> SelfReadResult:
    last = before[-1]
    used = value - last.register
    rolled = used < 0 and circle is not None and last.register * 10 >= circle * 9
    if rolled and circle is not None:
        used += circle
    if used < 0:
        return SelfReadResult(
            Outcome.REJECTED, f"it is lower than the last read, {_shown(last.register)} on {last.at:%Y-%m-%d}"
        )
    hours = Decimal(int((given.at - last.at).total_seconds())) / 3600
    if used > rules.cap_per_hour * max(hours, Decimal(1)):
        return SelfReadResult(Outcome.REJECTED, f"{_shown(used)} since {last.at:%Y-%m-%d} is more than can flow")
    usual = _usual_per_day(before)
    days = hours / 24
    if rolled:
        return SelfReadResult(Outcome.ACCEPTED_WITH_FLAG, "the register has rolled over since the last read")
    if usual is not None and days >= 1 and used > usual * days * BAND_HIGH:
        text = f"{_shown(used)} in {days:.0f} days is more than {BAND_HIGH} times the usual"
        return SelfReadResult(Outcome.ACCEPTED_WITH_FLAG, text)
    if usual is not None and days >= 1 and used * BAND_LOW < usual * days:
        text = f"{_shown(used)} in {days:.0f} days is less than a quarter of the usual"
        return SelfReadResult(Outcome.ACCEPTED_WITH_FLAG, text)
    return SelfReadResult(Outcome.ACCEPTED, f"{_shown(used)} since {last.at:%Y-%m-%d}")


def _usual_per_day(before: Sequence[KnownRead]) -> Decimal | None:
    """Return the mean daily use between the first and the last known read, if a week or more lies between them."""
    first, last = before[0], before[-1]
    days = Decimal(int((last.at - first.at).total_seconds())) / 86_400
    used = last.register - first.register
    return used / days if days >= 7 and used > 0 else None


def _shown(base: Decimal) -> str:
    text = format(base / 1000, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def submit_self_read(
    database: Database, scope: Scope, service_point_id: int, given: SelfRead, deliver: Deliver
) -> SelfReadResult:
    """Judge a self-read, audit it, and hand an accepted one to ingest.

    That it was received is committed before ingest gets it, and its outcome after that: a kill anywhere leaves no
    reading without its entry. An entry without an outcome was not answered; sending the read again completes it.

    Raises:
        Denied: the scope lacks ``metering.self_read``.
        NotFound: no such service point in the scope.
        Conflict: no meter is installed there, or the meter reads itself.
        Invalid: more than six decimals, or a time without zone; or ingest refused it.
    """
    scope.require(PERMISSION)
    if given.at.tzinfo is None:
        raise Invalid("the time of a read needs a zone", code="naive_time")
    with database.unit_of_work(scope) as work:
        point = estate.service_point(work, service_point_id)
        installation, meter = _installed(work, point, given.at)
        _refuse_live_meter(work, point, meter, given.at)
        known = known_reads(work, meter, installation, given.at)
        circle = Decimal(10) ** (meter.dials + _step(work, meter)) if meter.dials else None
        result = judge(given, known, work.now(), Rules.of(point.commodity), circle)
        if not result.taken:
            _record(work, point, meter, given, result.outcome, result.reason)
            return result
        delivery = _delivery(work, meter, point, given)
        received_id = _record(work, point, meter, given, RECEIVED, result.reason)
    receipt = deliver(delivery)
    refused = receipt.refusals[0].detail if receipt.refusals else None
    outcome, reason = (result.outcome, result.reason) if refused is None else (Outcome.REJECTED, refused)
    with database.unit_of_work(scope) as work:
        _record(work, point, meter, given, outcome, reason, received_id)
    if refused is not None:
        raise Invalid(refused, code="refused")
    return result


def _installed(work: UnitOfWork, point: ServicePoint, at: datetime) -> tuple[Installation, Meter]:
    for installation in estate.installations_at(work, point.id):
        if installation.starts_at <= at and (installation.ends_at is None or at <= installation.ends_at):
            return installation, estate.meter(work, installation.meter_id)
    raise Conflict(
        f"no meter was installed at {point.label} ({point.commodity.value}) at {at.isoformat()}",
        code="no_meter",
        hint="Install a meter of protocol 'manual' first.",
    )


def _refuse_live_meter(work: UnitOfWork, point: ServicePoint, meter: Meter, at: datetime) -> None:
    if meter.protocol != MANUAL and _reads_itself(work, meter, at):
        raise Conflict(
            f"the meter of {point.label} ({point.commodity.value}) reads itself",
            code="meter_reads_itself",
            hint="A self-read is for units without a smart meter, or one that does not answer.",
        )


def _reads_itself(work: UnitOfWork, meter: Meter, at: datetime) -> bool:
    """Tell whether the meter itself sent consumption, registers or intervals, within a day of ``at``."""
    own = [
        c for c in readings.channels(work, meter.site_id, [meter.id]) if is_consumption(meter.commodity, c.reading_type)
    ]
    found = readings.read(work, own, Span(at - DEFAULT_THRESHOLD, at + DEFAULT_THRESHOLD))
    return any(bool(np.isin(column.quality, (Quality.MEASURED, Quality.SUSPECT)).any()) for column in found.values())


def known_reads(work: UnitOfWork, meter: Meter, installation: Installation, at: datetime) -> list[KnownRead]:
    """Return the register reads of a meter around ``at``, with the installation's own, in base units and order."""
    found = [
        KnownRead(when, read, Quality.MEASURED)
        for when, read in (
            (installation.starts_at, installation.opening_read),
            (installation.ends_at, installation.closing_read),
        )
        if when is not None and read is not None
    ]
    channels = [
        channel
        for channel in readings.channels(work, meter.site_id, [meter.id])
        if channel.reading_type.kind is ReadingKind.REGISTER and is_consumption(meter.commodity, channel.reading_type)
    ]
    columns = readings.read(work, channels, Span(at - LOOK_BACK, at + LOOK_BACK))
    for channel in channels:
        kind = channel.reading_type
        step = Decimal(1).scaleb(kind.scaler + UNIT_EXPONENT[kind.unit])
        own = columns[channel.id]
        found += [
            KnownRead(datetime.fromtimestamp(at_s, UTC), value * step, Quality(code))
            for at_s, value, code in zip(own.at_s.tolist(), own.values.tolist(), own.quality.tolist(), strict=True)
        ]
    inside = [r for r in found if r.at >= installation.starts_at and r.at <= (installation.ends_at or r.at)]
    return sorted(inside, key=lambda read: (read.at, read.register))


def _own_types(work: UnitOfWork, meter: Meter) -> list[ReadingType]:
    return [
        channel.reading_type
        for channel in readings.channels(work, meter.site_id, [meter.id])
        if channel.reading_type.kind is ReadingKind.REGISTER and is_consumption(meter.commodity, channel.reading_type)
    ]


def _step(work: UnitOfWork, meter: Meter) -> int:
    """Return the power of ten, in base units, of one step of the register that ``Meter.dials`` counts."""
    own = [kind for kind in _own_types(work, meter) if kind.interval_s]
    return min((kind.scaler + UNIT_EXPONENT[kind.unit] for kind in own), default=WHOLE_UNIT)


def reading_type(commodity: Commodity, unit: str, register: Decimal) -> ReadingType:
    """Return the reading type of a self-read in the meter's ``unit``: steps of 1 Wh or L, finer if the read is."""
    step = 0 if register * 1000 == int(register * 1000) else FINE_STEP
    return ReadingType(OBIS[commodity], ReadingKind.REGISTER, unit, step - UNIT_EXPONENT[unit], 0)


def _delivery(work: UnitOfWork, meter: Meter, point: ServicePoint, given: SelfRead) -> Delivery:
    # one OBIS code of a meter has one unit, so a self-read speaks in the unit the meter's own register has
    unit = min((kind.unit for kind in _own_types(work, meter)), default=NATIVE_UNIT[point.commodity])
    content = {
        "at": given.at.astimezone(UTC).isoformat(),
        "register": format(given.register, "f"),
        "unit": point.commodity.display_unit,
        "channel_unit": unit,
        "note": given.note,
        "by": work.scope.actor,
    }
    payload = json.dumps(content, sort_keys=True, ensure_ascii=False).encode()
    context = {"obis": OBIS[point.commodity], "service_point_id": point.id}
    frame = Frame(CODEC, payload, work.now(), context)
    return Delivery(meter.id, frame, SelfReadDecoder().decode(frame, Credentials({})))


def _record(
    work: UnitOfWork,
    point: ServicePoint,
    meter: Meter,
    given: SelfRead,
    outcome: str,
    reason: str,
    received_id: int | None = None,
) -> int:
    """Put a self-read on record and into the audit; return the record's id."""
    actor, now = work.scope.actor, work.now()
    row = SelfReadRow(
        point.id, meter.id, given.at, given.register * 1000, str(outcome), reason, given.note, actor, now, received_id
    )
    detail: Mapping[str, object] = {
        "at": given.at.isoformat(),
        "register": str(given.register),
        "outcome": str(outcome),
        "reason": reason,
        "meter": meter.serial,
    }
    work.audit("self_read.submit" if received_id is None else "self_read.outcome", f"service_point:{point.id}", detail)
    return hand_off.append_self_read(work, point.site_id, row)


def deliver_now(database: Database, organization_id: int) -> Deliver:
    """Return a way to hand one delivery to ingest on a connection of its own."""

    def deliver(delivery: Delivery) -> Receipt:
        with IngestWriter(database) as writer:
            return writer.write_now([delivery], organization_id)[0]

    return deliver


class SelfReadDecoder:
    """Decodes what a person sent, for the store and for the proof (entry point group ``demeter.decoders``)."""

    codec = CODEC

    def decode(self, frame: Frame, credentials: Credentials) -> tuple[Series, ...]:
        """Return one register reading of quality self-read.

        Raises:
            ReadFailure: the payload is not what :func:`submit_self_read` writes.
        """
        del credentials
        try:
            content = json.loads(frame.payload)
            at_s = int(datetime.fromisoformat(content["at"]).timestamp())
            commodity = next(c for c in Commodity if c.display_unit == content["unit"])
            register = Decimal(content["register"])
            kind = reading_type(commodity, content["channel_unit"], register)
            value = register.scaleb(3 - UNIT_EXPONENT[kind.unit] - kind.scaler)
        except (ValueError, KeyError, TypeError, StopIteration, ArithmeticError) as error:
            raise ReadFailure(FailureKind.GARBLED, f"not a self-read: {error}") from error
        if value != int(value):
            raise Invalid("a read has at most six decimals", code="inexact")
        column = (np.array([at_s], dtype=np.int64), np.array([int(value)], dtype=np.int64))
        return (Series(kind, *column, np.array([Quality.SELF_READ], dtype=np.uint8)),)
