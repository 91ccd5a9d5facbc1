"""What metering's routes send and accept.

Consumption is a decimal string in ``unit`` (kWh or kL), null when nothing is known: never "0" for missing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from demeter.estate.api import SiteAnswer
from demeter.identity.api import Id, Instant, Month, Text, Wire

Coverage = Annotated[
    float,  # float: a ratio for display, never computed with
    Field(ge=0, le=1, description="Share of the time, so far as it has passed, of which consumption is known."),
]
Role = Literal["unit", "bulk", "common"]
CommodityWord = Literal["electricity", "water"]
DisplayUnit = Literal["kWh", "kL"]
FlagCode = Literal["normal", "leak", "read_failure", "reconciled", "self_read", "no_readings", "partial", "needs_check"]
VerdictCode = Literal[
    "within_class_error",
    "technical_loss",
    "incomplete",
    "inconclusive",
    "suspicious",
    "negative",
    "not_possible",
]
ProofState = Literal["matches", "waiting", "differs"]
MissingReason = Literal["running", "not_computed", "not_published", "altered"]
Source = Literal["reading", "recorded at installation", "recorded at removal"]


class QualityAmount(Wire):
    """How much of a total is of one quality."""

    amount: str
    slots: int


Qualities = dict[str, QualityAmount]


class FlagAnswer(Wire):
    """The one thing to know about a service point's month, in a word, with since when and why."""

    code: FlagCode
    word: str
    since: Instant | None
    detail: str | None


class Destination(Wire):
    """Where a reading goes next: billing, helpdesk, accounting, a person."""

    to: str
    what: str | None


class UnitRow(Wire):
    """One commodity of one unit, bulk supply or common area in one month."""

    service_point_id: Id
    unit: str = Field(description="Label of the service point: a unit such as A-1204, or a bulk or common-area supply.")
    building: str
    role: Role
    commodity: CommodityWord
    consumption: str | None
    consumption_unit: DisplayUnit
    coverage: Coverage
    quality: Qualities
    flag: FlagAnswer
    last_read_at: Instant | None
    goes_to: list[Destination]
    revision: int | None = Field(description="Revision of the usage statement; null before the first.")


class UnitsSummary(Wire):
    """The sentence above the table, in numbers."""

    units: int
    meters: int
    read_today: int = Field(description="Meters with a reading of the site's present day.")
    meters_due: int = Field(description="Meters that are read by a schedule.")
    leaks: int
    read_failures: int
    self_reads: int
    to_check: int = Field(description="Rows whose registers and intervals disagree: not to be billed unseen.")
    no_readings: int = Field(description="Rows without a number: nothing is known, or it cannot be computed.")
    partial: int = Field(description="Rows with a number for a part of the time only.")


class UnitsAnswer(Wire):
    """Everything the units page shows."""

    site: SiteAnswer
    month: Month
    zone: str
    complete: bool = Field(description="Whether the month is over.")
    summary: UnitsSummary
    rows: list[UnitRow]


class ServicePointAnswer(Wire):
    """Where one commodity is delivered."""

    id: Id
    unit: str
    building: str
    role: Role
    commodity: CommodityWord
    site_id: Id
    zone: str


class RegisterAnswer(Wire):
    """A register at an instant."""

    at: Instant
    value: str
    unit: DisplayUnit
    quality: str
    meter_serial: str
    source: Source = Field(description="A reading, or a read from the record of the meter's installation or removal.")


class TotalAnswer(Wire):
    """A month's number and what is known about it."""

    consumption: str | None
    unit: DisplayUnit
    coverage: Coverage
    quality: Qualities
    opening: RegisterAnswer | None
    closing: RegisterAnswer | None
    bridged: str = Field(description="Part of the consumption that registers prove but no interval places in time.")
    bridged_slots: int
    revision: int | None
    published_at: Instant | None


class FlagWithEvidence(FlagAnswer):
    """A flag and the measurements that raised it."""

    until: Instant | None
    evidence: dict[str, Any] | None


