"""From metering's read models to what is sent: decimals become strings, parts per million a ratio, ids opaque."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

from demeter.estate.api import SiteAnswer
from demeter.kernel import Commodity
from demeter.metering import vee, views
from demeter.metering.api.models import (
    ChannelAnswer,
    Coverage,
    DayAnswer,
    Destination,
    Difference,
    DisplayUnit,
    ExplainedDay,
    ExplainedEdit,
    ExplainedFrame,
    Explanation,
    Finding,
    FlagAnswer,
    FlagWithEvidence,
    HashChain,
    InstalledMeter,
    IntervalsAnswer,
    MonthAnswer,
    Qualities,
    QualityAmount,
    ReconciliationRow,
    RegisterAnswer,
    ServicePointAnswer,
    ServicePointPage,
    Share,
    TotalAnswer,
    UnitRow,
    UnitsAnswer,
    UnitsSummary,
    VerdictCode,
)
from demeter.metering.proof import ExplainedDay as DayProof
from demeter.metering.proof import ExplainedEdit as EditProof
from demeter.metering.proof import ExplainedFrame as FrameProof
from demeter.metering.proof import Explanation as MonthProof
from demeter.metering.reconciliation import Verdict
from demeter.readings import Channel

PPM = 1_000_000
VERDICT_CODES: Mapping[Verdict, VerdictCode] = {
    Verdict.WITHIN_CLASS_ERROR: "within_class_error",
    Verdict.TECHNICAL_LOSS: "technical_loss",
    Verdict.INCOMPLETE: "incomplete",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.SUSPICIOUS: "suspicious",
    Verdict.NEGATIVE: "negative",
    Verdict.NOT_POSSIBLE: "not_possible",
}


def first_day(month: str | None) -> date | None:
    """Return the first day of ``YYYY-MM``."""
    return None if month is None else date.fromisoformat(f"{month}-01")


def month_word(month: date) -> str:
    """Return a month as ``YYYY-MM``."""
    return f"{month:%Y-%m}"


def display_unit(commodity: Commodity) -> DisplayUnit:
    """Return the unit consumption of a commodity is shown in."""
    return "kWh" if commodity is Commodity.ELECTRICITY else "kL"


def exact(amount: Decimal) -> str:
    """Return every digit of an amount, without an exponent."""
    return format(amount, "f")


def known(amount: Decimal | None) -> str | None:
    """Return every digit of an amount, None for an unknown one."""
    return None if amount is None else exact(amount)


def ratio(ppm: int) -> Coverage:
    """Return parts per million as a share of one."""
    return ppm / PPM


def qualities(shares: Mapping[str, views.QualityAmount]) -> Qualities:
    """Return a total's shares by quality word."""
    return {word: QualityAmount(amount=exact(share.amount), slots=share.slots) for word, share in shares.items()}


def flag(view: views.FlagView) -> FlagAnswer:
    """Return a flag without its evidence."""
    return FlagAnswer(code=view.code.value, word=view.word, since=view.since, detail=view.detail)


def flag_with_evidence(view: views.FlagView) -> FlagWithEvidence:
    """Return a flag with until when, and what raised it."""
    return FlagWithEvidence(
        code=view.code.value,
        word=view.word,
        since=view.since,
        detail=view.detail,
        until=view.until,
        evidence=None if view.evidence is None else dict(view.evidence),
    )


def units_answer(page: views.UnitsPage) -> UnitsAnswer:
    """Return the units page."""
    summary = page.summary
    return UnitsAnswer(
        site=SiteAnswer.of(page.site),
        month=month_word(page.month),
        zone=page.site.zone,
        complete=page.complete,
        summary=UnitsSummary(
            units=summary.units,
            meters=summary.meters,
            read_today=summary.read_today,
            meters_due=summary.meters_due,
            leaks=summary.leaks,
            read_failures=summary.read_failures,
            self_reads=summary.self_reads,
            to_check=summary.to_check,
            no_readings=summary.no_readings,
            partial=summary.partial,
        ),
        rows=[unit_row(row) for row in page.rows],
    )


def unit_row(row: views.UnitRow) -> UnitRow:
    """Return one row of the units page."""
    return UnitRow(
        service_point_id=str(row.service_point_id),
        unit=row.unit,
        building=row.building,
        role=row.role.value,
        commodity=row.commodity.value,
        consumption=known(row.consumption),
        consumption_unit=display_unit(row.commodity),
        coverage=ratio(row.coverage_ppm),
        quality=qualities(row.quality),
        flag=flag(row.flag),
        last_read_at=row.last_read_at,
        goes_to=[Destination(to=goal.to, what=goal.what) for goal in row.goes_to],
        revision=row.revision,
    )


def point_answer(page: views.PointPage) -> ServicePointPage:
    """Return the unit page of one commodity."""
    point, unit = page.point, display_unit(page.point.commodity)
    return ServicePointPage(
        service_point=ServicePointAnswer(
            id=str(point.id),
            unit=point.label,
            building=point.building,
            role=point.role.value,
            commodity=point.commodity.value,
            site_id=str(point.site_id),
            zone=page.site.zone,
        ),
        month=month_word(page.month),
        total=total(page.total, unit),
        flags=[flag_with_evidence(view) for view in page.flags],
        meters=[installed(meter) for meter in page.meters],
        channels=[channel(one) for one in page.channels],
    )


def total(view: views.TotalView, unit: DisplayUnit) -> TotalAnswer:
    """Return a month's number in ``unit``, and what is known about it."""
    return TotalAnswer(
        consumption=known(view.consumption),
        unit=unit,
        coverage=ratio(view.coverage_ppm),
        quality=qualities(view.quality),
        opening=register(view.opening, unit),
        closing=register(view.closing, unit),
        bridged=exact(view.bridged),
        bridged_slots=view.bridged_slots,
        revision=view.revision,
        published_at=view.published_at,
    )


