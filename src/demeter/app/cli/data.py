"""Commands about data: sites, meters, users, usage export, proof."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated

import typer

from demeter import estate, headend, identity, metering
from demeter.app.cli import output
from demeter.app.cli.explanation import explanation_document, explanation_text, require_day
from demeter.app.cli.root import app
from demeter.app.proof import keys_of_meters
from demeter.app.wiring import Wiring, opened, writing
from demeter.kernel import DAY, Commodity, Conflict, Invalid, NotFound
from demeter.runtime.database import Scope, UnitOfWork

FIRST_YEAR, LAST_YEAR = 1970, 2199
FIRST_USER = "Begin with: demeter user add --organization NAME --create-organization --email ADDRESS --name NAME"
site_app = typer.Typer(help="Sites.", no_args_is_help=True)
meter_app = typer.Typer(help="Meters.", no_args_is_help=True)
usage_app = typer.Typer(help="Usage statements: the hand-off to billing.", no_args_is_help=True)
user_app = typer.Typer(help="People who may sign in.", no_args_is_help=True)
for name, group in (("site", site_app), ("meter", meter_app), ("usage", usage_app), ("user", user_app)):
    app.add_typer(group, name=name)

SiteOption = Annotated[str, typer.Option("--site", help="Name or number of the site; needed if there are several.")]
MonthOption = Annotated[str, typer.Option("--month", help="YYYY-MM, in the site's time zone.")]
OrganizationOption = Annotated[str, typer.Option("--organization", help="Needed if there are several.")]


@contextmanager
def working(
    context: typer.Context, organization: str = "", *, snapshot: bool = False
) -> Iterator[tuple[Wiring, UnitOfWork]]:
    """Open the installation and a unit of work as the machine's owner, in the one (or named) organization."""
    with opened(context.obj) as wiring:
        scope = owners_scope(wiring, organization)
        with wiring.database.unit_of_work(scope, snapshot=snapshot) as work:
            yield wiring, work


def owners_scope(wiring: Wiring, organization: str = "") -> Scope:
    """Return the scope of the machine's owner in the one (or named) organization.

    Raises:
        NotFound: no such organization, or none yet. Conflict: there are several and none is named.
    """
    return Scope.system(organization_of(wiring, organization), f"cli:{getpass.getuser()}")


def organization_of(wiring: Wiring, name: str) -> int:
    """Return the organization named, or the only one.

    Raises:
        NotFound: there is none of that name, or none at all.
        Conflict: there are several and none was named.
    """
    if name:
        found = identity.organization_named(wiring.database, name)
        if found is None:
            known = ", ".join(identity.organization_names(wiring.database)) or "none yet"
            raise NotFound(f"no organization {name!r}", hint=f"Organizations: {known}")
        return found
    ids = wiring.database.organization_ids()
    if len(ids) > 1:
        raise Conflict("there are several organizations", hint="Name one with --organization.")
    if not ids:
        raise NotFound("there is no organization yet", hint=FIRST_USER)
    return ids[0]


def site_of(work: UnitOfWork, name: str) -> estate.Site:
    """Return the site named, or the only one.

    Raises:
        NotFound: there is none of that name, or none at all.
        Invalid: there are several and none was named.
    """
    if name:
        return estate.site_named(work, name)
    sites = estate.sites(work)
    if not sites:
        raise NotFound("there is no site yet", hint="Make one: demeter site add --name NAME --zone ZONE")
    if len(sites) > 1:
        known = ", ".join(s.name for s in sites)
        raise Invalid(f"there are {len(sites)} sites", hint=f"Name one with --site: {known}")
    return sites[0]


@site_app.command("list")
@output.command
def site_list(context: typer.Context, organization: OrganizationOption = "", as_json: output.JsonFlag = False) -> None:
    """List the sites."""
    with working(context, organization) as (_, work):
        sites = estate.sites(work)
    if as_json:
        output.print_json(sites)
    else:
        output.print_table("Sites", ("id", "name", "zone"), [(s.id, s.name, s.zone) for s in sites])


