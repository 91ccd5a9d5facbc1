"""``demeter dlms translate``: frames to trees, JSON or XML, and back."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from demeter.drivers.dlms.cli.keys import KeyFile, asked, keyring_of, read_key_file
from demeter.drivers.dlms.cli.output import command, width
from demeter.drivers.dlms.profiles import obis_name
from demeter.kernel import Invalid, NotFound
from demeter.protocols.dlms.errors import DlmsError
from demeter.protocols.dlms.translate import (
    FORMS,
    Keyring,
    Node,
    Translation,
    Translator,
    from_json,
    from_xml,
    is_hexadecimal,
    octets_from_text,
    to_json,
    to_text,
    to_xml,
)
from demeter.sdk.commands import ExitCode, print_json, say

MAX_INPUT: Final = 16 * 1024 * 1024
"""Longest input, in bytes."""


class Form(StrEnum):
    """What is written out."""

    TEXT = "text"
    JSON = "json"
    XML = "xml"
    HEX = "hex"
    BINARY = "binary"


class Input(StrEnum):
    """What is read."""

    AUTO = "auto"
    HEX = "hex"
    BINARY = "binary"
    JSON = "json"
    XML = "xml"


@command
def translate(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="File, or - (default) for standard input.")] = "-",
    given: Annotated[str | None, typer.Option("--hex", help="Hexadecimal frame, instead of a file.")] = None,
    to: Annotated[
        Form | None, typer.Option("--to", help="What to print.", show_default="text; hex for JSON and XML")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --to json.")] = False,
    as_xml: Annotated[bool, typer.Option("--xml", help="Short for --to xml.")] = False,
    source: Annotated[Input, typer.Option("--from", help="What FILE holds.")] = Input.AUTO,
    framing: Annotated[str, typer.Option("--as", help=f"What frames begin with: {', '.join(FORMS)}.")] = "auto",
    key_file: Annotated[Path | None, typer.Option("--key-file", help="TOML file with keys.")] = None,
    ek: Annotated[str | None, typer.Option("--ek", envvar="DEMETER_DLMS_EK", help="Encryption key; - asks.")] = None,
    ak: Annotated[
        str | None, typer.Option("--ak", envvar="DEMETER_DLMS_AK", help="Authentication key; - asks.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Cut nothing short in the text.")] = False,
) -> None:
    """Show what DLMS/COSEM frames say, and make frames from JSON or XML.

    Reads hexadecimal text (spaces, 0x, colons, # comments) or binary: wrapper and HDLC frames, raw APDUs, one or many
    after the other. With keys, ciphered APDUs are opened and their tags checked; system titles are taken from the
    frames, from AARQ and AARE, or from the key file (system_title: the meter's, client_title: ours).

    JSON and XML (as printed by --json and --xml, or written by hand) become hexadecimal text again.

    Ends with 5 when a byte cannot be understood or a tag does not match; what was understood is printed all the same.

    Examples:
      demeter dlms translate --hex "00 01 00 30 00 01 00 0D C0 01 C1 00 08 00 00 01 00 00 FF 02 00"

      demeter dlms translate capture.txt --key-file meter.toml --json

      demeter dlms translate request.xml
    """
    if framing not in FORMS:
        raise Invalid(f"--as {framing} is not known", hint=f"Known: {', '.join(FORMS)}.")
    ring = _keyring(context, read_key_file(key_file), {"encryption_key": ek, "authentication_key": ak})
    octets = given.encode() if given is not None else _read(file)
    kind = Input.HEX if given is not None else _kind(octets) if source is Input.AUTO else source
    wanted = Form.JSON if as_json else Form.XML if as_xml else to
    translator = Translator(ring, obis_name)
    if kind in (Input.JSON, Input.XML):
        octets = translator.octets_of(_trees(octets, kind))
        wanted = wanted or Form.HEX
    elif kind is Input.HEX:
        octets = _from_hex(octets)
    if wanted in (Form.HEX, Form.BINARY):
        _print_octets(octets, wanted)
        return
    found = Translator(ring, obis_name).translate(octets, framing)
    _print(found, wanted or Form.TEXT, full=full)
    if found.errors:
        raise typer.Exit(ExitCode.INVALID)


def _keyring(context: typer.Context, file: KeyFile, given: dict[str, str | None]) -> Keyring:
    secrets = {}
    for name, value in given.items():
        if value is not None:
            short = {"encryption_key": "ek", "authentication_key": "ak"}[name]
            source = context.get_parameter_source(short)
            secrets[name] = asked(name, value, by_flag=source is not None and source.name == "COMMANDLINE")
    return keyring_of(file, secrets)


def _read(file: str) -> bytes:
    try:
        octets = sys.stdin.buffer.read(MAX_INPUT + 1) if file == "-" else _head(Path(file))
    except OSError as error:
        raise NotFound(f"{file}: {error.strerror}", hint="Give a file, - for standard input, or --hex.") from error
    if len(octets) > MAX_INPUT:
        raise Invalid(f"more than {MAX_INPUT} bytes", hint="Cut the capture into pieces.")
    return octets


def _head(path: Path) -> bytes:
    with path.open("rb") as opened:
        return opened.read(MAX_INPUT + 1)


def _kind(octets: bytes) -> Input:
    """What octets are, by their first ones; a frame begins with none of these letters."""
    start = octets.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start in (b"{", b"["):
        return Input.JSON
    if start == b"<":
        return Input.XML
    return Input.HEX if is_hexadecimal(octets) else Input.BINARY


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"not UTF-8: {error.reason} at byte {error.start}") from None


def _from_hex(octets: bytes) -> bytes:
    try:
        return octets_from_text(_text(octets))
    except DlmsError as error:
        raise Invalid(
            str(error), hint="Hexadecimal digits with spaces, 0x, colons between; # begins a comment."
        ) from None


def _trees(octets: bytes, kind: Input) -> list[Node]:
    return from_json(_text(octets)) if kind is Input.JSON else from_xml(_text(octets))


def _print_octets(octets: bytes, form: Form) -> None:
    if form is Form.BINARY:
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()
    else:
        sys.stdout.write(octets.hex(" ").upper() + "\n")


def _print(found: Translation, form: Form, *, full: bool) -> None:
    if form is Form.JSON:
        print_json(to_json(found))
    elif form is Form.XML:
        sys.stdout.write(to_xml(found))
    else:
        sys.stdout.write(to_text(found, width(), full=full))
    if found.errors and form is not Form.TEXT:
        first = found.errors[0]
        where = "" if first.offset is None else f" at byte {first.offset}"
        say(f"Error: {first.message}{where}")