class InstalledMeter(Wire):
    """A meter at the service point, from-to."""

    id: Id
    serial: str
    maker: str | None
    starts_at: Instant = Field(serialization_alias="from")
    ends_at: Instant | None = Field(serialization_alias="to")
    protocol: str | None


class ChannelAnswer(Wire):
    """One measured quantity of one meter."""

    id: Id
    meter_id: Id
    code: str = Field(description="OBIS code or another protocol's name of the quantity.")
    kind: Literal["register", "interval"]
    unit: str
    scaler: int
    interval_s: int


class ServicePointPage(Wire):
    """Everything the unit page shows about one commodity, except its series."""

    service_point: ServicePointAnswer
    month: Month
    total: TotalAnswer
    flags: list[FlagWithEvidence] = Field(
        min_length=1,
        description="First the one flag that the units page shows for this month, then what else is known of it.",
    )
    meters: list[InstalledMeter]
    channels: list[ChannelAnswer]


class IntervalsAnswer(Wire):
    """Interval consumption as columns: slot i covers ``[start_s + i·interval_s, … + interval_s)``, UTC."""

    start_s: int
    interval_s: int
    zone: str
    unit: Literal["Wh", "L"]
    scaler: int = Field(description="A value v means v × 10^scaler units.")
    values: list[int | None]
    quality: list[int] = Field(
        description="0 missing, 10 estimated, 20 substituted, 30 self-read, 40 measured, 50 suspect, 60 edited."
    )


class DayAnswer(Wire):
    """One site-local day."""

    day: str
    consumption: str | None
    coverage: Coverage
    quality: Qualities
    due: bool = Field(description="Whether a meter was installed on that day; false: nothing is missing.")


class DaysAnswer(Wire):
    """The days of a month."""

    unit: DisplayUnit
    days: list[DayAnswer]


class MonthAnswer(Wire):
    """One site-local month."""

    month: Month
    consumption: str | None
    coverage: Coverage
    quality: Qualities
    flag: FlagAnswer | None


class MonthsAnswer(Wire):
    """The months with readings, oldest first."""

    unit: DisplayUnit
    months: list[MonthAnswer]


class ExplainedDay(Wire):
    """One day, as kept and as derived again from the raw frames."""

    day: str
    consumption: str | None
    rederived: str | None
    coverage: Coverage
    slots: int
    matches: bool
    frames: list[Id] = Field(description="The raw frames that speak of the day.")


class ExplainedFrame(Wire):
    """A raw frame the meter sent, which readings of the month came from."""

    id: Id
    meter_id: Id
    received_at: Instant
    codec: str
    sha256: str = Field(description="Chains the frame to the meter's one before.")
    rows: int
    covers_start: Instant | None
    covers_end: Instant | None


class ExplainedEdit(Wire):
    """A value that was replaced: by what, by whom and why."""

    channel_id: Id
    at: Instant
    unit: str = Field(description="Unit of the channel, which ``old`` and ``new`` are in.")
    old: str | None
    new: str | None
    old_quality: str
    new_quality: str
    who: str
    why: str
    logged_at: Instant


class Difference(Wire):
    """Where the kept number and the frames do not agree."""

    at: str
    kept: str | None
    rederived: str | None
    detail: str


class HashChain(Wire):
    """Whether a meter's raw frames are all there and unchanged."""

    meter: str
    frames: int
    whole: bool
    reason: str


class Finding(Wire):
    """A check of the values that failed, over ``[start, end)``. It changes no value."""

    check: str
    start: Instant
    end: Instant
    detail: str


class Explanation(Wire):
    """The proof of a month's number."""

    state: ProofState = Field(
        description="matches; differs; or waiting: readings or a revision that came a moment ago are not worked in yet."
    )
    matches: bool = Field(description="Whether the state is matches.")
    statement: str = Field(description="The finding as a sentence.")
    month: Month
    revision: int | None
    unit: DisplayUnit
    consumption: str | None
    rederived: str | None
    days: list[ExplainedDay]
    frames: list[ExplainedFrame]
    edits: list[ExplainedEdit]
    chains: list[HashChain]
    findings: list[Finding]
    differences: list[Difference]


