"""The command that enters a meter exchange: the old meter's last read, the new one's first, and the multiplier."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated

import typer

from demeter import estate, metering
from demeter.app.cli import data, output
from demeter.kernel import Commodity, Invalid

BASE_PER_SHOWN = 1000  # Wh in a kWh, litres in a kL


class _LookedOnly(Exception):
    """Ends a dry run's transaction without a commit."""


def _undo() -> None:
    raise _LookedOnly


@data.meter_app.command("exchange")
@output.command
def meter_exchange(
    context: typer.Context,
    unit: Annotated[str, typer.Option("--unit", help="For example A-1204, or a named point such as 'Tower A bulk'.")],
    commodity: Annotated[Commodity, typer.Option("--commodity")],
    at: Annotated[str, typer.Option("--at", help="When, ISO 8601 with its offset: 2026-10-15T11:30+05:30.")],
    closing: Annotated[str, typer.Option("--closing", help="Last read of the old meter, in kWh or kL as it shows.")],
    new_meter: Annotated[str, typer.Option("--new-meter", help="Serial of the new meter, which must be known.")],
    opening: Annotated[str, typer.Option("--opening", help="First read of the new meter, in kWh or kL.")],
    reason: Annotated[str, typer.Option("--reason", help="Stands in the audit trail.")],
    multiplier: Annotated[
        str, typer.Option("--multiplier", help="Of the new meter, such as 40 or 25/2; else the old one's stays.")
    ] = "",
    site: data.SiteOption = "",
    organization: data.OrganizationOption = "",
    dry_run: output.DryRunFlag = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Enter that a meter was exchanged; the months since then are computed anew, published ones get a revision."""
    made = 0
    try:
        with data.working(context, organization) as (wiring, work):
            place = estate.site_named(work, site) if site else None
            point = estate.service_point_of(work, unit, commodity, place.id if place else None)
            exchange = estate.Exchange(
                instant(at),
                dial(closing),
                estate.meter_with_serial(work, new_meter).id,
                dial(opening),
                reason,
                fraction(multiplier) if multiplier else None,
            )
            policy = metering.Policy(offline_after=timedelta(hours=wiring.settings.read_failure_after_h))
            made = metering.exchange_meter(work, point, exchange, policy)
            before, after = estate.installations_at(work, point.id)[-2:]
            if dry_run:
                _undo()
    except _LookedOnly:
        pass
    found = {
        "installation_id": None if dry_run else str(made),
        "service_point_id": str(point.id),
        "at": exchange.at,
        "old_meter_id": str(before.meter_id),
        "new_meter_id": str(after.meter_id),
        "multiplier": f"{after.multiplier_num}/{after.multiplier_den}",
        "dry_run": dry_run,
    }
    if as_json:
        output.print_json(found)
    else:
        times = f"multiplier {after.multiplier_num}/{after.multiplier_den}"
        what = f"{point.label} ({point.commodity.value}): meter {new_meter} from {exchange.at.isoformat()}, {times}"
        output.say(f"Would enter: {what}" if dry_run else f"Entered: {what}")


def instant(text: str) -> datetime:
    """Return an aware instant.

    Raises:
        Invalid: it is none, or its offset is missing.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Invalid(f"{text!r} is no instant with its offset", hint="For example 2026-10-15T11:30+05:30.")
    return found


def dial(text: str) -> Decimal:
    """Return a register as it shows (kWh, kL) in base units (Wh, L).

    Raises:
        Invalid: it is no decimal number.
    """
    try:
        shown = Decimal(text)
    except InvalidOperation:
        shown = Decimal("NaN")
    if not shown.is_finite():
        raise Invalid(f"{text!r} is no register read", hint="Write it as the dial shows it, for example 1234.567.")
    return shown * BASE_PER_SHOWN


def fraction(text: str) -> tuple[int, int]:
    """Return a multiplier as numerator and denominator.

    Raises:
        Invalid: it is no number.
    """
    try:
        found = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise Invalid(f"{text!r} is no multiplier", hint="Write it as 40, 12.5 or 25/2.") from None
    return found.numerator, found.denominator