def register(view: views.RegisterView | None, unit: DisplayUnit) -> RegisterAnswer | None:
    """Return a register at an instant, in ``unit``."""
    if view is None:
        return None
    return RegisterAnswer(
        at=view.at,
        value=exact(view.value),
        unit=unit,
        quality=view.quality,
        meter_serial=view.meter_serial,
        source=view.source.value,
    )


def installed(view: views.InstalledView) -> InstalledMeter:
    """Return a meter of the exchange history."""
    return InstalledMeter(
        id=str(view.id),
        serial=view.serial,
        maker=view.maker or None,
        starts_at=view.starts_at,
        ends_at=view.ends_at,
        protocol=view.protocol,
    )


def channel(found: Channel) -> ChannelAnswer:
    """Return a channel and its reading type."""
    kind = found.reading_type
    return ChannelAnswer(
        id=str(found.id),
        meter_id=str(found.meter_id),
        code=kind.obis,
        kind=kind.kind.value,
        unit=kind.unit,
        scaler=kind.scaler,
        interval_s=kind.interval_s,
    )


def intervals(view: views.IntervalsView) -> IntervalsAnswer:
    """Return interval consumption as columns."""
    return IntervalsAnswer(
        start_s=view.start_s,
        interval_s=view.interval_s,
        zone=view.zone,
        unit="Wh" if view.unit == "Wh" else "L",
        scaler=view.scaler,
        values=list(view.values),
        quality=list(view.quality),
    )


def day(view: views.DayView) -> DayAnswer:
    """Return one day."""
    return DayAnswer(
        day=view.day.isoformat(),
        consumption=known(view.consumption),
        coverage=ratio(view.coverage_ppm),
        quality=qualities(view.quality),
        due=view.due,
    )


def month(view: views.MonthView) -> MonthAnswer:
    """Return one month."""
    return MonthAnswer(
        month=month_word(view.month),
        consumption=known(view.consumption),
        coverage=ratio(view.coverage_ppm),
        quality=qualities(view.quality),
        flag=None if view.flag is None else flag(view.flag),
    )


def balance(view: views.BalanceView) -> ReconciliationRow:
    """Return one building's reconciliation."""
    found = view.balance
    return ReconciliationRow(
        building=view.building,
        commodity=view.commodity.value,
        unit=display_unit(view.commodity),
        bulk=known(view.shown(found.bulk)),
        units=known(view.shown(found.units)),
        common=known(view.shown(found.common)),
        loss=known(view.shown(found.loss)),
        loss_percent=known(view.loss_percent),
        uncertainty=known(view.shown(found.uncertainty)),
        coverage=ratio(found.coverage_ppm),
        verdict=found.sentence,
        verdict_code=VERDICT_CODES[found.verdict],
        attention=found.attention,
        excluded=list(view.excluded),
        by_self_read=known(view.shown(found.by_hand)) if found.hand_read else None,
        self_read_points=list(found.hand_read),
        shared_by=view.by or None,
        shares=[Share(unit=one.unit, share=exact(one.share), amount=exact(one.amount)) for one in view.shares],
        common_gaps=list(view.common_gaps),
    )


def explanation(proof: MonthProof) -> Explanation:
    """Return the proof of a month's number."""
    return Explanation(
        state=proof.state.value,
        matches=proof.matches,
        statement=proof.statement,
        month=month_word(proof.month),
        revision=proof.revision,
        unit=display_unit(proof.point.commodity),
        consumption=known(proof.consumption),
        rederived=known(proof.rederived),
        days=[explained_day(one) for one in proof.days],
        frames=[explained_frame(one) for one in proof.frames],
        edits=[explained_edit(one) for one in proof.edits],
        chains=[HashChain(meter=c.meter, frames=c.frames, whole=c.whole, reason=c.reason) for c in proof.chains],
        findings=[finding(one) for one in proof.findings],
        differences=[
            Difference(at=one.at, kept=one.kept, rederived=one.rederived, detail=one.detail)
            for one in proof.differences
        ],
    )


def explained_day(proof: DayProof) -> ExplainedDay:
    """Return a day as kept and as derived again."""
    return ExplainedDay(
        day=proof.day.isoformat(),
        consumption=known(proof.consumption),
        rederived=known(proof.rederived),
        coverage=ratio(proof.coverage_ppm),
        slots=proof.slots,
        matches=proof.matches,
        frames=[str(number) for number in proof.frames],
    )


def explained_frame(proof: FrameProof) -> ExplainedFrame:
    """Return a raw frame's description."""
    return ExplainedFrame(
        id=str(proof.id),
        meter_id=str(proof.meter_id),
        received_at=proof.received_at,
        codec=proof.codec,
        sha256=proof.sha256,
        rows=proof.rows,
        covers_start=proof.covers_start,
        covers_end=proof.covers_end,
    )


def explained_edit(proof: EditProof) -> ExplainedEdit:
    """Return an edit, by whom and why."""
    return ExplainedEdit(
        channel_id=str(proof.channel_id),
        at=proof.at,
        unit=proof.unit,
        old=known(proof.old),
        new=known(proof.new),
        old_quality=proof.old_quality,
        new_quality=proof.new_quality,
        who=proof.who,
        why=proof.why,
        logged_at=proof.logged_at,
    )


def finding(found: vee.Finding) -> Finding:
    """Return a failed check."""
    return Finding(
        check=found.check.value,
        start=datetime.fromtimestamp(found.start_s, UTC),
        end=datetime.fromtimestamp(found.end_s, UTC),
        detail=found.detail,
    )
