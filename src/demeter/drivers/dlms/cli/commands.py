"""``demeter dlms read``, ``set`` and ``action``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer

from demeter.drivers.dlms.cli.connecting import with_session
from demeter.drivers.dlms.cli.objects import PROFILE_CLASS, Wanted, name_of, wanted
from demeter.drivers.dlms.cli.options import Meter, towards_meter
from demeter.drivers.dlms.cli.output import command, width
from demeter.drivers.dlms.cli.reading import Answer, Reader
from demeter.drivers.dlms.cli.shown import COLUMNS_SHOWN_BELOW, lines_of, lines_of_list, lines_of_table
from demeter.drivers.dlms.cli.tables import BUFFER, Choice, Table, read_table
from demeter.drivers.dlms.cli.values import data_of, parameter_of
from demeter.drivers.dlms.options import parse_options
from demeter.drivers.dlms.session import DlmsSession
from demeter.kernel import Denied, Invalid
from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.classes import data_to_json, data_words
from demeter.protocols.dlms.classes.commands.discovery import Discovery
from demeter.sdk import FailureKind, ReadFailure
from demeter.sdk.commands import ExitCode, JsonFlag, print_json, say

_ALL: Final = "all"
Shown = Answer | Table


@command
@towards_meter
def read(
    meter: Meter,
    objects: Annotated[
        list[str] | None,
        typer.Argument(metavar="OBJECT", help="class:obis:attribute, class:obis, obis, or a name such as block."),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Print what the meter has, and what may be done with it.")
    ] = False,
    since: Annotated[
        str, typer.Option("--from", help="Rows from then on: 2026-11-01, or with T12:30 (zone: --zone).")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="Rows up to then, included; a day means its end.")] = "",
    entries: Annotated[str, typer.Option("--entries", help="Rows by number: 10 (the newest), 5-20, or all.")] = "",
    columns: Annotated[str, typer.Option("--columns", help="Columns by OBIS code or number, with commas.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Read any object of a DLMS/COSEM meter.

    OBJECT is an attribute (3:1.0.1.8.0.255:2), a whole object (3:1.0.1.8.0.255, or 1.0.1.8.0.255 alone: the class is
    looked up in the meter's own object list), or a name out of the meter profiles (clock, block, daily, billing,
    instantaneous, events-power …). Values come typed, with scaler and unit applied exactly. Profiles come as tables.

    Ends with 0 when all was read, 7 when a part was refused, 3, 4 or 6 when nothing was read.

    Examples:
      demeter dlms read 192.0.2.7:4059 --key-file meter.toml 1.0.1.8.0.255 clock

      demeter dlms read 192.0.2.7:4059 --mechanism lls --password - block --from 2026-11-01 --to 2026-11-02

      demeter dlms read 192.0.2.7:4059 --mechanism none --list
    """
    options = parse_options(meter.endpoint)
    zone = ZoneInfo(options.zone)
    asked = [wanted(text, options.commodity) for text in objects or ()]
    if not asked and not listing:
        raise Invalid("nothing to read", hint="Name an OBJECT, for example clock or 3:1.0.1.8.0.255:2; or --list.")
    choice = _choice(since, until, entries, columns, zone)

    async def act(
        session: DlmsSession,
    ) -> tuple[Discovery | None, list[Shown | ReadFailure], list[Answer | None], bytes]:
        reader = Reader(session)
        listed = await reader.objects() if listing else None
        found, attributes = await _read_all(reader, asked, choice, zone)
        return listed, found, attributes, session.client.server_title or b""

    listed, found, attributes, title = with_session(meter, act)
    if as_json:
        print_json(_document(meter, listed, asked, found, attributes, title, zone))
    else:
        _print(listed, asked, found, attributes, zone)
    _end(found)


async def _read_all(
    reader: Reader, asked: Sequence[Wanted], choice: Choice, zone: ZoneInfo
) -> tuple[list[Shown | ReadFailure], list[Answer | None]]:
    """Read one after the other; a refusal of one leaves the others."""
    found: list[Shown | ReadFailure] = []
    attributes: list[Answer | None] = []
    for each in asked:
        result: Shown | ReadFailure
        try:
            result, beside = await _read_one(reader, each, choice, zone)
        except ReadFailure as failure:
            if failure.kind not in (FailureKind.REFUSED, FailureKind.NOT_SUPPORTED):
                raise
            result, beside = failure, None
        found.append(result)
        attributes.append(beside)
    return found, attributes


