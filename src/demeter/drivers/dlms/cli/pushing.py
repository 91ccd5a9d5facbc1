"""``demeter dlms push``: one notification, as a meter sends it."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from demeter.drivers.dlms.cli.bodies import (
    PUSH_SETUP,
    Given,
    Header,
    body_of,
    given_value,
    layout_named,
    message_of,
)
from demeter.drivers.dlms.cli.flags import with_flags
from demeter.drivers.dlms.cli.keys import asked, keyring_of, octets_of, read_key_file
from demeter.drivers.dlms.cli.output import command, width
from demeter.drivers.dlms.cli.tracing import cut
from demeter.drivers.dlms.counters import FileCounters
from demeter.drivers.dlms.counting import fingerprint_of
from demeter.drivers.dlms.options import PROTECTIONS, SUITES
from demeter.drivers.dlms.profiles import obis_name
from demeter.kernel import Invalid, NotFound, SystemClock, Unavailable
from demeter.protocols.dlms import apdu as services
from demeter.protocols.dlms import axdr
from demeter.protocols.dlms.apdu import CONFIRMED, AttributeRef, DataNotification, EventNotification
from demeter.protocols.dlms.cosem_time import CosemDateTime
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.security import (
    Channel,
    CipherMode,
    Counters,
    Form,
    KeyPairs,
    KeySet,
    is_ciphered,
)
from demeter.protocols.dlms.translate import Translator, to_json, to_text
from demeter.protocols.dlms.wrapper import wrap
from demeter.sdk.commands import ExitCode, JsonFlag, print_json, say

COUNTERS_A_PUSH: Final = 2
"""general-ciphering uses one for its transaction id and one for its content."""
TITLE_SIZE: Final = 8
MAX_ANSWER: Final = 65_536 + 8


class Line(StrEnum):
    """What carries the notification."""

    TCP = "wrapper"
    UDP = "wrapper-udp"


class Cipher(StrEnum):
    """How it is protected."""

    NONE = "none"
    GLO = "glo"
    GENERAL_GLO = "general-glo"
    GENERAL = "general-ciphering"


@dataclass(frozen=True, slots=True)
class Sent:
    """How it went. ``confirmed`` None: no confirmation was due."""

    frame: bytes
    answer: bytes = b""
    confirmed: bool | None = None
    took_ms: int = 0


@dataclass(frozen=True)
class Flags:
    """The flags of ``push``."""

    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Who listens for pushes, usually port 4059.")]
    values: Annotated[
        list[str] | None, typer.Argument(metavar="OBIS=VALUE", help="With --layout or --event: what is pushed.")
    ] = None
    body: Annotated[
        str, typer.Option("--body", help="FILE or -: the body or the whole notification, as JSON, XML or hexadecimal.")
    ] = ""
    layout: Annotated[
        str, typer.Option("--layout", help="How values make a body: pairs, entries, objects, described …")
    ] = ""
    event: Annotated[bool, typer.Option("--event", help="Send an event-notification of the one value given.")] = False
    confirmed: Annotated[bool, typer.Option("--confirmed", help="Ask for a confirmation and wait for it.")] = False
    line: Annotated[Line, typer.Option("--transport", help="TCP or UDP.")] = Line.TCP
    within_s: Annotated[float, typer.Option("--within", help="Seconds to connect, and to wait for a confirmation.")] = (
        10
    )
    source: Annotated[int, typer.Option("--source", min=0, max=0xFFFF, help="Wrapper address of the meter.")] = 1
    destination: Annotated[int, typer.Option("--destination", min=0, max=0xFFFF, help="That of who listens.")] = 16
    cipher: Annotated[Cipher, typer.Option("--cipher", rich_help_panel="Security", help="How it is protected.")] = (
        Cipher.NONE
    )
    suite: Annotated[str, typer.Option("--suite", rich_help_panel="Security", help="Security suite 0, 1, 2.")] = "0"
    protection: Annotated[
        str, typer.Option("--protection", rich_help_panel="Security", help=", ".join(PROTECTIONS))
    ] = "authenticated-encrypted"
    signed: Annotated[bool, typer.Option("--signed", rich_help_panel="Security", help="Sign it (suites 1 and 2).")] = (
        False
    )
    system_title: Annotated[
        str,
        typer.Option("--system-title", rich_help_panel="Security", help="The meter's: 8 characters or 16 digits."),
    ] = ""
    recipient: Annotated[
        str,
        typer.Option("--recipient-title", rich_help_panel="Security", help="The head-end's, for general-ciphering."),
    ] = "DMTHES01"
    counter: Annotated[
        int | None, typer.Option("--counter", min=1, rich_help_panel="Security", help="Invocation counter to use.")
    ] = None
    counter_file: Annotated[
        Path | None,
        typer.Option("--counter-file", rich_help_panel="Security", help="JSON file that remembers used counters."),
    ] = None
    key_file: Annotated[
        Path | None, typer.Option("--key-file", rich_help_panel="Security", help="TOML file with the meter's keys.")
    ] = None
    ek: Annotated[
        str | None,
        typer.Option("--ek", envvar="DEMETER_DLMS_EK", rich_help_panel="Security", help="Encryption key; - asks."),
    ] = None
    ak: Annotated[
        str | None,
        typer.Option("--ak", envvar="DEMETER_DLMS_AK", rich_help_panel="Security", help="Authentication key; - asks."),
    ] = None
    at: Annotated[
        str, typer.Option("--at", rich_help_panel="Content", help="Time in the notification: ISO 8601, now, or none.")
    ] = "now"
    zone: Annotated[str, typer.Option("--zone", rich_help_panel="Content", help="IANA zone of the meter.")] = "UTC"
    meter_id: Annotated[
        str, typer.Option("--meter-id", rich_help_panel="Content", help="For layouts that begin with it.")
    ] = ""
    push_obis: Annotated[
        str, typer.Option("--push-obis", rich_help_panel="Content", help="The push setup, for layouts that name it.")
    ] = str(PUSH_SETUP)
    invoke: Annotated[
        int,
        typer.Option("--invoke", min=0, max=services.LONG_INVOKE_ID, rich_help_panel="Content", help="Invoke id."),
    ] = 1
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the frame; send nothing.")] = False
    trace: Annotated[bool, typer.Option("--trace", help="Show the frames, decoded, on stderr.")] = False
    as_json: JsonFlag = False


@command
@with_flags(Flags)
def push(context: typer.Context, flags: Flags) -> None:
    """Send one data- or event-notification, as a meter does.

    The body comes from --body (typed JSON such as {"type": "structure", …}, what translate prints, or hexadecimal), or
    from --layout and values. Protected ones need keys, the meter's system title and a counter; --counter-file keeps
    counters so that none is used twice.

    Ends with 6 when nobody listens or no confirmation comes.

    Examples:
      demeter dlms push 127.0.0.1:4059 --layout pairs 0.0.96.1.0.255=visible-string:DM1 1.0.1.8.0.255=42

      demeter dlms push 127.0.0.1:4059 --body push.json --confirmed --cipher general-glo --key-file meter.toml
      --system-title 444d540000000001 --counter-file push.counters
    """
    file = read_key_file(flags.key_file)
    keys = dict(file.keys)
    for name, flag, value in (("encryption_key", "ek", flags.ek), ("authentication_key", "ak", flags.ak)):
        if value is not None:
            origin = context.get_parameter_source(flag)
            keys[name] = asked(name, value, by_flag=origin is not None and origin.name == "COMMANDLINE")
    plain = _notification(flags)
    counter = 0 if flags.cipher is Cipher.NONE or is_ciphered(plain) else _counter(flags, keys)
    channel = _channel(flags, keys, counter)
    octets = plain if channel is None or is_ciphered(plain) else channel.seal(plain)
    frame = wrap(octets, flags.source, flags.destination)
    translator = Translator(keyring_of(replace(file, keys={**keys, "system_title": _title(flags, keys)})), obis_name)
    if flags.trace or flags.dry_run:
        _show(translator, frame, sent=True)
    if flags.dry_run:
        sys.stdout.write(frame.hex(" ").upper() + "\n")
        return
    due = flags.confirmed or _asks(plain)
    sent = _send(flags, frame, due=due)
    if sent.answer and flags.trace:
        _show(translator, sent.answer, sent=False)
    _report(flags, sent, counter, translator)
    if sent.confirmed is False:
        raise typer.Exit(ExitCode.UNREACHABLE)


# What is sent


def _asks(plain: bytes) -> bool:
    """Whether a plain notification asks for a confirmation."""
    if is_ciphered(plain):
        return False
    found = services.decode(plain)
    return isinstance(found, DataNotification) and found.invoke & CONFIRMED != 0


def _notification(flags: Flags) -> bytes:
    """The plain APDU, or one that was given protected."""
    values = [given_value(text) for text in flags.values or ()]
    now = _clock(flags)
    if flags.body and (values or flags.layout):
        raise Invalid("a body is given, or a layout and values", hint="Use --body, or --layout.")
    if flags.event:
        return _event(flags, values, now)
    message = message_of(_read(flags.body)) if flags.body else None
    if message is not None and message.apdu:
        return message.apdu if not flags.confirmed or is_ciphered(message.apdu) else _confirmed(message.apdu)
    if message is None and not flags.layout:
        raise Invalid("nothing to push", hint="Give --body FILE, or --layout pairs and values.")
    header = Header(flags.meter_id, Obis.parse(flags.push_obis), now or CosemDateTime().to_bytes())
    body = message.body if message is not None else body_of(layout_named(flags.layout), values, header)
    return DataNotification(flags.invoke | (CONFIRMED if flags.confirmed else 0), body, now).encode()


def _confirmed(octets: bytes) -> bytes:
    found = services.decode(octets)
    if not isinstance(found, DataNotification):
        raise Invalid("only data-notifications can be confirmed", hint="Leave --confirmed out.")
    return replace(found, invoke=found.invoke | CONFIRMED).encode()


def _event(flags: Flags, values: list[Given], now: bytes) -> bytes:
    if len(values) != 1:
        raise Invalid("an event-notification has one value", hint="Write --event 1:0.0.96.11.0.255:2=long-unsigned:7.")
    if flags.confirmed:
        raise Invalid("an event-notification is never confirmed", hint="Leave --confirmed out.")
    value = values[0]
    attribute = AttributeRef(value.class_id, value.place.obis, value.attribute)
    return EventNotification(attribute, axdr.encode(value.value), now or None).encode()


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise NotFound(f"{file}: {error.strerror}", hint="Give a file, or - for standard input.") from error


def _clock(flags: Flags) -> bytes:
    """The date-time in the notification; empty: none."""
    if flags.at == "none":
        return b""
    try:
        zone = ZoneInfo(flags.zone)
        moment = SystemClock().now() if flags.at == "now" else datetime.fromisoformat(flags.at)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Invalid(f"--at {flags.at} --zone {flags.zone}: {error}", hint="Write 2026-11-01T12:30+05:30.") from None
    return CosemDateTime.from_utc(moment if moment.tzinfo else moment.replace(tzinfo=zone), zone).to_bytes()


# How it is protected


def _title(flags: Flags, keys: Mapping[str, bytes]) -> bytes:
    title = octets_of("system_title", flags.system_title, "--system-title") if flags.system_title else b""
    return title or keys.get("system_title", b"")


def _counter(flags: Flags, keys: Mapping[str, bytes]) -> int:
    if flags.counter_file is not None and not flags.dry_run:
        fingerprint = fingerprint_of(keys.get("encryption_key", b""))
        book = FileCounters(flags.counter_file)
        return asyncio.run(book.reserve(_title(flags, keys), fingerprint, flags.counter or 1, COUNTERS_A_PUSH))
    if flags.counter is None and not flags.dry_run:
        raise Invalid("which invocation counter?", hint="Give --counter, or --counter-file, which remembers it.")
    return flags.counter or 1


def _channel(flags: Flags, keys: Mapping[str, bytes], counter: int) -> Channel | None:
    """What seals, as ``flags`` say; None: nothing does."""
    if flags.cipher is Cipher.NONE:
        if flags.signed:
            raise Invalid("only ciphered notifications are signed here", hint="Add --cipher general-glo.")
        return None
    title = _title(flags, keys)
    if len(title) != TITLE_SIZE:
        raise Invalid("the meter's system title is not known", hint="Give --system-title, or put it into the key file.")
    if flags.suite not in SUITES or flags.protection not in PROTECTIONS:
        raise Invalid(f"--suite {flags.suite} --protection {flags.protection} is not known", hint="See --help.")
    recipient = octets_of("client_title", flags.recipient, "--recipient-title")
    pairs = KeyPairs(signing=keys.get("signing_key", b""), agreement=keys.get("agreement_key", b""))
    held = KeySet(
        keys.get("encryption_key", b""),
        keys.get("authentication_key", b""),
        SUITES[flags.suite],
        keys.get("master_key", b""),
        pairs,
    )
    form = Form(CipherMode(flags.cipher.value), PROTECTIONS[flags.protection], signed=flags.signed)
    return Channel(held, title, recipient, Counters(counter - 1), form=form)


# How it travels


def _send(flags: Flags, frame: bytes, *, due: bool) -> Sent:
    """Send a frame and, where one is due, wait for the confirmation.

    Raises:
        Unavailable: nobody listens.
        Invalid: the address is none.
    """
    host, _, port = flags.address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 0xFFFF:
        raise Invalid(f"{flags.address!r} is not host:port")
    kind = socket.SOCK_DGRAM if flags.line is Line.UDP else socket.SOCK_STREAM
    try:
        family, *_, place = socket.getaddrinfo(host.strip("[]"), int(port), type=kind)[0]
        with socket.socket(family, kind) as line:
            line.settimeout(flags.within_s)
            line.connect(place)
            began = time.monotonic()
            line.sendall(frame)
            answer = _answer(line, flags, began) if due else _finish(line, flags)
            took_ms = round((time.monotonic() - began) * 1000)
    except OSError as error:
        hint = "Look at address and port; the head-end listens where push_port says."
        raise Unavailable(f"{flags.address}: {error.strerror or error}", hint=hint) from error
    return Sent(frame, answer, (bool(answer)) if due else None, took_ms)


def _finish(line: socket.socket, flags: Flags) -> bytes:
    """Say that nothing follows, and let the other side take what was sent."""
    if flags.line is Line.TCP:
        line.shutdown(socket.SHUT_WR)
    return b""


def _answer(line: socket.socket, flags: Flags, began: float) -> bytes:
    """The frame that comes back within the time; empty: none."""
    octets = b""
    while len(octets) < MAX_ANSWER:
        left = flags.within_s - (time.monotonic() - began)
        if left <= 0:
            return b""
        line.settimeout(left)
        try:
            piece = line.recv(65_536)
        except TimeoutError:
            return b""
        if not piece:
            return b""
        octets += piece
        frames, _ = cut(octets)
        if frames:
            return frames[0]
    return b""


# What is told


def _show(translator: Translator, frame: bytes, *, sent: bool) -> None:
    say(f"{'→ sent' if sent else '← received'}, {len(frame)} octets")
    say(to_text(translator.translate(frame), width()))


def _report(flags: Flags, sent: Sent, counter: int, translator: Translator) -> None:
    answer = translator.translate(sent.answer) if sent.answer else None
    if flags.as_json:
        print_json(
            {
                "address": flags.address,
                "transport": flags.line.value,
                "octets": len(sent.frame),
                "frame": sent.frame.hex(),
                "counter": counter or None,
                "confirmed": sent.confirmed,
                "took_ms": sent.took_ms,
                "answer": None if answer is None else to_json(answer),
            }
        )
        return
    how = "over UDP" if flags.line is Line.UDP else "over TCP"
    sys.stdout.write(f"sent {len(sent.frame)} octets to {flags.address} {how}\n")
    if answer is not None:
        sys.stdout.write(f"answered after {sent.took_ms} ms:\n{to_text(answer, width())}")
    elif sent.confirmed is False:
        say(f"Error: no confirmation within {flags.within_s:g} s")
        say("Hint: who listens may have refused it (wrong key, unknown meter, counter used): look into its quarantine.")
