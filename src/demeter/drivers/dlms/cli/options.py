"""The flags that all commands towards a meter have: who speaks, with which keys, over which line.

They are those of ``docs/drivers/dlms.md`` by the same names. One table makes the parameters of every command.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from demeter.drivers.dlms.cli.flags import as_command
from demeter.drivers.dlms.cli.keys import SECRETS, KeyFile, asked, read_key_file
from demeter.drivers.dlms.line_options import BAUDS, Transport
from demeter.drivers.dlms.options import CIPHERS, MECHANISMS, PROTECTIONS
from demeter.kernel import Commodity
from demeter.sdk import Credentials, Endpoint
from demeter.sdk.commands import say

_WHO, _KEYS, _LINE = "Association", "Keys", "Line"
_VARIABLES: Final = {
    "encryption_key": ("--ek", "DEMETER_DLMS_EK", "Encryption key, hexadecimal"),
    "authentication_key": ("--ak", "DEMETER_DLMS_AK", "Authentication key, hexadecimal"),
    "password": ("--password", "DEMETER_DLMS_PASSWORD", "Password of lls, hls and the hash mechanisms"),
    "signing_key": ("--signing-key", "DEMETER_DLMS_SIGNING_KEY", "Private signing key, hexadecimal"),
}


def _words(words: object) -> str:
    return ", ".join(map(str, words)) if isinstance(words, list | tuple | dict) else str(words)


_OPTIONS: Final[tuple[tuple[str, Any, str, str], ...]] = (
    ("mechanism", str, _WHO, f"{_words(MECHANISMS)} (default hls-gmac)"),
    ("client_sap", int, _WHO, "Client address (default by mechanism: 16, 32, 48)"),
    ("server_sap", int, _WHO, "Logical device (default 1)"),
    ("cipher", str, _WHO, f"{_words(CIPHERS)} (default glo, if the mechanism is an hls one)"),
    ("suite", str, _WHO, "Security suite 0, 1, 2 (default 0)"),
    ("protection", str, _WHO, f"{_words(PROTECTIONS)} (default authenticated-encrypted)"),
    ("signed", bool, _WHO, "Sign requests, expect signed answers"),
    ("meter_signing_key", str, _WHO, "The meter's public signing key, hexadecimal"),
    ("client_title", str, _WHO, "Our system title: 8 characters or 16 hexadecimal digits"),
    ("counter_at_least", int, _WHO, "The meter's counter a person vouches for"),
    ("counter_epoch", int, _WHO, "Raised when a repaired meter counts anew"),
    ("counter_obis", str, _WHO, "Invocation counter the public client reads (default 0.0.43.1.3.255)"),
    ("max_pdu", int, _WHO, "Longest APDU received, bytes (default 65535)"),
    ("zone", str, _WHO, "IANA zone of stamps without deviation, and of --from and --to (default UTC)"),
    ("commodity", str, _WHO, f"{_words([str(one) for one in Commodity])} (default electricity)"),
    ("transport", str, _LINE, f"{_words([str(one) for one in Transport])} (default wrapper)"),
    ("connect_s", float, _LINE, "Seconds to connect (default 3)"),
    ("answer_s", float, _LINE, "Seconds for a whole answer (default 15)"),
    ("physical_address", int, _LINE, "HDLC: the meter on a shared line"),
    ("address_size", str, _LINE, "HDLC: bytes of the server address: 1, 2, 4"),
    ("frame_size", int, _LINE, "HDLC: longest information field (default 512)"),
    ("window", int, _LINE, "HDLC: frames without acknowledgement (default 7)"),
    ("frame_s", float, _LINE, "HDLC: seconds until a frame is repeated (default 3)"),
    ("repeats", int, _LINE, "HDLC: how often (default 3)"),
    ("baud", str, _LINE, f"Serial: {_words(BAUDS)} (default 9600)"),
    ("mode_e", bool, _LINE, "Serial: open the line by IEC 62056-21 mode E"),
    ("mode_e_address", str, _LINE, "Serial: device address of mode E"),
    ("line_wait_s", float, _LINE, "Serial: seconds to wait for a line in use (default 60)"),
    ("gateway_address", str, _LINE, "The meter behind a gateway: text, or 0x and hexadecimal digits"),
    ("gateway_network", int, _LINE, "Network behind the gateway (default 0)"),
)
"""Name, type, panel and help of each option of the driver."""


@dataclass(frozen=True, slots=True)
class Meter:
    """Whom a command speaks to. ``counter``: the first invocation counter, where the meter is not to be asked."""

    endpoint: Endpoint
    credentials: Credentials
    keys: KeyFile
    counter: int | None
    counter_file: Path | None
    trace: bool


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _parameter(name: str, kind: Any, panel: str, words: str) -> inspect.Parameter:
    flags = (_flag(name),)
    annotation: Any = Annotated[
        kind | None, typer.Option(*flags, help=words, rich_help_panel=panel, show_default=False)
    ]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _secret(name: str) -> inspect.Parameter:
    flag, variable, words = _VARIABLES[name]
    option = typer.Option(
        flag,
        envvar=variable,
        help=f"{words}; - asks. Rather use --key-file.",
        rich_help_panel=_KEYS,
        show_default=False,
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option]
    )


def _others() -> list[inspect.Parameter]:
    address = typer.Argument(metavar="HOST:PORT", help="The meter; a serial line's path with --transport hdlc-serial.")
    file = typer.Option("--key-file", help="TOML file with keys and options.", rich_help_panel=_KEYS)
    counter = typer.Option(
        "--counter", help="First invocation counter (else the meter is asked, as public client)", rich_help_panel=_KEYS
    )
    counters = typer.Option(
        "--counter-file",
        help="JSON file of used counters and of our title (else our title is made by chance)",
        rich_help_panel=_KEYS,
    )
    trace = typer.Option("--trace", help="Show every frame, decoded, on stderr.")
    given: list[tuple[str, Any, Any]] = [
        ("address", Annotated[str, address], inspect.Parameter.empty),
        ("key_file", Annotated[Path | None, file], None),
        ("counter", Annotated[int | None, counter], None),
        ("counter_file", Annotated[Path | None, counters], None),
        ("trace", Annotated[bool, trace], False),
    ]
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, annotation, default in given
    ]


_NAMES: Final = frozenset(name for name, *_ in _OPTIONS)


def towards_meter(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, whose first parameter is a :class:`Meter`, the flags that say which one.

    The address is its first argument.
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    address, *others = _others()
    shared = [*others, *map(_secret, SECRETS), *(_parameter(*each) for each in _OPTIONS)]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    arguments = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
    names = {each.name for each in own}

    def run(context: typer.Context, **given: Any) -> None:
        meter = meter_of(context, {name: value for name, value in given.items() if name not in names})
        command(meter, **{name: value for name, value in given.items() if name in names})

    return as_command(run, command, [context, address, *arguments, *shared])


def meter_of(context: typer.Context, given: Mapping[str, Any]) -> Meter:
    """Return whom the flags mean: flags outrank the environment, that the key file.

    Raises:
        Invalid, NotFound: a key or the key file cannot be used.
    """
    file = read_key_file(given["key_file"])
    options = {**file.options, **{name: given[name] for name in _NAMES if given[name] not in (None, False)}}
    for name in ("meter_signing_key", "client_title"):
        if name in file.keys:
            options.setdefault(name, file.keys[name].hex())
    secrets = {name: file.keys[name] for name in SECRETS if name in file.keys}
    for name in SECRETS:
        if given[name] is not None:
            source = context.get_parameter_source(name)
            secrets[name] = asked(name, given[name], by_flag=source is not None and source.name == "COMMANDLINE")
    book = given["counter_file"]
    if "client_title" in options and book is None and secrets.get("encryption_key"):
        say(
            "Warning: counters under one title and key should be remembered: give --counter-file, or no --client-title."
        )
    endpoint = Endpoint(given["address"], options)
    return Meter(endpoint, Credentials(secrets), file, given["counter"], book, trace=given["trace"])