async def _read_one(reader: Reader, each: Wanted, choice: Choice, zone: ZoneInfo) -> tuple[Shown, Answer | None]:
    class_id, _, _ = await reader.place(each)
    if class_id != PROFILE_CLASS or each.member not in (None, BUFFER):
        return await reader.read(each), None
    beside = None if each.member == BUFFER or choice != Choice() else await reader.read(each, frozenset({BUFFER}))
    return await read_table(reader, each.obis, choice, zone), beside


def _choice(since: str, until: str, entries: str, columns: str, zone: ZoneInfo) -> Choice:
    if entries and (since or until):
        raise Invalid("rows are chosen by time or by number", hint="Use --from and --to, or --entries.")
    picked = tuple(filter(None, (text.strip() for text in columns.split(","))))
    if entries == _ALL:
        return Choice(everything=True, columns=picked)
    if not entries:
        return Choice(_moment(since, zone, end=False), _moment(until, zone, end=True), columns=picked)
    first, dash, last = entries.partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()) or int(first) < 1 or (last and int(last) < int(first)):
        raise Invalid(f"--entries {entries} are no rows", hint="Write 10 (the newest ten), 5-20, 5- or all.")
    if not dash:
        return Choice(newest=int(first), columns=picked)
    return Choice(first=int(first), last=int(last or 0), columns=picked)


def _moment(text: str, zone: ZoneInfo, *, end: bool) -> datetime | None:
    """An instant as typed; without an offset it is local in ``zone``, a day as an end is its last second."""
    if not text:
        return None
    try:
        if len(text) == len("2026-11-01"):
            return datetime.combine(date.fromisoformat(text), time(23, 59, 59) if end else time(), zone)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"{text} is no time", hint="Write 2026-11-01, 2026-11-01T12:30 or 2026-11-01T12:30+05:30."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _document(
    meter: Meter,
    listed: Discovery | None,
    asked: Sequence[Wanted],
    found: Sequence[Shown | ReadFailure],
    attributes: Sequence[Answer | None],
    title: bytes,
    zone: ZoneInfo,
) -> dict[str, Any]:
    document: dict[str, Any] = {"address": meter.endpoint.address, "system_title": title.hex() or None}
    if listed is not None:
        document["object_list"] = [{**each.to_json(), "name": name_of(each.obis)} for each in listed.objects]
    document["objects"] = [
        _object_json(each, result, beside, zone) for each, result, beside in zip(asked, found, attributes, strict=True)
    ]
    return document


def _object_json(each: Wanted, found: Shown | ReadFailure, beside: Answer | None, zone: ZoneInfo) -> dict[str, Any]:
    if isinstance(found, ReadFailure):
        return {
            "object": each.text,
            "obis": str(each.obis),
            "error": {"kind": found.kind.name, "message": found.message},
        }
    if isinstance(found, Answer):
        return found.to_json()
    head: dict[str, Any] = (
        beside.to_json()
        if beside is not None
        else {"object": each.text, "class_id": PROFILE_CLASS, "obis": str(found.obis), "name": name_of(found.obis)}
    )
    return {**head, "table": found.to_json(zone)}


def _print(
    listed: Discovery | None,
    asked: Sequence[Wanted],
    found: Sequence[Shown | ReadFailure],
    attributes: Sequence[Answer | None],
    zone: ZoneInfo,
) -> None:
    lines = [] if listed is None else list(lines_of_list(listed, width()))
    for each, result, beside in zip(asked, found, attributes, strict=True):
        if isinstance(result, ReadFailure):
            lines.append(f"{each.text}: ✗ {result}")
            continue
        if isinstance(result, Answer):
            lines += lines_of(result, width())
            continue
        if beside is not None:
            lines += lines_of(beside, width(), COLUMNS_SHOWN_BELOW)
        lines += lines_of_table(result, zone, width())
    sys.stdout.write("".join(line + "\n" for line in lines))


def _end(found: Sequence[Shown | ReadFailure]) -> None:
    """End with 7 when a part was refused, with 3 or 4 when all was."""
    failed = [each for each in found if isinstance(each, ReadFailure) or (isinstance(each, Answer) and each.empty)]
    partly = failed or [each for each in found if isinstance(each, Answer) and each.refused]
    if failed and len(failed) == len(found):
        first = failed[0]
        gone = isinstance(first, ReadFailure) and first.kind is FailureKind.NOT_SUPPORTED
        gone = gone or (isinstance(first, Answer) and all("undefined" in why for why in first.refused.values()))
        raise typer.Exit(ExitCode.NOT_FOUND if gone else ExitCode.NOT_ALLOWED)
    if partly:
        raise typer.Exit(ExitCode.PARTLY)


Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; send nothing.")]


