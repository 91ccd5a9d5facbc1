"""The command that lists what meters noted themselves."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from demeter import estate, headend
from demeter.app.cli import output
from demeter.app.cli.data import OrganizationOption, meter_app, working
from demeter.app.cli.meter import MeterArgument, meter_named
from demeter.headend import EventFilter, StoredEvent
from demeter.kernel import Span
from demeter.runtime.database import UnitOfWork
from demeter.sdk import EventValue

FORMATS = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]
FIRST, LAST = datetime.fromisoformat("0001-01-01T00:00Z"), datetime.fromisoformat("9999-12-31T00:00Z")

SinceOption = Annotated[datetime | None, typer.Option("--since", formats=FORMATS, help="2026-12-01T00:00+0530")]
UntilOption = Annotated[datetime | None, typer.Option("--until", formats=FORMATS, help="Not included.")]
GroupOption = Annotated[str, typer.Option("--group", help="One log: voltage, current, power, transaction, other, …")]
OpenFlag = Annotated[bool, typer.Option("--open", help="Only what still lasts.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=10_000)]


@meter_app.command("events")
@output.command
def events(
    context: typer.Context,
    meter: MeterArgument,
    since: SinceOption = None,
    until: UntilOption = None,
    group: GroupOption = "",
    only_open: OpenFlag = False,
    limit: LimitOption = 200,
    organization: OrganizationOption = "",
    as_json: output.JsonFlag = False,
) -> None:
    """List what a meter noted itself, newest first: outages, tampering, switching, settings changed."""
    span = Span(since or FIRST, until or LAST) if since or until else None
    with working(context, organization) as (_, work):
        known = meter_named(work, meter)
        found = headend.meter_events(work, known.id, wanted=EventFilter(span, group, open=only_open, limit=limit))
        zone = _zone(work, known)
    if as_json:
        output.print_json(found)
        return
    columns = ("at", "code", "log", "what", "until", "measured")
    output.print_table(f"Events of meter {known.serial} ({zone})", columns, [_row(each, zone) for each in found])


def _zone(work: UnitOfWork, meter: estate.Meter) -> str:
    return estate.site(work, meter.site_id).zone


def _row(event: StoredEvent, zone: str) -> tuple[object, ...]:
    doubt = " (clock in doubt)" if event.doubtful else ""
    end = "still" if event.open else _local(event.until, zone)
    measured = ", ".join(_measured(value) for value in event.values)
    return (_local(event.at, zone) + doubt, event.code, event.group, event.meaning, end, measured)


def _local(at: datetime | None, zone: str) -> str:
    return "" if at is None else f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"


def _measured(value: EventValue) -> str:
    return f"{value.obis} {Decimal(value.value).scaleb(value.scaler):f} {value.unit}"