@site_app.command("add")
@output.command
def site_add(
    context: typer.Context,
    name: Annotated[str, typer.Option("--name")],
    zone: Annotated[str, typer.Option("--zone", help="IANA time zone, for example Asia/Kolkata.")],
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217.")] = "INR",
    locale: Annotated[str, typer.Option("--locale", help="How numbers and dates are written there.")] = "en-IN",
    organization: OrganizationOption = "",
    dry_run: output.DryRunFlag = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Make a site: a place with one time zone. Its buildings, units and meters come with `demeter estate import`."""
    with opened(context.obj) as wiring:
        scope = Scope.system(organization_of(wiring, organization), f"cli:{getpass.getuser()}")
        with writing(wiring.database, scope, dry_run=dry_run) as work:
            site_id = estate.create_site(work, name, zone, currency=currency, locale=locale)
            work.audit("estate.site_added", f"site:{site_id}", {"name": name, "zone": zone})
    if as_json:
        output.print_json({"id": None if dry_run else site_id, "name": name, "zone": zone})
    else:
        output.say(f"The site {name} can be made." if dry_run else f"The site {name} is made.")


@meter_app.command("list")
@output.command
def meter_list(
    context: typer.Context,
    site: SiteOption = "",
    organization: OrganizationOption = "",
    as_json: output.JsonFlag = False,
) -> None:
    """List a site's meters with when they were last read, and why not."""
    with working(context, organization) as (_, work):
        place = site_of(work, site)
        known = {meter.id: meter for meter in estate.meters(work, place.id)}
        rows = headend.meter_rows(work, place.id)
    if as_json:
        output.print_json(
            [{"serial": known[r.meter_id].serial, "address": known[r.meter_id].address, **_fields(r)} for r in rows]
        )
        return
    table = [
        (r.meter_id, known[r.meter_id].serial, r.state, f"{r.received}/{r.due}", r.read_until, r.last_failure)
        for r in rows
    ]
    output.print_table(
        f"Meters of {place.name}", ("id", "serial", "state", "reads", "read until", "last failure"), table
    )


@site_app.command("performance")
@output.command
def site_performance(
    context: typer.Context,
    site: SiteOption = "",
    days: Annotated[int, typer.Option("--days", help="How many of the site's days, today included.", min=1)] = 7,
    organization: OrganizationOption = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Tell how many reads were due and came within 15 minutes, 4 and 24 hours, and why reads failed."""
    with working(context, organization) as (_, work):
        place = site_of(work, site)
        today = headend.last_week(work, place.id)[1]
        found = headend.reading_performance(work, place.id, today - (days - 1) * DAY, today)
        serials = {meter.id: meter.serial for meter in estate.meters(work, place.id)}
    if as_json:
        output.print_json({"zone": place.zone, "serials": serials, **_document(found)})
        return
    levels = [("all meters", found.site), *((serials[level.meter_id or 0], level) for level in found.meters)]
    rows = [(name, *map(_share, (each.within_15min, each.within_4h, each.within_24h))) for name, each in levels]
    title = f"Reads of {place.name}, {found.since} to {found.until}: received of those due"
    output.print_table(title, ("meter", "within 15 min", "within 4 h", "within 24 h"), rows)
    reasons = [(each.reason, each.meters, each.sessions, each.last_at, each.last_detail) for each in found.failures]
    output.print_table("Why reads failed", ("reason", "meters", "sessions", "last at", "what was said"), reasons)


def _share(kept: headend.Kept) -> str:
    return f"{kept.received}/{kept.due}" + (f" ({kept.received / kept.due:.1%})" if kept.due else "")


def _document(found: headend.ReadingPerformance) -> dict[str, object]:
    plain = output.plain(found)
    assert isinstance(plain, dict)
    return plain


def _fields(row: headend.MeterRow) -> dict[str, object]:
    plain = output.plain(row)
    assert isinstance(plain, dict)
    return plain


@usage_app.command("export")
@output.command
def usage_export(
    context: typer.Context,
    month: MonthOption,
    site: SiteOption = "",
    file_format: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    organization: OrganizationOption = "",
) -> None:
    """Print the usage statements of a site's month: what metering hands to billing. No money in it, ever.

    Exit code 7 where service points are without a statement; stderr names them, JSON has them under ``missing``.
    """
    if file_format not in {"csv", "json"}:
        raise Invalid(f"unknown format {file_format!r}", hint="Use --format csv or --format json.")
    first_day = month_first(month)
    with working(context, organization) as (_, work):
        place = site_of(work, site)
        found = metering.usage(work, place.id, first_day)
    sys.stdout.write((metering.usage_csv if file_format == "csv" else metering.usage_json)(found))
    if found.missing:
        output.complain(f"Partial: {len(found.missing)} service points have no statement of {month}:")
        for one in found.missing:
            output.complain(f"  {one.point.label} ({one.point.commodity.value}): {metering.MISSING_WORDS[one.reason]}")
        raise typer.Exit(output.PARTIAL)


def month_first(text: str) -> date:
    """Return the first day of a month written YYYY-MM.

    Raises:
        Invalid: it is not a month.
    """
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        first = date.min
    if not FIRST_YEAR <= first.year <= LAST_YEAR:  # what calendars of all zones can compute with
        raise Invalid(f"{text!r} is not a month", hint="Write it as YYYY-MM, for example 2026-10.")
    return first


def day_of(text: str) -> date:
    """Return a day written YYYY-MM-DD.

    Raises:
        Invalid: it is not a day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text!r} is not a day", hint="Write it as YYYY-MM-DD, for example 2026-10-15.") from None


@app.command()
@output.command
def explain(
    context: typer.Context,
    unit: Annotated[str, typer.Option("--unit", help="For example A-1204, or a named point such as 'Tower A bulk'.")],
    commodity: Annotated[Commodity, typer.Option("--commodity")],
    month: MonthOption,
    day: Annotated[str, typer.Option("--day", help="List the intervals of this day too, YYYY-MM-DD.")] = "",
    site: SiteOption = "",
    organization: OrganizationOption = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Prove a month's number: walk from it to days, intervals, edits and raw frames, and derive it again from those."""
    first_day, shown = month_first(month), day_of(day) if day else None
    with working(context, organization, snapshot=True) as (wiring, work):
        place = site_of(work, site) if site else None
        point = estate.service_point_of(work, unit, commodity, place.id if place else None)
        keys = keys_of_meters(wiring.secrets, work)
        explanation = metering.explain(work, point.id, first_day, wiring.decoders(), keys)
    require_day(explanation, shown)
    if as_json:
        output.print_json(explanation_document(explanation))
    else:
        sys.stdout.write(explanation_text(explanation, shown))
    if not explanation.matches:
        raise typer.Exit(output.PARTIAL if explanation.state is metering.ProofState.WAITING else 1)


@user_app.command("add")
@output.command
def user_add(
    context: typer.Context,
    email: Annotated[str, typer.Option("--email")],
    name: Annotated[str, typer.Option("--name")],
    role: Annotated[str, typer.Option("--role")] = "organization_administrator",
    organization: OrganizationOption = "",
    create_organization: Annotated[
        bool, typer.Option("--create-organization", help="Make the organization named, which must not be there yet.")
    ] = False,
    dry_run: output.DryRunFlag = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Add somebody who may sign in; prints a one-time password."""
    with opened(context.obj) as wiring:
        owner = 0  # not made yet
        if create_organization:
            _require_new(wiring, organization)
        else:
            owner = organization_of(wiring, organization)
        identity.check_account(wiring.database, email, name, role)
        password = None if dry_run else identity.new_password()
        if password is not None:
            owner = owner or identity.create_organization(wiring.database, organization)
            with wiring.database.unit_of_work(Scope.system(owner, f"cli:{getpass.getuser()}")) as work:
                identity.create_user(work, email, name, role, password)
    if as_json:
        output.print_json({"email": email, "name": name, "role": role, "password": password})
    elif password is None:
        output.say(f"{name} can be added as {email}.")
    else:
        output.say(f"{name} may sign in as {email}. One-time password:")
        typer.echo(password)


def _require_new(wiring: Wiring, organization: str) -> None:
    """Refuse to make an organization that has no name or is there."""
    if not organization:
        raise Invalid("--create-organization makes the organization named", hint="Name it with --organization.")
    if identity.organization_named(wiring.database, organization) is not None:
        raise Conflict(
            f"there is already an organization {organization!r}", hint="Leave --create-organization out to use it."
        )