class SelfRead(Wire):
    """A register as a person read it."""

    at: Instant
    register_value: str = Field(
        alias="register",
        pattern=r"^\d{1,12}(\.\d{1,6})?$",
        description="The dial, in kWh or kL.",
        examples=["1234.567"],
    )
    note: Text = Field(default="", max_length=500)


class SelfReadAnswer(Wire):
    """What became of a self-read, after it was committed."""

    outcome: Literal["accepted", "accepted_with_flag", "rejected", "needs_check"]
    reason: str


class Share(Wire):
    """A unit's part of the common area."""

    unit: str
    share: str = Field(description="Fraction of the whole, as a decimal.")
    amount: str


class ReconciliationRow(Wire):
    """Bulk meter − units − metered common area = loss, for one building and commodity."""

    building: str
    commodity: CommodityWord
    unit: DisplayUnit
    bulk: str | None
    units: str | None
    common: str | None
    loss: str | None
    loss_percent: str | None
    uncertainty: str | None = Field(description="One standard deviation of the loss, from the meters' accuracy class.")
    coverage: Coverage
    verdict: str = Field(description="In words, with whose use the loss includes.")
    verdict_code: VerdictCode
    attention: bool = Field(description="Whether a person should look; false: a whole balance that explains itself.")
    excluded: list[str] = Field(description="Service points without enough readings; the loss includes their use.")
    by_self_read: str | None = Field(description="Part of units and common known from reads by hand, month only.")
    self_read_points: list[str] = Field(description="The service points of that part.")
    shared_by: str | None = Field(description="How the common area is shared out: by floor area, or equal.")
    shares: list[Share] = Field(description="None while a common meter has no number at all.")
    common_gaps: list[str] = Field(
        description="Common meters whose use is not, or not wholly, known, each with why; the shares lack it."
    )


class ReconciliationAnswer(Wire):
    """The reconciliation of a site's month."""

    month: Month
    rows: list[ReconciliationRow]


class RegisterRead(Wire):
    """A register in a usage statement: ``value`` × 10^``scaler`` base units."""

    at: str
    value: int
    scaler: int
    quality: str
    meter_serial: str
    source: Source


class QualityShare(Wire):
    """How much of a statement's total is of one quality."""

    amount: int
    slots: int


class MeterPart(Wire):
    """One meter's part of a statement's month; ``multiplier`` is ``1`` or a fraction such as ``25/2``."""

    serial: str
    start: str
    end: str
    opening: RegisterRead | None
    closing: RegisterRead | None
    multiplier: str


class UsageDocument(Wire):
    """A usage statement, ``usage/1``: the hand-off to billing. Amounts are ``amount`` × 10^``scaler`` ``unit``."""

    content_schema: str = Field(alias="schema")
    site_id: int
    site: str
    zone: str
    service_point_id: int
    service_point: str
    role: Role
    commodity: CommodityWord
    unit: str
    scaler: int
    month: Month
    start: str
    end: str
    amount: int | None
    bridged: int = Field(description="Part of the amount that registers prove but no interval places in time.")
    bridged_slots: int
    coverage_ppm: int
    opening: RegisterRead | None
    closing: RegisterRead | None
    qualities: dict[str, QualityShare]
    flags: list[str]
    interval_s: int
    intervals: list[int | None]
    revision: int
    supersedes: str | None
    published_at: str | None
    parts: list[MeterPart]
    content_hash: str


class MissingStatement(Wire):
    """A service point with a meter in the month and no statement to hand over."""

    service_point_id: Id
    service_point: str
    role: Role
    commodity: CommodityWord
    reason: MissingReason = Field(
        description="running: the month is not over; not_computed; not_published: a draft waits to be complete or old"
        " enough; altered: the stored document does not give its content hash."
    )


class UsageAnswer(Wire):
    """The newest statement of every service point of a site for one month, and whose statement is missing."""

    month: Month
    statements: list[UsageDocument]
    missing: list[MissingStatement]
