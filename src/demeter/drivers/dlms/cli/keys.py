"""Keys and options of a meter for the tools: from a TOML file, the environment, flags or a prompt.

A key file::

    encryption_key = "000102030405060708090a0b0c0d0e0f"
    authentication_key = "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
    password = "text, or 0x and hexadecimal digits"

    [options]                      # any option of docs/drivers/dlms.md; flags outrank them
    mechanism = "hls-gmac"

    [meters.444d540000000001]      # for translate: other meters' keys by system title
    encryption_key = "…"
"""

from __future__ import annotations

import getpass
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from demeter.kernel import Invalid, NotFound
from demeter.protocols.dlms.security import KeyPairs
from demeter.protocols.dlms.translate import Keyring, Keys
from demeter.sdk.commands import say

SECRETS: Final = ("encryption_key", "authentication_key", "password", "signing_key")
"""What the driver takes; all but the password are hexadecimal."""
_MORE: Final = ("master_key", "dedicated_key", "agreement_key", "meter_signing_key", "meter_agreement_key")
_TITLES: Final = ("system_title", "client_title")
_TABLES: Final = ("options", "meters")
ASK: Final = "-"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What a key file holds; octets by name."""

    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    options: Mapping[str, object] = field(default_factory=dict)
    meters: Mapping[bytes, Mapping[str, bytes]] = field(default_factory=dict, repr=False)


def read_key_file(path: Path | None) -> KeyFile:
    """Read a key file; none is an empty one.

    Raises:
        NotFound: it cannot be read.
        Invalid: it is no key file; the message names the field.
    """
    if path is None:
        return KeyFile()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        mode = path.stat().st_mode
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}", hint="Give the path of a TOML file with --key-file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is not TOML: {error}", hint='Lines such as: encryption_key = "0001…0f"') from error
    if mode & 0o077:
        say(f"Warning: others on this machine may read {path}; chmod 600 {path} prevents it.")
    options, meters = content.get("options", {}), content.get("meters", {})
    if not isinstance(options, dict) or not isinstance(meters, dict):
        raise Invalid(f"{path}: options and meters are tables", hint="Write [options] and [meters.<system title>].")
    plain = {name: value for name, value in content.items() if name not in _TABLES}
    return KeyFile(
        _octets_of(plain, str(path)),
        options,
        {_title(name, str(path)): _octets_of(table, f"{path}: meters.{name}") for name, table in meters.items()},
    )


def _octets_of(table: Any, where: str) -> dict[str, bytes]:
    if not isinstance(table, dict):
        raise Invalid(f"{where} is no table of keys")
    known = (*SECRETS, *_MORE, *_TITLES)
    for name in table:
        if name not in known:
            raise Invalid(f"{where}: {name!r} is not known", hint=f"Known: {', '.join(known)}, [options], [meters.…].")
    return {name: octets_of(name, value, where) for name, value in table.items()}


def _title(text: str, where: str) -> bytes:
    title = octets_of("system_title", text, where)
    if len(title) != 8:
        raise Invalid(f"{where}: {text!r} is no system title", hint="Eight characters or 16 hexadecimal digits.")
    return title


def octets_of(name: str, value: object, where: str) -> bytes:
    """Return a secret or title as octets; the message of an error never repeats it.

    Raises:
        Invalid: it is no text, or no hexadecimal one.
    """
    if not isinstance(value, str):
        raise Invalid(f"{where}: {name} is no text")
    if name == "password" and not value.startswith("0x"):
        return value.encode()
    if name in _TITLES and len(value) == 8:
        return value.encode()
    try:
        return bytes.fromhex(value.removeprefix("0x"))
    except ValueError:
        raise Invalid(f"{where}: {name} is not hexadecimal", hint="Two digits for each byte, spaces allowed.") from None


def asked(name: str, value: str, *, by_flag: bool) -> bytes:
    """Return a secret given as a flag or in the environment; ``-`` asks for it without showing what is typed."""
    words = name.replace("_", " ")
    if value == ASK:
        value = getpass.getpass(f"{words}: ")
    elif by_flag:
        say(f"Warning: the {words} stands in your shell's history and in the list of processes; use --key-file, or -.")
    return octets_of(name, value, "given")


def keyring_of(file: KeyFile, secrets: Mapping[str, bytes] | None = None) -> Keyring:
    """Return the keys of a file, with others laid over them, for opening frames."""
    own = {**file.keys, **(secrets or {})}
    return Keyring(
        {title: _keys(table) for title, table in file.meters.items()},
        (_keys(own),) if any(own.get(name) for name in ("encryption_key", "master_key", "meter_signing_key")) else (),
        own.get("client_title", b""),
        own.get("system_title", b""),
        own.get("dedicated_key", b""),
    )


def _keys(table: Mapping[str, bytes]) -> Keys:
    def key(name: str) -> bytes:
        return table.get(name, b"")

    pairs = KeyPairs(key("signing_key"), key("agreement_key"), key("meter_signing_key"), key("meter_agreement_key"))
    return Keys(key("encryption_key"), key("authentication_key"), key("master_key"), pairs)