@command
@towards_meter
def write(
    meter: Meter,
    target: Annotated[str, typer.Argument(metavar="OBJECT", help="class:obis:attribute")],
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help='type:value, JSON, or as the class has it: "unsigned:7".')
    ],
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """Write one attribute, and read it back.

    VALUE is a typed value (double-long-unsigned:42, octet-string:0102, visible-string:text, boolean:true, enum:2), its
    JSON ({"type": "structure", "value": […]}), or, where the class is known, what read --json prints for the attribute.

    Examples:
      demeter dlms set 192.0.2.7:4059 --key-file meter.toml 1:0.0.96.1.10.255:2 octet-string:41424344
    """
    place = _exact(target, "attribute", meter)
    data = data_of(place, value)
    payload = axdr.encode(data)
    _confirm(
        f"Write {data_words(data)} to {place.text} ({name_of(place.obis)}) of {meter.endpoint.address}?", yes, dry_run
    )
    if dry_run:
        _print_dry(place, payload, as_json=as_json)
        return
    assert place.class_id is not None
    assert place.member is not None
    class_id, member = place.class_id, place.member

    async def act(session: DlmsSession) -> Answer:
        exchange = session.client.set(class_id, place.obis, member, payload)
        await session.run(exchange, f"writing {place.text}")
        return await Reader(session).read(place)

    answer = with_session(meter, act)
    _print_answer(answer, as_json=as_json)
    if member in answer.refused:
        say("Written; the meter does not let it be read back.")
    elif answer.found.data.get(member) != data:
        say("Written; what is read back differs.")
        raise typer.Exit(ExitCode.PARTLY)


@command
@towards_meter
def action(
    meter: Meter,
    target: Annotated[str, typer.Argument(metavar="OBJECT", help="class:obis:method")],
    parameter: Annotated[
        str | None,
        typer.Argument(metavar="PARAMETER", help="As VALUE of set; most methods take integer:0 (default)."),
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """Invoke one method.

    A relay is not switched for certain by this: the head-end's own commands read back what it did.

    Examples:
      demeter dlms action 192.0.2.7:4059 --key-file meter.toml 70:0.0.96.3.10.255:1
    """
    place = _exact(target, "method", meter)
    data = parameter_of(place, parameter)
    words = "" if data is None else f" with {data_words(data)}"
    _confirm(f"Invoke {place.text} ({name_of(place.obis)}){words} at {meter.endpoint.address}?", yes, dry_run)
    payload = None if data is None else axdr.encode(data)
    if dry_run:
        _print_dry(place, payload or b"", as_json=as_json)
        return
    assert place.class_id is not None
    assert place.member is not None
    class_id, member = place.class_id, place.member

    async def act(session: DlmsSession) -> bytes | None:
        exchange = session.client.action(class_id, place.obis, member, payload)
        return await session.run(exchange, f"invoking {place.text}")

    returned = with_session(meter, act)
    result = None if returned is None else axdr.decode_all(returned)
    if as_json:
        print_json({"object": place.text, "done": True, "returned": None if result is None else data_to_json(result)})
    else:
        sys.stdout.write("done\n" if result is None else f"done; returned {data_words(result)}\n")


def _exact(text: str, what: str, meter: Meter) -> Wanted:
    place = wanted(text, parse_options(meter.endpoint).commodity)
    if place.class_id is None or place.member is None:
        raise Invalid(f"{text} names no {what}", hint=f"Write class:obis:{what}, for example 8:0.0.1.0.0.255:2.")
    return place


def _confirm(question: str, yes: bool, dry_run: bool) -> None:
    """Ask, unless told not to; where nobody can be asked, nothing is done."""
    if yes or dry_run:
        return
    if not sys.stdin.isatty():
        raise Denied(f"{question} Nobody was there to say yes", hint="Give --yes to do it without asking.")
    if not typer.confirm(question, err=True):
        raise Denied("nothing was done")


def _print_dry(place: Wanted, payload: bytes, *, as_json: bool) -> None:
    if as_json:
        print_json({"object": place.text, "dry_run": True, "payload": payload.hex()})
    else:
        sys.stdout.write(f"would send to {place.text}: {payload.hex(' ')}\n")


def _print_answer(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        print_json(answer.to_json())
    else:
        sys.stdout.write("".join(line + "\n" for line in lines_of(answer, width())))
