"""The command that looks at all a meter shows: before it is set up, or when something about it is odd."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from demeter import headend
from demeter.app.cli import output
from demeter.app.cli.data import OrganizationOption, meter_app, owners_scope
from demeter.app.cli.meter import meter_named
from demeter.app.wiring import Wiring, opened
from demeter.headend import Place
from demeter.kernel import Invalid, NotFound, Unavailable
from demeter.sdk import Credentials, DiscoveredObject, DiscoveredTable, Endpoint, MeterDiscovery

HEXADECIMAL = ("encryption_key", "authentication_key", "signing_key", "master_key")

WHERE = "METER|HOST:PORT"
WhereArgument = Annotated[str, typer.Argument(help="Serial or number of a meter, or HOST:PORT.", metavar=WHERE)]
KeyFileOption = Annotated[
    Path | None,
    typer.Option("--key-file", help="For HOST:PORT: a TOML file with encryption_key, authentication_key, password."),
]
OptionOption = Annotated[
    list[str] | None, typer.Option("--option", help="For HOST:PORT: an option of the driver, such as server_sap=2.")
]
ObjectsFlag = Annotated[bool, typer.Option("--objects", help="List every object, not only the unknown ones.")]
SaveFlag = Annotated[bool, typer.Option("--save", help="Keep the result; how the meter is read stays the same.")]
ProtocolOption = Annotated[str, typer.Option("--protocol", help="For HOST:PORT: the driver.")]


@meter_app.command("discover")
@output.command
def discover(
    context: typer.Context,
    where: WhereArgument,
    key_file: KeyFileOption = None,
    option: OptionOption = None,
    objects: ObjectsFlag = False,
    save: SaveFlag = False,
    protocol: ProtocolOption = "dlms",
    organization: OrganizationOption = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Ask a meter what it has: its objects and rights, its tables, what kind it is, and what would be read of it."""
    with opened(context.obj) as wiring:
        scope = owners_scope(wiring, organization)
        meter_id: int | None = None
        if is_address(where):
            if save:
                raise Invalid("only what a meter of the estate shows can be saved", hint="Name its serial.")
            place = place_at(where, protocol, key_file, option or ())
        else:
            with wiring.database.unit_of_work(scope) as work:
                meter_id = meter_named(work, where).id
                place = headend.place_of(work, wiring.secrets, meter_id)
        found = asyncio.run(look(wiring, place))
        if save and meter_id is not None:
            with wiring.database.unit_of_work(scope) as work:
                headend.keep_discovery(work, meter_id, found)
    if as_json:
        output.print_json({**asdict(found), "unknown": [each.obis for each in found.unknown]})
    else:
        show(found, every=objects)


def is_address(where: str) -> bool:
    """Tell an address from the name of a meter: it ends with a port."""
    host, _, port = where.rpartition(":")
    return bool(host) and port.isdecimal()


def place_at(address: str, protocol: str, key_file: Path | None, options: Sequence[str]) -> Place:
    """Return where to look by an address; without keys as the public client.

    Raises:
        Invalid: an option or key file cannot be understood. NotFound: there is no such file.
    """
    given: dict[str, object] = {}
    for each in options:
        name, equals, value = each.partition("=")
        if not equals:
            raise Invalid(f"{each!r} is no option", hint="Write NAME=VALUE.")
        given[name] = int(value) if value.isdecimal() else {"true": True, "false": False}.get(value, value)
    secrets, more = keys_of(key_file) if key_file else ({}, {})
    usual = {} if secrets else {"mechanism": "none"}
    return Place(protocol, Endpoint(address, {**usual, **more, **given}), Credentials(secrets))


def keys_of(path: Path) -> tuple[dict[str, bytes], Mapping[str, object]]:
    """Return the keys of a key file, and its table ``options``.

    Raises:
        NotFound: it cannot be read. Invalid: it is no key file.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        options = content.pop("options", {})
        secrets = {name: _octets(name, value) for name, value in content.items() if isinstance(value, str)}
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise Invalid(f"{path} is no key file: {error}", hint='Lines such as: encryption_key = "0001…0f"') from error
    return secrets, options


def _octets(name: str, value: str) -> bytes:
    if name in HEXADECIMAL or value.startswith("0x"):
        return bytes.fromhex(value.removeprefix("0x"))
    return value.encode()


async def look(wiring: Wiring, place: Place) -> MeterDiscovery:
    """Call the meter with the installation's own counters."""
    counters = headend.DatabaseCounters(wiring.database)
    drivers = wiring.drivers(counters)
    if place.protocol not in drivers:
        raise NotFound(f"no driver {place.protocol!r}", hint=f"Installed: {', '.join(sorted(drivers))}")
    try:
        return await headend.discover(drivers[place.protocol], place)
    finally:
        with suppress(Unavailable):
            await counters.close()


def show(found: MeterDiscovery, *, every: bool) -> None:
    """Print what was found: who the meter is, what is read of it, and what nobody knows."""
    plate = found.nameplate
    kind = f"{plate.maker or 'maker unknown'}, {plate.kind or 'kind unknown'}, firmware {plate.firmware or 'unknown'}"
    typer.echo(
        f"{plate.serial or 'It does not tell its serial number'}: {kind}"
        + (f", system title {found.system_title}" if found.system_title else "")
    )
    typer.echo(_kind_sentence(found))
    columns = ("name", "what", "read as", "every", "rows", "columns")
    output.print_table("Tables", columns, [_table(table) for table in found.tables])
    for table in found.tables:
        if table.taken:
            typer.echo(f"Readings from {table.role}: {'; '.join(table.taken)}")
    listed = found.objects if every else found.unknown
    if not listed:
        typer.echo(f"All of its {len(found.objects)} objects are known; --objects lists them.")
        return
    count = f"{len(found.objects)} objects"
    title = count if every else f"{len(found.unknown)} of {count} are not known; they stay readable as data"
    rights = ("name", "class", "what", "kind", "read", "write", "invoke")
    output.print_table(title, rights, [_object(each) for each in listed])


def _kind_sentence(found: MeterDiscovery) -> str:
    read_by = f"It is read by {found.meter_profile}"
    if not found.fits:
        return f"No meter profile is like this meter. {read_by}."
    best = found.fits[0]
    like = f"Most like {best.meter_profile} ({best.title}), {best.percent} %."
    same = best.meter_profile == found.meter_profile
    return like if same else f"{like} {read_by}; the option meter_profile changes that."


def _table(table: DiscoveredTable) -> tuple[object, ...]:
    every = None if table.period_s is None else (f"{table.period_s} s" if table.period_s else "event")
    return (table.obis, table.words, table.role or "not read", every, table.entries, len(table.columns))


def _object(found: DiscoveredObject) -> tuple[object, ...]:
    rights = (found.readable, found.writable, found.methods)
    return (found.obis, f"{found.class_id} v{found.version}", found.words, found.kind, *map(_numbers, rights))


def _numbers(numbers: Sequence[int]) -> str:
    return " ".join(str(number) for number in numbers)
